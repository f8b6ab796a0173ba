package historytest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/internal/hit"
)

// World writes a history as a world of conformance/worlds that expects rows, which
// should be in an order of their own. What worlds cannot say of a fact stands under
// "also".
func World(h *reftest.History, rows []reftest.Row) string {
	facts, expected := make([]map[string]any, len(h.Facts)), make([]map[string]any, len(rows))
	for i := range h.Facts {
		facts[i] = wireFact(&h.Facts[i])
	}
	for i := range rows {
		expected[i] = wireRow(&rows[i])
	}
	text, err := json.MarshalIndent(map[string]any{
		"name": "shrunk", "why": "reference and product differ", "policy": json.RawMessage(h.Policy.Document()),
		"facts": facts, "expected": expected,
	}, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// wireRow is a row as worlds have it; what there is none of is null.
func wireRow(r *reftest.Row) map[string]any {
	has := map[string]any{
		"conversion": r.Definition, "conversion_id": r.ConversionID, "event": r.Event, "in_thread": r.InThread, "model": r.Model,
		"channel": r.Channel, "weight": 0.0, "touch_key": nil, "tier": nil, "touch_at": nil, "credited_value": nil, "currency": nil,
	}
	if parts, ok := new(big.Rat).SetString(r.Weight); ok {
		has["weight"], _ = parts.Quo(parts, big.NewRat(credit.Whole, 1)).Float64()
	}
	if r.TouchKey != "" {
		has["touch_key"], has["tier"], has["touch_at"] = r.TouchKey, r.Tier, int64(r.TouchAt)
	}
	if amount, ok := new(big.Rat).SetString(r.Credited); ok {
		digits, _ := amount.FloatPrec()
		has["credited_value"], has["currency"] = amount.FloatString(digits), r.Currency
	}
	return has
}

// wireFact is a fact as worlds have it.
func wireFact(f *hit.Fact) map[string]any {
	has := map[string]any{
		"t": f.Kind, "id": f.ID, "at": f.At.Time().Format("2006-01-02T15:04:05.000000Z"), "channel": f.Channel, "status": f.Status,
		"trust": []string{"", "browser", "server", "webhook"}[f.Trust], "precision": f.Precision,
	}
	for _, id := range f.Identifiers {
		if _, two := has[string(id.Kind)]; two {
			has["also"] = f.Identifiers
		}
		has[string(id.Kind)] = id.Value
	}
	if f.Device != nil {
		has["device"] = f.Device.Value
	}
	put := func(more map[string]any) { maps.Copy(has, more) }
	switch {
	case f.Message != nil:
		put(map[string]any{"business": f.Message.Sender, "campaign": f.Message.Campaign, "token": f.Message.Token})
		if f.Message.Template != nil {
			put(map[string]any{"template": f.Message.Template.Name, "language": f.Message.Template.Language})
		}
	case f.Report != nil:
		put(map[string]any{"business": f.Report.Sender, "also": f.Report})
	case f.Click != nil:
		put(map[string]any{"token": f.Click.Token, "also": f.Click})
	case f.Page != nil:
		put(map[string]any{"url": f.Page.URL, "referrer": f.Page.Referrer})
	case f.Event != nil:
		put(map[string]any{"name": f.Event.Name, "props": f.Event.Properties, "in_thread": f.Event.InThread})
	case f.Inbound != nil:
		put(wireInbound(f.Inbound))
	case f.Identify != nil:
		put(map[string]any{"call": f.Identify.Call})
	}
	maps.DeleteFunc(has, func(_ string, value any) bool { return fmt.Sprint(value) == "" })
	return has
}

// wireInbound is what worlds say of an inbound message.
func wireInbound(in *hit.Inbound) map[string]any {
	kind := map[string]string{"button": "button", "list_reply": "list", "nfm_reply": "flow"}[in.Interact]
	has := map[string]any{
		"business": in.Business, "kind": cmp.Or(kind, in.Type), "text": in.Text, "payload": in.Payload, "button_token": in.Token, "context": in.Context,
	}
	if in.Fields != nil {
		has["fields"] = in.Fields
	}
	if in.Order != nil {
		has["order"] = []map[string]any{{"item_price": json.Number(in.Order.Amount), "quantity": 1, "currency": in.Order.Currency}}
	}
	if in.Referral != nil {
		has["referral"] = map[string]string{"source_id": in.Referral.SourceID}
	}
	if in.Group {
		has["also"] = map[string]bool{"group": true}
	}
	return has
}
