package timeline_test

import (
	"cmp"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// Laws that hold of every history, whatever the rules of attribution are: here the
// product is compared with itself, on the same histories as with the reference.

func deriveHistory(h *reftest.History, facts []hit.Fact) timeline.Outcome {
	return derive(h.Policy, facts)
}

// stored folds copies as consume does, one after another as they arrive.
func stored(facts []hit.Fact) []hit.Fact {
	at := map[uuid.UUID]int{}
	var kept []hit.Fact
	for _, f := range facts {
		key := f.Key()
		i, known := at[key]
		if !known {
			at[key] = len(kept)
			kept = append(kept, f)
			continue
		}
		kept[i], _ = timeline.Merge(kept[i], f)
	}
	return kept
}

// eachFact returns changed copies of facts.
func eachFact(facts []hit.Fact, change func(*hit.Fact)) []hit.Fact {
	changed := slices.Clone(facts)
	for i := range changed {
		change(&changed[i])
	}
	return changed
}

func TestLaw_OrderAndRepetition(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		again := slices.Concat(h.Facts, h.Facts[:len(h.Facts)/2], h.Facts[len(h.Facts)/3:])
		again = rapid.Permutation(again).Draw(t, "again")
		want := deriveHistory(&h, h.Facts)
		if diff := differ(want, deriveHistory(&h, again)); diff != "" {
			t.Fatal(diff)
		}
		if diff := differ(want, deriveHistory(&h, stored(again))); diff != "" {
			t.Fatalf("as they arrive, one after another:\n%s", diff)
		}
	})
}

func TestLaw_SplitIntoComponents(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		// A second workspace's people beside the first: there is always something apart.
		far := eachFact(stored(h.Facts), func(f *hit.Fact) { rename(f, "far-") })
		facts := slices.Concat(stored(h.Facts), far)
		apart := timeline.Outcome{}
		for _, component := range components(facts) {
			join(&apart, deriveHistory(&h, component))
		}
		whole := deriveHistory(&h, facts)
		sorted(&apart)
		sorted(&whole)
		if diff := differ(whole, apart); diff != "" {
			t.Fatal(diff)
		}
	})
}

func join(to *timeline.Outcome, one timeline.Outcome) {
	to.Conversions = append(to.Conversions, one.Conversions...)
	to.Messages = append(to.Messages, one.Messages...)
	to.Persons = append(to.Persons, one.Persons...)
	to.Links = append(to.Links, one.Links...)
	to.Claims = append(to.Claims, one.Claims...)
}

// rename makes a fact another one, of other people: everything by which facts find
// one another begins with prefix. The block list's words stay what they are.
func rename(f *hit.Fact, prefix string) {
	f.ID = prefix + f.ID
	f.Identifiers = slices.Clone(f.Identifiers)
	for i := range f.Identifiers {
		f.Identifiers[i].Value = prefix + f.Identifiers[i].Value
	}
	if f.Device != nil {
		f.Device = &hit.Identifier{Kind: hit.Device, Value: prefix + f.Device.Value}
	}
	token := func(to *string) {
		if *to != "" {
			*to = prefix + *to
		}
	}
	switch {
	case f.Message != nil:
		m := *f.Message
		token(&m.Token)
		f.Message = &m
	case f.Click != nil:
		c := *f.Click
		token(&c.Token)
		f.Click = &c
	case f.Page != nil:
		p := *f.Page
		p.URL = strings.Replace(p.URL, "mt=", "mt="+prefix, 1)
		f.Page = &p
	case f.Event != nil:
		e := *f.Event
		e.Properties = json.RawMessage(strings.Replace(string(e.Properties), `"order_id":"`, `"order_id":"`+prefix, 1))
		f.Event = &e
	case f.Inbound != nil:
		in := *f.Inbound
		token(&in.Token)
		token(&in.Context)
		in.Fields = json.RawMessage(strings.Replace(string(in.Fields), `"order_id":"`, `"order_id":"`+prefix, 1))
		f.Inbound = &in
	}
}

// When a fact arrived decides nothing once its own time is known.
func TestLaw_TimeOfReceipt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		late := eachFact(h.Facts, func(f *hit.Fact) {
			f.ReceivedAt = f.At + hit.Instant(rapid.Int64Range(-300, 90*86_400).Draw(t, "late"))*1_000_000
		})
		if diff := differ(deriveHistory(&h, h.Facts), deriveHistory(&h, late)); diff != "" {
			t.Fatal(diff)
		}
	})
}

// All that happened some time later happened to the same people in the same way.
func TestLaw_ShiftOfTimes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		by := hit.Instant(rapid.Int64Range(-400_000_000, 400_000_000).Draw(t, "seconds")) * 1_000_000
		shifted := eachFact(h.Facts, func(f *hit.Fact) { f.At, f.ReceivedAt = f.At+by, f.ReceivedAt+by })
		want := deriveHistory(&h, h.Facts)
		shiftOutcome(&want, by)
		if diff := differ(want, deriveHistory(&h, shifted)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func shiftOutcome(o *timeline.Outcome, by hit.Instant) {
	move := func(at *hit.Instant) {
		if *at != 0 {
			*at += by
		}
	}
	for i := range o.Conversions {
		c := &o.Conversions[i]
		move(&c.EventAt)
		for j := range c.Credits {
			move(&c.Credits[j].TouchAt)
		}
	}
	for i := range o.Messages {
		m := &o.Messages[i]
		move(&m.EngagedFrom)
		move(&m.EngagedTo)
		times := &m.Times
		for _, at := range []*hit.Instant{&times.SentAt, &times.DeliveredAt, &times.ReadAt, &times.ClickedAt, &times.RepliedAt, &times.FailedAt} {
			move(at)
		}
	}
	for i := range o.Links {
		move(&o.Links[i].At)
	}
	for i := range o.Claims {
		move(&o.Claims[i].At)
	}
}

// Facts that lie outside every window of every conversion, and say nothing new of
// anybody, change no conversion.
func TestLaw_OutsideEveryWindow(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		first, last := h.Facts[0].At, h.Facts[0].At
		var longest int64 = 86_400 // of an implicit reply
		for _, w := range h.Policy.Windows {
			longest = max(longest, w.Seconds)
		}
		for i := range h.Facts {
			first, last = min(first, h.Facts[i].At), max(last, h.Facts[i].At)
		}
		before := first - hit.Instant(longest+3600)*1_000_000
		outside := []hit.Fact{
			// An old visit of each device, and an old click of each token.
			oldPage("d1", before), oldPage("d2", before), oldPage("d3", before), oldClick("t1", before), oldClick("t2", before), oldClick("t3", before),
		}
		want := deriveHistory(&h, h.Facts)
		for _, a := range want.Persons { // a message to everybody when all is over
			outside = append(outside, hit.Fact{
				Kind: hit.KindMessage, Channel: hit.ChannelWhatsApp, ID: "later " + a.Identifier.Value, Trust: hit.TrustServer, At: last + 3_600_000_000,
				Identifiers: []hit.Identifier{a.Identifier}, Message: &hit.Message{Sender: "1", Campaign: "later"},
			})
		}
		got := deriveHistory(&h, slices.Concat(outside, h.Facts))
		if diff := gocmp.Diff(want.Conversions, got.Conversions); diff != "" {
			t.Fatal(diff)
		}
		if diff := gocmp.Diff(want.Persons, got.Persons); diff != "" {
			t.Fatal(diff)
		}
	})
}

func oldPage(device string, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindPage, ID: "old page of " + device, Trust: hit.TrustBrowser, At: at, Device: &hit.Identifier{Kind: hit.Device, Value: device},
		Page: &hit.Page{URL: "https://shop.example/?gclid=old"},
	}
}

func oldClick(token string, at hit.Instant) hit.Fact {
	return hit.Fact{Kind: hit.KindClick, ID: "old click of " + token, Trust: hit.TrustServer, At: at, Click: &hit.Click{Token: token}}
}

// The same facts in two workspaces are two worlds: no person is of both, and nothing
// else differs.
func TestLaw_TwoWorkspaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		in := historyInput(&h)
		one := timeline.Derive(in)
		in.Workspace = uuid.NameSpaceURL
		two := timeline.Derive(in)
		mine, theirs := persons(&one), persons(&two)
		for id := range mine {
			if theirs[id] && id != uuid.Nil {
				t.Fatalf("person %s is of both workspaces", id)
			}
		}
		if len(mine) != len(theirs) {
			t.Fatalf("%d persons and %d", len(mine), len(theirs))
		}
		if diff := differ(one, two); diff != "" {
			t.Fatal(diff)
		}
	})
}

// persons takes the persons of an outcome away and returns them.
func persons(o *timeline.Outcome) map[uuid.UUID]bool {
	found := map[uuid.UUID]bool{}
	take := func(id *uuid.UUID) {
		found[*id] = true
		*id = uuid.Nil
	}
	for i := range o.Conversions {
		take(&o.Conversions[i].Person)
	}
	for i := range o.Messages {
		take(&o.Messages[i].Person)
	}
	for i := range o.Persons {
		take(&o.Persons[i].Person)
	}
	return found
}

// When everything costs k times as much, every value is k times as large and every
// credited value too, but for what rounding to the currency's unit moved: less than a
// unit before, which counts k times, and less than one after. A refund is the
// difference of two splits.
func TestLaw_ScaleOfValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := reftest.Histories().Draw(t, "history")
		k := rapid.Int64Range(2, 1000).Draw(t, "k")
		facts := stored(h.Facts) // which of two copies counts may hang on what they say
		scaled := reftest.History{Policy: h.Policy, Facts: eachFact(facts, func(f *hit.Fact) { scaleFact(f, k) })}
		scaled.Policy.KeywordRules = slices.Clone(h.Policy.KeywordRules)
		for i := range scaled.Policy.KeywordRules {
			rule := &scaled.Policy.KeywordRules[i]
			rule.Value = policy.Number(scaleText(string(rule.Value), k))
		}
		one, many := deriveHistory(&h, facts).Conversions, deriveHistory(&scaled, scaled.Facts).Conversions
		if len(one) != len(many) {
			t.Fatalf("%d conversions, %d scaled", len(one), len(many))
		}
		for i := range one {
			if problem := scaleHolds(&one[i], &many[i], k); problem != "" {
				t.Fatalf("times %d: %s\n%+v\n%+v", k, problem, one[i], many[i])
			}
		}
	})
}

func scaleFact(f *hit.Fact, k int64) {
	amount := func(a *hit.Amount) *hit.Amount {
		if a == nil {
			return nil
		}
		return &hit.Amount{Amount: scaleText(a.Amount, k), Currency: a.Currency}
	}
	switch {
	case f.Event != nil:
		e := *f.Event
		e.Properties = scaleProperties(e.Properties, k)
		f.Event = &e
	case f.Inbound != nil:
		in := *f.Inbound
		in.Order, in.Fields = amount(in.Order), scaleProperties(in.Fields, k)
		f.Inbound = &in
	case f.Report != nil && f.Report.Payment != nil:
		report, payment := *f.Report, *f.Report.Payment
		payment.Amount = *amount(&payment.Amount)
		report.Payment = &payment
		f.Report = &report
	}
}

// scaleProperties multiplies the properties that values are looked for in.
func scaleProperties(raw json.RawMessage, k int64) json.RawMessage {
	var has map[string]any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if decoder.Decode(&has) != nil {
		return raw
	}
	for _, name := range []string{"value", "revenue", "total"} {
		switch value := has[name].(type) {
		case string:
			has[name] = scaleText(value, k)
		case json.Number:
			has[name] = json.Number(scaleText(value.String(), k))
		}
	}
	scaled, err := json.Marshal(has)
	if err != nil {
		return raw
	}
	return scaled
}

// scaleText multiplies what is a number and leaves the rest.
func scaleText(text string, k int64) string {
	value, ok := conversion.ParseAmount(text)
	if !ok {
		return text
	}
	product := new(apd.Decimal)
	if _, err := apd.BaseContext.WithPrecision(200).Mul(product, value, apd.New(k, 0)); err != nil {
		return text
	}
	return product.Text('f')
}

// scaleHolds says what of two rows is not as it should be; empty: nothing.
func scaleHolds(one, many *credit.Conversion, k int64) string {
	times := big.NewRat(k, 1)
	unit := big.NewRat(1, 100)
	switch one.Currency {
	case "VND", "ISK", "JPY", "KRW", "XAF", "XOF", "CLP", "UGX":
		unit = big.NewRat(1, 1)
	case "KWD", "BHD", "JOD", "OMR", "TND", "LYD", "IQD":
		unit = big.NewRat(1, 1000)
	case "CLF", "UYW":
		unit = big.NewRat(1, 10_000)
	}
	within := new(big.Rat).Mul(unit, big.NewRat(k+1, 1))
	if one.Refund {
		within.Add(within, within)
	}
	rat := func(text string) *big.Rat {
		r, _ := new(big.Rat).SetString(cmp.Or(text, "0"))
		return r
	}
	if (one.Value == "") != (many.Value == "") || rat(many.Value).Cmp(new(big.Rat).Mul(rat(one.Value), times)) != 0 {
		return "the value"
	}
	for i := range one.Credits {
		a, b := &one.Credits[i], &many.Credits[i]
		for m := range a.Credited {
			away := new(big.Rat).Sub(rat(b.Credited[m]), new(big.Rat).Mul(rat(a.Credited[m]), times))
			if away.Abs(away).Cmp(within) >= 0 {
				return "credited " + one.Models[m]
			}
		}
		a.Credited, b.Credited = nil, nil
	}
	one.Value, many.Value = "", ""
	return gocmp.Diff(one, many)
}
