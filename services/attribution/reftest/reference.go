// Package reftest holds a second reading of the contract (attribution.md), slow and plain, to be compared row for row
// with package timeline, and the random histories over which the two are compared. It shares with the product the types
// of facts (package hit) and the lists of sites; a number in brackets is the contract's section. Only tests import it.
package reftest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Row is a row of the table: Weight in parts of 10^12, Credited a [big.Rat]; of what there is none, it has the zero value.
type Row struct {
	Definition, ConversionID, Event, Model, Channel, Tier, TouchKey, Weight, Credited, Currency string
	InThread                                                                                    bool
	TouchAt                                                                                     hit.Instant
	Person                                                                                      uuid.UUID
}

// Document is a policy that can be had as the document of PUT /v1/policy. The lists that are reference data (opt_out_terms,
// ignored_referrers) must stand in it; everything else may be left out.
type Document interface{ Document() []byte }

// settings is the document (api.md). Durations are in seconds.
type settings struct {
	Models           []string               `json:"models"`
	HalfLife         int64                  `json:"half_life_seconds"`
	First            json.Number            `json:"position_first"`
	Last             json.Number            `json:"position_last"`
	TierWeights      map[string]json.Number `json:"tier_weights"`
	Precedence       string                 `json:"precedence"`
	ReplyWindow      hit.Instant            `json:"implicit_reply_window_seconds"`
	SessionMessages  string                 `json:"session_messages"`
	ConfirmClicks    string                 `json:"confirm_clicks"`
	BrowserLinks     string                 `json:"browser_links"`
	OptOutTerms      []string               `json:"opt_out_terms"`
	IgnoredReferrers []string               `json:"ignored_referrers"`
	Blocked          []string               `json:"blocked_identifiers"`
	Conversions      []definition           `json:"conversions"`
	Rules            []keywordRule          `json:"keyword_rules"`
	Windows          []struct {
		Conversion, Channel, Campaign, Template, Tier string
		Seconds                                       hit.Instant
	} `json:"windows"`
}

// defaults are those of api.md.
const defaults = `{"models": ["last_touch", "linear"], "half_life_seconds": 604800, "position_first": 0.4, "position_last": 0.4,
	"tier_weights": {"click": 1, "reply": 0.8, "read": 0.4}, "implicit_reply_window_seconds": 86400,
	"windows": [{"tier": "click", "seconds": 604800}, {"tier": "reply", "seconds": 604800}, {"tier": "read", "seconds": 86400}],
	"conversions": [{"name": "purchase", "event": "Order Completed", "refund_event": "Order Refunded"},
		{"name": "whatsapp.order", "event": "whatsapp.order"}, {"name": "whatsapp.payment", "event": "whatsapp.payment"}]}`

// blocked is the default block list (2).
var blocked = []string{
	"", "null", "undefined", "none", "nan", "anonymous", "guest", "unknown", "0", "-1", "[object Object]", uuid.Nil.String(),
}

// world is all that follows from a set of facts, built up step by step.
type world struct {
	settings
	workspace uuid.UUID
	currency  string
	facts     []*hit.Fact // one copy of each, ordered by (time, id, trust)
	messages  []*message
	events    [][]event // copies of one event, the most trusted first; ordered by (time, conversion id)
	stated    []statement
	links     []link
	component map[hit.Identifier]hit.Identifier // a person's identifiers have one value
	names     map[hit.Identifier]uuid.UUID      // of components
	sessions  []*session
	claims    []claim
	touches   []touch
}

// Table derives the attribution table from facts in any order. Currency is the workspace's.
func Table(workspace uuid.UUID, currency string, p Document, facts []hit.Fact) (rows []Row) {
	w, document := &world{workspace: workspace, currency: currency}, map[string]json.RawMessage{}
	_ = json.Unmarshal([]byte(defaults), &document)
	_ = json.Unmarshal(p.Document(), &document)
	merged, _ := json.Marshal(document)
	_ = json.Unmarshal(merged, &w.settings)
	w.keepFacts(facts)
	w.joinMessages()
	w.joinEvents()
	w.joinPersons()
	w.claimDevices()
	w.findTouches()
	for i := range w.Conversions {
		rows = append(rows, w.convert(&w.Conversions[i])...)
	}
	return rows
}

// keepFacts keeps one copy of each fact: the smallest occurred_at wins, then the smallest canonical JSON (1); what is left to
// choose then the contract leaves open. A blocked identifier is as good as absent (2); a group is no recipient (2).
func (w *world) keepFacts(facts []hit.Fact) {
	body := func(f *hit.Fact) []byte { content, _, _ := hit.Content(f); return content }
	copies := map[uuid.UUID]*hit.Fact{}
	for _, f := range facts {
		old := cmp.Or(copies[f.Key()], &f)
		copies[f.Key()] = slices.MinFunc([]*hit.Fact{old, &f}, func(a, b *hit.Fact) int {
			return cmp.Or(cmp.Compare(a.At, b.At), bytes.Compare(body(a), body(b)), cmp.Compare(a.Precision, b.Precision),
				cmp.Compare(b.Trust, a.Trust), bytes.Compare(a.Source[:], b.Source[:]))
		})
	}
	for _, f := range copies {
		f.Identifiers = keep(f.Identifiers, func(id hit.Identifier) bool { return !w.blocks(id) && (f.Report == nil || !f.Report.Group) })
		if f.Device != nil && w.blocks(*f.Device) {
			f.Device = nil
		}
		w.facts = append(w.facts, f)
	}
	slices.SortFunc(w.facts, func(a, b *hit.Fact) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.ID, b.ID), cmp.Compare(b.Trust, a.Trust), cmp.Compare(a.Status, b.Status),
			bytes.Compare(a.Source[:], b.Source[:]))
	})
}

func (w *world) blocks(id hit.Identifier) bool {
	return slices.ContainsFunc(slices.Concat(blocked, w.Blocked), func(term string) bool { return hit.FoldCase(term) == hit.FoldCase(id.Value) })
}

// message is the state of a message, a join over its registration and statuses (1).
type message struct {
	hit.Message // zero when nobody registered it
	channel, id string
	facts       []*hit.Fact
	at          map[string]hit.Instant // the earliest of each stage, by tier; 0 for never
	session     bool
	primary     hit.Identifier // of the recipient; zero when none is known
	stated      []statement    // what identifies the recipient
}

var stages = map[hit.Status]string{
	"": "sent", "sent": "sent", "delivered": "delivered", "read": "read", "played": "read", "failed": "failed", "bounced": "failed",
}

func (w *world) joinMessages() {
	for _, f := range keep(w.facts, func(f *hit.Fact) bool { return f.Message != nil || f.Report != nil }) {
		m := w.message(f.Channel, f.ID)
		if m == nil {
			m = &message{channel: f.Channel, id: f.ID, at: map[string]hit.Instant{}}
			w.messages = append(w.messages, m)
		}
		stage := stages[f.Status]
		if f.Report != nil && f.Report.Machine && stage == "read" {
			stage = "delivered" // an open made by a machine (3)
		}
		m.facts, m.at[stage] = append(m.facts, f), cmp.Or(m.at[stage], f.At)
	}
	for _, m := range w.messages {
		registered := false
		for _, f := range m.facts {
			if f.Message != nil {
				m.Message, registered = *f.Message, true
			}
			m.session = m.session || f.Report != nil && f.Report.Category == "service" // of a message nobody registered (3)
		}
		if registered {
			m.session = m.Template == nil && m.Campaign == ""
		}
		if m.at["delivered"] != 0 || m.at["read"] != 0 {
			m.at["failed"] = 0 // failed is only what was neither delivered nor read
		}
		for _, implied := range [][2]string{{"delivered", "read"}, {"sent", "delivered"}} { // a later stage implies the earlier ones
			if before, after := m.at[implied[0]], m.at[implied[1]]; after != 0 && (before == 0 || after < before) {
				m.at[implied[0]] = after
			}
		}
		// The primary: by precedence, one from the registration first, then the earliest stated (2).
		m.stated = w.statedBy(m.facts...)
		slices.SortStableFunc(m.stated, func(a, b statement) int {
			return cmp.Or(a.precedence()-b.precedence(), cmp.Compare(a.Kind, b.Kind)) // a "message" before a "status"
		})
		if len(m.stated) > 0 {
			m.primary = m.stated[0].who
		}
	}
}

func (w *world) message(channel, id string) *message {
	for _, m := range w.messages {
		if m.channel == channel && m.id == id {
			return m
		}
	}
	return nil
}

// keep returns the items of which is holds.
func keep[T any](items []T, is func(T) bool) (kept []T) {
	for _, item := range items {
		if is(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
