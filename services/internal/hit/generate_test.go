package hit

import (
	"encoding/json"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit/canonical"
)

// Generators of facts as intake makes them: clean text, canonical JSON, no empty
// lists where nil is meant.

func drawText(t *rapid.T, label string) string {
	s, _ := CleanText(rapid.String().Draw(t, label))
	return s
}

func drawID(t *rapid.T) uuid.UUID {
	var id uuid.UUID
	copy(id[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
	return id
}

func drawJSON(t *rapid.T) json.RawMessage {
	if rapid.Bool().Draw(t, "absent") {
		return nil
	}
	object := map[string]any{}
	for range rapid.IntRange(0, 4).Draw(t, "members") {
		var value any
		switch rapid.IntRange(0, 3).Draw(t, "type") {
		case 0:
			value = drawText(t, "string")
		case 1:
			value = rapid.Float64Range(-1e30, 1e30).Draw(t, "number")
		case 2:
			value = []any{nil, rapid.Bool().Draw(t, "bool")}
		default:
			value = map[string]any{drawText(t, "inner"): rapid.Int64().Draw(t, "integer")}
		}
		object[drawText(t, "key")] = value
	}
	text, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	written, err := canonical.JSON(text)
	if err != nil {
		t.Fatalf("canonical form of %s: %v", text, err)
	}
	return written
}

func drawAmount(t *rapid.T) *Amount {
	return &Amount{Amount: rapid.StringMatching(`-?[0-9]{1,20}(\.[0-9]{1,9})?`).Draw(t, "amount"), Currency: drawText(t, "currency")}
}

func drawIdentifier(t *rapid.T) Identifier {
	kind := rapid.SampledFrom([]IdentifierKind{UserID, Phone, BSUID, Email, Device}).Draw(t, "kind")
	return Identifier{Kind: kind, Value: drawText(t, "value"), Folded: drawText(t, "folded")}
}

func drawFact(t *rapid.T) Fact {
	f := Fact{
		Kind:       rapid.SampledFrom([]Kind{KindMessage, KindStatus, KindClick, KindInbound, KindPage, KindEvent, KindIdentify, KindRaw}).Draw(t, "fact"),
		Source:     drawID(t),
		Trust:      Trust(rapid.IntRange(0, 3).Draw(t, "trust")),
		Channel:    drawText(t, "channel"),
		ID:         drawText(t, "id"),
		Status:     Status(drawText(t, "status")),
		At:         Instant(rapid.Int64().Draw(t, "at")),
		Precision:  Precision(rapid.IntRange(0, 1).Draw(t, "precision")),
		ReceivedAt: Instant(rapid.Int64().Draw(t, "received")),
	}
	for range rapid.IntRange(0, 2).Draw(t, "flags") {
		f.Flags = append(f.Flags, drawText(t, "flag"))
	}
	for range rapid.IntRange(0, 3).Draw(t, "identifiers") {
		f.Identifiers = append(f.Identifiers, drawIdentifier(t))
	}
	if rapid.Bool().Draw(t, "device") {
		id := drawIdentifier(t)
		f.Device = &id
	}
	if rapid.Bool().Draw(t, "consent") {
		f.Consent = &Consent{
			State: rapid.SampledFrom([]ConsentState{"", ConsentUnknown, ConsentDenied, ConsentGranted}).Draw(t, "state"),
			GPC:   rapid.Bool().Draw(t, "gpc"), DNT: rapid.Bool().Draw(t, "dnt"), GCM: drawJSON(t), TCF: drawText(t, "tcf"),
		}
	}
	drawBody(t, &f)
	return f
}

func drawBody(t *rapid.T, f *Fact) {
	flag := rapid.Bool().Draw(t, "flag")
	switch f.Kind {
	case KindMessage:
		f.Message = &Message{
			Sender: drawText(t, "sender"), Template: &Template{Name: drawText(t, "name"), Language: drawText(t, "language")},
			Campaign: drawText(t, "campaign"), Variant: drawText(t, "variant"), Token: drawText(t, "token"), Cost: drawAmount(t),
		}
	case KindStatus:
		f.Report = &Report{
			Sender: drawText(t, "sender"), Category: drawText(t, "category"), Reason: drawText(t, "reason"), Code: rapid.Int().Draw(t, "code"),
			Machine: flag, Group: !flag, Payment: &Payment{Reference: drawText(t, "reference"), Amount: *drawAmount(t)}, Extra: drawJSON(t),
		}
	case KindClick:
		f.Click = &Click{Token: drawText(t, "token"), URL: drawText(t, "url"), Method: drawText(t, "method"), Agent: drawText(t, "agent")}
	case KindInbound:
		f.Inbound = &Inbound{
			Business: drawText(t, "business"), Type: drawText(t, "type"), Text: drawText(t, "text"), Context: drawText(t, "context"),
			Payload: drawText(t, "payload"), Title: drawText(t, "title"), Token: drawText(t, "token"), Interact: drawText(t, "interact"),
			Fields: drawJSON(t), Order: drawAmount(t), Items: drawJSON(t), Group: flag, Extra: drawJSON(t),
			Referral: &Referral{
				SourceID: drawText(t, "source"), SourceType: drawText(t, "type"), SourceURL: drawText(t, "url"),
				Headline: drawText(t, "headline"), ClickID: drawText(t, "clid"),
			},
		}
	case KindPage:
		f.Page = &Page{
			URL: drawText(t, "url"), Referrer: drawText(t, "referrer"), Name: drawText(t, "name"), Title: drawText(t, "title"),
			Screen: flag, Properties: drawJSON(t),
		}
	case KindEvent:
		f.Event = &Event{Name: drawText(t, "name"), InThread: flag, Properties: drawJSON(t), Country: drawText(t, "country")}
	case KindIdentify:
		f.Identify = &Identify{Call: drawText(t, "call"), Group: drawText(t, "group"), Traits: drawJSON(t)}
	case KindRaw:
		f.Raw = drawJSON(t)
	}
}
