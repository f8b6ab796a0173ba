package timeline_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// reasons are all there are, of candidates and of what does not count.
var reasons = []string{
	"", string(credit.After), string(credit.Outside), string(credit.NoRule), string(credit.Never),
	string(credit.Weaker), string(credit.Earlier), string(credit.Repeated), string(credit.Precedence), string(credit.Failed),
	string(credit.Session), string(credit.OptOut), string(credit.Unconfirmed), string(credit.OtherPerson), string(credit.NoEngagement),
	string(credit.Uncounted), string(credit.UnknownOrder),
	string(conversion.WhereFailed), string(conversion.OnceWithin), string(conversion.RefundNoOrder), string(conversion.RefundRepeated),
	string(conversion.RefundOfUncounted), string(conversion.RefundOfNothing), string(conversion.RefundCurrency),
}

// On random histories the explanation of every conversion is its row of the table, its
// eligible candidates are the row's credits, and its candidates are exactly the
// touchpoints that the reference knows of the person.
func TestExplain_Histories(t *testing.T) {
	t.Parallel()
	const histories, parts = 60, 2
	met := make([]map[string]int, parts)
	t.Run("histories", func(t *testing.T) {
		for part := range parts {
			met[part] = map[string]int{}
			t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
				t.Parallel()
				for seed := part; seed < histories && !t.Failed(); seed += parts {
					h := reftest.Histories().Example(seed)
					h.Facts = append(h.Facts, rarities(h.Facts)...)
					x := explained{in: historyInput(&h), met: met[part]}
					x.check(t, seed)
				}
			})
		}
	})
	for _, reason := range reasons {
		n := 0
		for part := range met {
			n += met[part][reason]
		}
		t.Logf("%-28s %6d", reason, n)
		if n == 0 {
			t.Errorf("no history has %q", reason)
		}
		for part := range met {
			delete(met[part], reason)
		}
	}
	for part := range met {
		for _, reason := range slices.Sorted(maps.Keys(met[part])) {
			t.Errorf("%q is not among the reasons", reason)
		}
	}
}

// rarities are what random histories hardly have, for the person of the first order: a
// message of which only an unsubscription is known, one that failed, one that was
// answered with an opt-out, two page views of one id, two copies of one refund.
func rarities(facts []hit.Fact) (more stage) {
	i := slices.IndexFunc(facts, func(f hit.Fact) bool { return f.Event != nil && len(f.Identifiers) > 0 })
	if i < 0 {
		return nil
	}
	at, ids, device := facts[i].At, facts[i].Identifiers[:1], &hit.Identifier{Kind: hit.Device, Value: "rare"}
	add := func(kind hit.Kind, trust hit.Trust, id string) *hit.Fact {
		f := more.add(kind, trust, id, 0)
		f.At, f.Identifiers = at, ids
		return f
	}
	f := add(hit.KindStatus, hit.TrustWebhook, "quiet")
	f.Channel, f.Status, f.Report = hit.ChannelWhatsApp, hit.StatusUnsubscribed, &hit.Report{}
	f = add(hit.KindStatus, hit.TrustWebhook, "lost")
	f.Channel, f.Status, f.Report = hit.ChannelSMS, hit.StatusFailed, &hit.Report{}
	f = add(hit.KindMessage, hit.TrustServer, "left")
	f.Channel, f.Message = hit.ChannelWhatsApp, &hit.Message{Campaign: "c3"}
	f = add(hit.KindInbound, hit.TrustWebhook, "leave")
	f.Channel, f.Inbound = hit.ChannelWhatsApp, &hit.Inbound{Type: "text", Text: "Stop", Context: "left"}
	for trust := hit.TrustBrowser; trust <= hit.TrustServer; trust++ {
		f = add(hit.KindPage, trust, "twice")
		f.Device, f.Page = device, &hit.Page{URL: fmt.Sprintf("https://shop.example/?gclid=%d", trust)}
		f = add(hit.KindEvent, trust, fmt.Sprint("back", trust))
		f.Event = &hit.Event{Name: "Order Refunded", Properties: []byte(`{"order_id":"o1","refund_id":"x9","value":1}`)}
		f = add(hit.KindEvent, trust, "nothing")
		f.Event = &hit.Event{Name: "Order Completed", Properties: []byte(`{"order_id":"o8"}`)}
	}
	f = add(hit.KindEvent, hit.TrustServer, "back8")
	f.Event = &hit.Event{Name: "Order Refunded", Properties: []byte(`{"order_id":"o8","value":1}`)}
	return more
}

// explained is a history under test.
type explained struct {
	in  timeline.Input
	met map[string]int

	out         timeline.Outcome
	engagements []reftest.Engagement
}

func (x *explained) check(t *testing.T, seed int) {
	t.Helper()
	x.out = timeline.Derive(x.in)
	x.engagements = reftest.Engagements(x.in.Workspace, x.in.Policy, x.in.Facts)
	rows := map[[2]string]bool{}
	for i := range x.out.Conversions {
		c := &x.out.Conversions[i]
		rows[[2]string{c.Definition, c.ID}] = true
		e, ok := timeline.Explain(x.in, timeline.Question{ID: c.ID, Definition: c.Definition})
		if !ok {
			t.Fatalf("seed %d: %s %s is not explained", seed, c.Definition, c.ID)
		}
		if diff := gocmp.Diff(*c, e.Row); diff != "" {
			t.Errorf("seed %d: %s %s: the row (-derived +explained):\n%s", seed, c.Definition, c.ID, diff)
		}
		for _, fault := range append(x.credited(&e), x.complete(&e)...) {
			t.Errorf("seed %d: %s %s: %s", seed, c.Definition, c.ID, fault)
		}
		if i%6 == 0 {
			x.alone(t, c, &e)
		}
	}
	for _, id := range conversionIDs(x.in.Facts) {
		for i := range x.in.Policy.Conversions {
			name := x.in.Policy.Conversions[i].Name
			e, ok := timeline.Explain(x.in, timeline.Question{ID: id, Definition: name})
			if !ok || rows[[2]string{name, id}] {
				continue
			}
			x.met[string(e.Verdict.Reason)]++
			if e.Verdict.Reason == conversion.Counts || len(e.Row.Credits) > 0 {
				t.Errorf("seed %d: %s %s is no row of the table and counts", seed, name, id)
			}
			for _, fault := range append(x.credited(&e), x.complete(&e)...) {
				t.Errorf("seed %d: %s %s: %s", seed, name, id, fault)
			}
		}
	}
}

// alone holds that the facts found by the conversion's id, and all that hang together
// with them, are enough.
func (x *explained) alone(t *testing.T, c *credit.Conversion, want *timeline.Explanation) {
	t.Helper()
	refs := map[fact.Ref]bool{}
	for _, r := range fact.ConversionRefs(c.ID) {
		refs[r] = true
	}
	in, taken := x.in, make([]bool, len(x.in.Facts))
	in.Facts = nil
	for grown := true; grown; {
		grown = false
		for i := range x.in.Facts {
			f := &x.in.Facts[i]
			if taken[i] || !slices.ContainsFunc(fact.Refs(f), func(r fact.Ref) bool { return refs[r] }) {
				continue
			}
			in.Facts, taken[i], grown = append(in.Facts, *f), true, true
			for _, r := range fact.Refs(f) {
				refs[r] = true
			}
		}
	}
	got, ok := timeline.Explain(in, timeline.Question{ID: c.ID, Definition: c.Definition})
	if !ok || gocmp.Diff(*want, got, gocmp.Comparer(sameCopy)) != "" {
		t.Errorf("%s %s by itself: known %t, (-whole +alone):\n%s", c.Definition, c.ID, ok, gocmp.Diff(*want, got, gocmp.Comparer(sameCopy)))
	}
}

// sameCopy compares copies by what names them: their facts are large.
func sameCopy(a, b timeline.Copy) bool {
	return a.ID == b.ID && a.Fact.Source == b.Fact.Source && a.Leads == b.Leads && a.Names == b.Names && a.Values == b.Values
}

// credited holds the eligible candidates against the credits of the row.
func (x *explained) credited(e *timeline.Explanation) (faults []string) {
	var credits []credit.Credit
	for i := range e.Candidates {
		c := &e.Candidates[i]
		x.met[string(c.Reason)]++
		eligible := 0
		for _, j := range c.Engagements {
			if j.Reason != c.Reason {
				x.met[string(j.Reason)]++
			}
			if j.Reason == credit.Eligible {
				eligible++
			}
			if (j.Beyond > 0) != (j.Reason == credit.After || j.Reason == credit.Outside) {
				faults = append(faults, fmt.Sprintf("%s is %s by %d", c.Touch.Key, j.Reason, j.Beyond))
			}
		}
		if c.Reason != credit.Eligible {
			if eligible > 0 || c.Credit != nil {
				faults = append(faults, fmt.Sprintf("%s is %s and eligible", c.Touch.Key, c.Reason))
			}
			continue
		}
		by := c.Engagements[c.Decides]
		k := c.Credit
		if eligible != 1 || k == nil || k.Tier != by.Tier || k.TouchAt != by.At || k.LagMicros != int64(by.Age) || k.WindowSeconds != by.Window ||
			x.in.Policy.Windows[by.Rule].Seconds != by.Window {
			faults = append(faults, fmt.Sprintf("%s: %d eligible, %+v beside credit %+v", c.Touch.Key, eligible, by, k))
			continue
		}
		credits = append(credits, *k)
	}
	want := e.Row.Credits
	if len(want) == 1 && want[0].Channel == credit.Unattributed {
		want = nil
	}
	if diff := gocmp.Diff(want, credits); diff != "" {
		faults = append(faults, "credits (-row +candidates):\n"+diff)
	}
	return faults
}

// complete holds the candidates against the touchpoints that the reference knows of the
// person, and against the messages to it.
func (x *explained) complete(e *timeline.Explanation) (faults []string) {
	type engagement struct {
		channel, key, tier string
		at                 hit.Instant
	}
	var want, got []engagement
	var messages, barred []string
	for _, r := range x.engagements {
		if r.Person == e.Row.Person && r.Person != uuid.Nil {
			want = append(want, engagement{r.Channel, r.TouchKey, r.Tier, r.TouchAt})
		}
	}
	for i := range x.out.Messages {
		if m := &x.out.Messages[i]; m.Person == e.Row.Person && m.Person != uuid.Nil {
			messages = append(messages, m.Channel+" "+m.ID)
		}
	}
	for i := range e.Candidates {
		c := &e.Candidates[i]
		if c.Touch.Message != nil {
			barred = append(barred, c.Touch.Channel+" "+c.Touch.Key)
		}
		if (c.Holder != e.Row.Person) != (c.Reason == credit.OtherPerson) {
			faults = append(faults, fmt.Sprintf("%s of %s is %q", c.Touch.Key, c.Holder, c.Reason))
		}
		if m := c.Touch.Message; c.Reason == credit.OtherPerson || m != nil && (m.Failed() || m.Session && x.in.Policy.SessionMessages == "ignore") {
			continue
		}
		for _, j := range c.Engagements {
			if j.Reason != credit.OptOut && j.Reason != credit.Unconfirmed {
				got = append(got, engagement{c.Touch.Channel, c.Touch.Key, j.Tier, j.At})
			}
		}
	}
	order := func(a, b engagement) int {
		return cmp.Or(cmp.Compare(a.channel, b.channel), cmp.Compare(a.key, b.key), cmp.Compare(a.tier, b.tier), cmp.Compare(a.at, b.at))
	}
	slices.SortFunc(want, order)
	slices.SortFunc(got, order)
	slices.Sort(barred)
	if !slices.Equal(want, got) {
		faults = append(faults, fmt.Sprintf("engagements (-reference +candidates):\n%v\n%v", want, got))
	}
	if !slices.Equal(messages, barred) {
		faults = append(faults, fmt.Sprintf("messages %v, candidates %v", messages, barred))
	}
	return faults
}

// conversionIDs are what conversions made of facts could be called.
func conversionIDs(facts []hit.Fact) []string {
	ids := map[string]bool{}
	for i := range facts {
		f := &facts[i]
		ids[f.ID] = true
		if f.Event != nil {
			if order := fact.OrderID(f.Event.Properties); order != "" {
				ids["order:"+order] = true
			}
		}
		if f.Inbound != nil {
			ids[f.ID+":interested"] = true
		}
	}
	return slices.Sorted(maps.Keys(ids))
}
