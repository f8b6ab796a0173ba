package timeline_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// historyEnv says over how many random histories product and reference are compared.
const historyEnv = "TOUCHLINE_HISTORIES"

// The product's table is the reference's, row for row, on random histories. One on
// which they differ is shrunk and printed as a world.
func TestReference_Histories(t *testing.T) {
	t.Parallel()
	total := 2000
	if text := os.Getenv(historyEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", historyEnv, err)
		}
		total = n
	}
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
			t.Parallel()
			counts, differ := map[string]int{}, 0
			for seed := part; seed < total && differ < 3; seed += parts {
				h := reftest.Histories().Example(seed)
				for _, what := range met(&h) {
					counts[what]++
				}
				if compareHistory(&h) != "" {
					differ++
					h = shrink(h)
					t.Errorf("seed %d: reference (-) and product (+) differ:\n%s\n%s", seed, compareHistory(&h), printWorld(&h))
				}
			}
			for _, what := range mustMeet() {
				counts[what] += 0 // what was never met is not forgotten
			}
			for _, what := range slices.Sorted(maps.Keys(counts)) {
				t.Logf("%-28s %5.1f %%", what, 100*float64(counts[what])/float64(counts["histories"]))
				if slices.Contains(mustMeet(), what) && counts["histories"] >= 400 && counts[what]*200 < counts["histories"] {
					t.Errorf("%s: in fewer than 1 of 200 histories", what)
				}
			}
		})
	}
}

func historyInput(h *reftest.History) timeline.Input {
	return timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &h.Policy, Facts: h.Facts}
}

// compareHistory returns in which rows reference and product differ.
func compareHistory(h *reftest.History) string {
	in := historyInput(h)
	want := sortedRows(reftest.Table(in.Workspace, in.Currency, in.Policy, in.Facts))
	random := rand.New(rand.NewPCG(uint64(len(h.Facts)), 1))
	in.Facts = slices.Clone(in.Facts)
	random.Shuffle(len(in.Facts), func(i, j int) { in.Facts[i], in.Facts[j] = in.Facts[j], in.Facts[i] })
	got := productRows(timeline.Derive(in))
	if slices.Equal(want, got) {
		return ""
	}
	return gocmp.Diff(want, got)
}

// shrink drops whatever can be dropped while reference and product differ.
func shrink(h reftest.History) reftest.History {
	for smaller := true; smaller; {
		smaller = false
		for _, next := range simpler(h) {
			if compareHistory(&next) != "" {
				h, smaller = next, true
				break
			}
		}
	}
	return h
}

// simpler returns histories with one thing less than h.
func simpler(h reftest.History) (all []reftest.History) {
	add := func(change func(*reftest.History)) {
		next := reftest.History{Policy: h.Policy, Facts: slices.Clone(h.Facts)}
		change(&next)
		all = append(all, next)
	}
	for size := len(h.Facts) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(h.Facts); i += size {
			add(func(n *reftest.History) { n.Facts = slices.Delete(n.Facts, i, i+size) })
		}
	}
	for i, f := range h.Facts {
		for j := range f.Identifiers {
			add(func(n *reftest.History) { n.Facts[i].Identifiers = slices.Delete(slices.Clone(f.Identifiers), j, j+1) })
		}
		if f.Device != nil {
			add(func(n *reftest.History) { n.Facts[i].Device = nil })
		}
		if f.Event != nil && string(f.Event.Properties) != `{"value":"1"}` {
			add(func(n *reftest.History) {
				n.Facts[i].Event = &hit.Event{Name: f.Event.Name, Properties: json.RawMessage(`{"value":"1"}`)}
			})
		}
	}
	for i := range h.Policy.Models {
		add(func(n *reftest.History) { n.Policy.Models = slices.Delete(slices.Clone(h.Policy.Models), i, i+1) })
	}
	for i := range h.Policy.Windows {
		add(func(n *reftest.History) { n.Policy.Windows = slices.Delete(slices.Clone(h.Policy.Windows), i, i+1) })
	}
	for i := range h.Policy.Conversions {
		add(func(n *reftest.History) {
			n.Policy.Conversions = slices.Delete(slices.Clone(h.Policy.Conversions), i, i+1)
		})
	}
	for i := range h.Policy.KeywordRules {
		add(func(n *reftest.History) {
			n.Policy.KeywordRules = slices.Delete(slices.Clone(h.Policy.KeywordRules), i, i+1)
		})
	}
	return all
}

// printWorld writes a history as a world whose expected table is the reference's. What
// worlds cannot say of a fact stands under "also".
func printWorld(h *reftest.History) string {
	w := map[string]any{"name": "shrunk", "why": "reference and product differ", "policy": json.RawMessage(h.Policy.Document())}
	facts := []map[string]any{}
	for i := range h.Facts {
		facts = append(facts, wire(&h.Facts[i]))
	}
	w["facts"] = facts
	in := historyInput(h)
	w["expected"] = worldRows(sortedRows(reftest.Table(in.Workspace, in.Currency, in.Policy, in.Facts)))
	text, err := json.MarshalIndent(w, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func wire(f *hit.Fact) map[string]any {
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
		put(wireInboundOf(f.Inbound))
	case f.Identify != nil:
		put(map[string]any{"call": f.Identify.Call})
	}
	maps.DeleteFunc(has, func(_ string, value any) bool { return fmt.Sprint(value) == "" })
	return has
}

func wireInboundOf(in *hit.Inbound) map[string]any {
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

// met names what a history has in it.
func met(h *reftest.History) []string {
	out := timeline.Derive(historyInput(h))
	has := map[string]bool{"histories": true}
	persons := map[uuid.UUID]int{}
	for _, a := range out.Persons {
		persons[a.Person]++
		has["merge"] = has["merge"] || persons[a.Person] > 1
		has["shared identifier"] = has["shared identifier"] || a.Shared
	}
	for _, l := range out.Links {
		has["refused link"] = has["refused link"] || l.State == identity.Refused
	}
	tokens, keys := map[string]map[string]bool{}, map[uuid.UUID]bool{}
	for i := range h.Facts {
		f := &h.Facts[i]
		has["replaced copy"] = has["replaced copy"] || keys[f.Key()]
		keys[f.Key()] = true
		has["whole seconds"] = has["whole seconds"] || f.Precision == hit.PrecisionSecond
		for _, id := range f.Identifiers {
			has["blocked identifier"] = has["blocked identifier"] || slices.Contains(h.Policy.Blocked(), hit.FoldCase(id.Value))
		}
		if f.Page != nil && f.Device != nil {
			if _, token, found := strings.Cut(f.Page.URL, "mt="); found {
				if tokens[token] == nil {
					tokens[token] = map[string]bool{}
				}
				tokens[token][f.Device.Value] = true
				has["sixth device for a token"] = has["sixth device for a token"] || len(tokens[token]) > 5
			}
		}
	}
	metOrders(h, has)
	metTable(&out, has)
	metChat(h, &out, has)
	metFacts(h, has)
	metMoney(h, &out, has)
	metSettings(h, &out, has)
	has["browser links off"] = h.Policy.BrowserLinks == policy.LinksOff
	var all []string
	for what, is := range has {
		if is {
			all = append(all, what)
		}
	}
	return all
}

// metOrders looks at orders and refunds as they were stated, and at equal instants.
func metOrders(h *reftest.History, has map[string]bool) {
	owners, placed, at := map[string]hit.Identifier{}, map[string]hit.Instant{}, map[hit.Instant]hit.Kind{}
	for i := range h.Facts {
		f := &h.Facts[i]
		has["ties at one instant"] = has["ties at one instant"] || at[f.At] != ""
		at[f.At] = f.Kind
		if f.Event == nil || f.Event.Name != "Order Completed" {
			continue
		}
		order := f.ID
		if text := orderOf(f); text != "" {
			order = "order:" + text
			placed[text] = f.At
		}
		if len(f.Identifiers) > 0 {
			old, known := owners[order]
			has["order changes owner"] = has["order changes owner"] || known && old != f.Identifiers[0]
			owners[order] = f.Identifiers[0]
		}
	}
	for i := range h.Facts {
		if f := &h.Facts[i]; f.Event != nil && f.Event.Name == "Order Refunded" {
			at, known := placed[orderOf(f)]
			has["refund before its order"] = has["refund before its order"] || known && f.At < at
			has["refund of nothing"] = has["refund of nothing"] || !known
		}
	}
}

func orderOf(f *hit.Fact) string {
	var has struct {
		Order string `json:"order_id"`
	}
	if json.Unmarshal(f.Event.Properties, &has) != nil {
		return ""
	}
	return has.Order
}

// metTable looks at what was concluded.
func metTable(out *timeline.Outcome, has map[string]bool) {
	for _, c := range out.Claims {
		has["identify claim"] = has["identify claim"] || c.Identify
		has["click claim"] = has["click claim"] || !c.Identify
	}
	for i := range out.Conversions {
		c := &out.Conversions[i]
		has["conversion: "+c.Definition] = true
		has["refund"] = has["refund"] || c.Refund
		has["several touchpoints"] = has["several touchpoints"] || len(c.Credits) > 1
		for j := range c.Credits {
			has["touch after its conversion"] = has["touch after its conversion"] || c.Credits[j].TouchAt > c.EventAt && !c.Refund
			has["tier: "+c.Credits[j].Tier] = true
			has["channel: "+c.Credits[j].Channel] = true
		}
	}
}

// metChat looks for replies that name no message and for page views at a session's end.
func metChat(h *reftest.History, out *timeline.Outcome, has map[string]bool) {
	views := map[string]map[hit.Instant]bool{}
	for i := range h.Facts {
		f := &h.Facts[i]
		for j := range out.Messages {
			replied := f.Inbound != nil && out.Messages[j].RepliedAt == f.At
			has["implicit reply"] = has["implicit reply"] || replied && f.Inbound.Context == "" && f.Inbound.Token == ""
			has["explicit reply"] = has["explicit reply"] || replied && f.Inbound.Context+f.Inbound.Token != ""
		}
		if f.Page != nil && f.Device != nil {
			if views[f.Device.Value] == nil {
				views[f.Device.Value] = map[hit.Instant]bool{}
			}
			views[f.Device.Value][f.At] = true
		}
	}
	for _, times := range views {
		for at := range times {
			has["page after 30 minutes"] = has["page after 30 minutes"] || times[at+30*minute]
			has["page 1 µs later"] = has["page 1 µs later"] || times[at+30*minute+1]
		}
	}
}
