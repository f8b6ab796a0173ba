package timeline_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// turn is a change: facts, and which of them are fresh.
type turn struct {
	in            timeline.Input
	old           timeline.Input
	fresh         map[uuid.UUID]bool
	before, after timeline.Outcome
}

// newTurn takes the facts with these ids, or "kind:id", for fresh.
func newTurn(p *policy.Policy, facts []hit.Fact, ids ...string) turn {
	c := turn{
		in:    timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: p, Facts: facts},
		fresh: map[uuid.UUID]bool{},
	}
	for i := range facts {
		if slices.Contains(ids, facts[i].ID) || slices.Contains(ids, string(facts[i].Kind)+":"+facts[i].ID) {
			c.fresh[facts[i].Key()] = true
		}
	}
	c.old = c.in
	c.old.Facts = slices.DeleteFunc(slices.Clone(facts), func(f hit.Fact) bool { return c.fresh[f.Key()] })
	c.before, c.after = timeline.Derive(c.old), timeline.Derive(c.in)
	return c
}

func (c *turn) change() *timeline.Change { return timeline.Compare(c.in, c.fresh) }

func (c *turn) effect() timeline.Effect { return c.change().Effect(whoOf(c.before), whoOf(c.after)) }

func whoOf(out timeline.Outcome) timeline.Who {
	people, devices := identity.Known(uuid.NameSpaceOID, out.Persons, out.Claims)
	return timeline.Who{People: people, Devices: devices}
}

// What a change moves lies within its effect: a conversion that comes, goes or becomes
// another is of an event that moved, or befell a person within the longest window after
// an engagement that did.
func TestChange_EffectHoldsAllThatMoves(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 7))
	moved, still := 0, 0
	for seed := range 400 {
		h := reftest.Histories().Example(seed)
		var ids []string
		for range 1 + random.IntN(3) {
			ids = append(ids, h.Facts[random.IntN(len(h.Facts))].ID)
		}
		c := newTurn(&h.Policy, h.Facts, ids...)
		e := c.effect()
		longest := timeline.WindowsOf(&h.Policy).Longest
		near := timeline.Spread(e.Engaged, minute/60, longest)
		for _, row := range movedRows(c.before.Conversions, c.after.Conversions) {
			moved++
			if e.Once || slices.Contains(e.Anchors, row.Anchor) || row.Refund || oncePer(&h.Policy, row.Definition) {
				continue // a refund moves with its original
			}
			if !slices.ContainsFunc(near, func(s timeline.Span) bool {
				return s.Person == row.Person && s.From <= row.EventAt && row.EventAt <= s.To
			}) {
				t.Errorf("seed %d, fresh %q: %s %s moved, and nothing says so: %+v", seed, ids, row.Definition, row.ID, e)
			}
		}
		if !e.Events && len(e.Engaged) == 0 {
			if still++; !slices.EqualFunc(c.before.Conversions, c.after.Conversions, sameRow) {
				t.Errorf("seed %d, fresh %q: no effect, and yet conversions differ", seed, ids)
			}
		}
	}
	if moved < 100 || still < 30 {
		t.Errorf("%d conversions moved, %d changes moved nothing: too few to tell", moved, still)
	}
}

func oncePer(p *policy.Policy, definition string) bool {
	return slices.ContainsFunc(p.Conversions, func(d policy.Definition) bool { return d.Name == definition && d.OnceWithinSeconds > 0 })
}

func sameRow(a, b credit.Conversion) bool { return gocmp.Equal(a, b) }

// movedRows are the rows of either side that the other has not.
func movedRows(before, after []credit.Conversion) []credit.Conversion {
	alone := func(these, those []credit.Conversion) []credit.Conversion {
		return slices.DeleteFunc(slices.Clone(these), func(a credit.Conversion) bool {
			return slices.ContainsFunc(those, func(b credit.Conversion) bool { return a.ID == b.ID && a.Definition == b.Definition && sameRow(a, b) })
		})
	}
	return append(alone(before, after), alone(after, before)...)
}

// told writes an effect: persons by an identifier, times in minutes, anchors by fact.
func (c *turn) told(e timeline.Effect) []string {
	names := map[uuid.UUID]string{}
	for _, a := range slices.Concat(c.after.Persons, c.before.Persons) {
		if names[a.Person] == "" {
			names[a.Person] = a.Identifier.Value
		}
	}
	anchors := map[uuid.UUID]string{}
	for i := range c.in.Facts {
		anchors[fact.Anchor(&c.in.Facts[i]).Value] = c.in.Facts[i].ID
	}
	lines := []string{}
	for _, list := range []struct {
		what  string
		spans []timeline.Span
	}{{"engaged", e.Engaged}, {"replies", e.Replies}, {"awaited", e.Awaited}, {"bought", e.Bought}} {
		for _, s := range list.spans {
			lines = append(lines, fmt.Sprintf("%s %s %d to %d", list.what, names[s.Person], (s.From-noon)/minute, (s.To-noon)/minute))
		}
	}
	for _, a := range e.Anchors {
		lines = append(lines, "event "+anchors[a])
	}
	for _, a := range e.Messages {
		lines = append(lines, "message "+anchors[a])
	}
	if e.Once {
		lines = append(lines, "once")
	}
	if e.Events != (len(e.Anchors) > 0) {
		lines = append(lines, "anchors of events that do not differ")
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func TestChange_Effect(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	rules.Conversions[0].RefundEvent = "Order Refunded"
	rules.ImplicitReplyWindowSeconds = 3600
	once, silent, many, chats := rules, rules, rules, rules
	once.Conversions = slices.Clone(rules.Conversions)
	once.Conversions[0].OnceWithinSeconds = 1
	silent.ImplicitReplyWindowSeconds = 0
	many.Conversions = []policy.Definition{{Name: "wrote", Event: "Wrote"}, {Name: "a", Event: "Order Completed", OnceWithinSeconds: 60}, {Name: "b", Event: "Order Completed"}}
	chats.SessionMessages = policy.SessionCount
	token := hit.Message{Token: "tk", Campaign: "c", Template: &hit.Template{Name: "spring"}}
	text := hit.Inbound{Type: "text", Text: "hello", Business: "1"}
	tests := []struct {
		name   string
		policy *policy.Policy
		play   func(*stage)
		fresh  string
		want   string
	}{
		{"a page view of nothing", &rules, func(s *stage) { s.page("x", 1, "d", "https://a.example/") }, "x", ""},
		{"a visit that counts", &rules, func(s *stage) {
			s.identify("i", 0, "identify", who(hit.UserID, "u")...).Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
			s.page("x", 5, "d", "https://a.example/?gclid=1")
		}, "x", "engaged u 5 to 5"},
		{"a visit of a device that nobody claimed", &rules, func(s *stage) { s.page("x", 5, "d", "https://a.example/?gclid=1") }, "x", "engaged  5 to 5"},
		{
			"a click", &rules, func(s *stage) { s.message("m", 0, "p", token); s.click("x", 5, hit.Click{Token: "tk"}) }, "x",
			"awaited p 0 to 60; engaged p 5 to 5; message m",
		},
		{"a click on a message to nobody", &rules, func(s *stage) {
			s.message("m", 0, "p", token).Identifiers = nil
			s.click("x", 5, hit.Click{Token: "tk"})
		}, "x", "message m"},
		{"a read message becomes a campaign's", &rules, func(s *stage) {
			s.status("m", hit.StatusRead, 3, hit.Report{}).Identifiers = who(hit.Phone, "p")
			s.message("m", 0, "p", token)
		}, "message:m", "awaited p 0 to 60; engaged p 0 to 0; engaged p 0 to 60; engaged p 3 to 3; engaged p 3 to 63; message m; replies p 0 to 60; replies p 3 to 63"},
		{"a campaign becomes known late", &rules, func(s *stage) {
			s.status("m", hit.StatusRead, 3, hit.Report{Category: "marketing"}).Identifiers = who(hit.Phone, "p")
			s.message("m", 0, "p", hit.Message{Campaign: "c"}).At = noon + 3*minute
		}, "message:m", "awaited p 3 to 63; engaged p 3 to 3; engaged p 3 to 63; message m; replies p 3 to 63"},
		{
			"a message can be answered", &rules, func(s *stage) { s.message("x", 7, "p", token) }, "x",
			"awaited p 7 to 67; engaged p 7 to 67; engaged p 7 to 7; message x; replies p 7 to 67",
		},
		{"but not when replies have to name it", &silent, func(s *stage) { s.message("x", 7, "p", token) }, "x", "engaged p 7 to 7; message x"},
		{"a message of the conversation cannot", &rules, func(s *stage) { s.message("x", 7, "p", hit.Message{}) }, "x", "message x"},
		{"a failed one cannot any more", &rules, func(s *stage) {
			s.message("m", 7, "p", token)
			s.status("m", hit.StatusFailed, 9, hit.Report{})
		}, "status:m", "engaged p 7 to 67; engaged p 7 to 7; message m; replies p 7 to 67"},
		{
			"an answer that names none", &rules, func(s *stage) { s.message("m", 0, "p", token); s.inbound("x", 9, "p", text) }, "x",
			"awaited p 0 to 60; engaged p 9 to 9; event x; message m; replies p 9 to 9",
		},
		{"one that names it", &rules, func(s *stage) {
			s.message("m", 0, "p", token)
			in := text
			in.Context = "m"
			s.inbound("x", 9, "p", in)
		}, "x", "awaited p 0 to 60; engaged p 9 to 9; event x; message m"},
		{"one in a group", &rules, func(s *stage) {
			in := text
			in.Group = true
			s.inbound("x", 9, "p", in)
		}, "x", "event x"},
		{"an answer by nobody", &rules, func(s *stage) { s.inbound("x", 9, "p", text).Identifiers = nil }, "x", "event x"},
		{"an order", &rules, func(s *stage) { s.buy("y", 3, "p"); s.buy("x", 4, "p") }, "x", "bought p 3 to 3; bought p 4 to 4; event x; event y"},
		{"an order of nobody", &rules, func(s *stage) { s.buy("x", 4, "p").Identifiers = nil }, "x", "event x"},
		{"an order once in a while", &once, func(s *stage) { s.buy("x", 4, "p") }, "x", "bought p 4 to 4; event x; once"},
		{"an event that is no conversion", &rules, func(s *stage) { s.buy("x", 4, "p").Event.Name = "Wrote" }, "x", "event x"},
		{"a refund", &rules, func(s *stage) { s.buy("x", 4, "p").Event.Name = "Order Refunded" }, "x", "event x"},
		{"a refund, when orders count once in a while", &once, func(s *stage) { s.buy("x", 4, "p").Event.Name = "Order Refunded" }, "x", "event x; once"},
		{"what is no conversion then", &once, func(s *stage) { s.buy("x", 4, "p").Event.Name = "Read" }, "x", "event x"},
		{"an order that the second and the third definition know", &many, func(s *stage) { s.buy("x", 4, "p") }, "x", "bought p 4 to 4; event x; once"},
		{"an ad that nobody by name followed", &rules, func(s *stage) {
			in := text
			in.Referral = &hit.Referral{SourceID: "ad"}
			s.inbound("x", 5, "p", in).Identifiers = nil
		}, "x", "event x"},
		{"answers by nobody and by somebody", &rules, func(s *stage) {
			s.inbound("x", 8, "p", text).Identifiers = nil
			s.inbound("y", 9, "p", text)
		}, "x y", "engaged p 9 to 9; event x; event y; replies p 9 to 9"},
		{"what is no answer, whatever it holds, and an answer without content", &rules, func(s *stage) {
			s.inbound("x", 8, "p", text).Kind = hit.KindRaw
			s.inbound("y", 9, "p", text).Inbound = nil
		}, "x y", ""},
		{"a template becomes known late", &rules, func(s *stage) {
			s.status("m", hit.StatusRead, 3, hit.Report{Category: "marketing"}).Identifiers = who(hit.Phone, "p")
			s.message("m", 3, "p", hit.Message{Template: &hit.Template{Name: "spring"}})
		}, "message:m", "awaited p 3 to 63; engaged p 3 to 3; engaged p 3 to 63; message m; replies p 3 to 63"},
		{"a variant does", &chats, func(s *stage) {
			s.status("m", hit.StatusRead, 3, hit.Report{Category: "marketing"}).Identifiers = who(hit.Phone, "p")
			s.message("m", 3, "p", hit.Message{Variant: "b"})
		}, "message:m", "awaited p 3 to 63; engaged p 3 to 3; engaged p 3 to 63; message m; replies p 3 to 63"},
		{"nothing of it does", &chats, func(s *stage) {
			s.status("m", hit.StatusRead, 3, hit.Report{Category: "marketing"}).Identifiers = who(hit.Phone, "p")
			s.message("m", 3, "p", hit.Message{})
		}, "message:m", "awaited p 3 to 63; message m"},
		{"nothing new", &rules, func(s *stage) { s.buy("x", 4, "p") }, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var facts stage
			tt.play(&facts)
			c := newTurn(tt.policy, facts, strings.Fields(tt.fresh)...)
			if diff := gocmp.Diff(tt.want, strings.Join(c.told(c.effect()), "; ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWindowsOf(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	p.ImplicitReplyWindowSeconds = 90
	p.Windows = []policy.Window{{Tier: policy.TierRead, Seconds: 60}, {Tier: policy.TierClick, Seconds: 600}, {Tier: policy.TierReply, Seconds: 300}}
	if got, want := timeline.WindowsOf(&p), (timeline.Windows{Longest: 10 * minute, Reply: 90 * minute / 60}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	spans := []timeline.Span{{From: 10, To: 20}}
	if got := timeline.Spread(spans, 3, 5); got[0] != (timeline.Span{From: 7, To: 25}) || spans[0].From != 10 {
		t.Errorf("%+v, and of the caller's %+v", got, spans)
	}
}

// What the fresh facts say of who is who.
func TestChange_Stated(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	var s stage
	s.identify("a", 0, "identify", who(hit.UserID, "u1", "u2")...)
	s.page("v", 1, "d", "https://a.example/")
	s.identify("x", 2, "alias", who(hit.UserID, "u2", "u3")...)
	s.identify("y", 3, "identify", slices.Concat(who(hit.UserID, "u2"), who(hit.Phone, "p"))...)
	c := newTurn(&p, s, "x", "y", "v")
	change := c.change()
	var stated []string
	for _, word := range change.Stated() {
		stated = append(stated, word.Fact)
	}
	if diff := gocmp.Diff([]string{"x", "y"}, stated); diff != "" {
		t.Error(diff)
	}
	var all []string
	for _, id := range change.Identifiers() {
		all = append(all, id.Value)
	}
	if diff := gocmp.Diff([]string{"u1", "u2", "u3", "p"}, all); diff != "" {
		t.Error(diff)
	}
	better, gone := change.Links()
	if len(better) != 2 || len(gone) != 0 {
		t.Errorf("links %+v, gone %+v", better, gone)
	}
	if !change.Aliased() {
		t.Error("the alias was not seen")
	}
	only := newTurn(&p, s, "y")
	if only.change().Aliased() {
		t.Error("no alias is fresh")
	}
	for value, want := range map[string]bool{"u2": true, "u1": false} {
		if got := timeline.States(c.in, &s[3], who(hit.UserID, value)[0]); got != want {
			t.Errorf("it states %s: %t", value, got)
		}
	}
	if timeline.States(c.in, &s[3], who(hit.Email, "u2")[0]) {
		t.Error("an identifier of another kind")
	}
	blocked := p
	blocked.BlockedIdentifiers = []string{"u2"}
	in := c.in
	in.Policy = &blocked
	if timeline.States(in, &s[3], who(hit.UserID, "u2")[0]) {
		t.Error("the policy blocks it")
	}
}

// Devices all of whose facts are there are concluded as ever; of the others what a
// change says within a stretch is filled in, and what it says beyond is not hidden.
func TestChange_Stretches(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	device := func(name string) hit.Identifier { return hit.Identifier{Kind: hit.Device, Value: name} }
	var s stage
	s.message("m", 0, "p", hit.Message{Token: "tk", Campaign: "c"})
	s.page("before", 10, "d", "https://a.example/")
	login := s.identify("x", 15, "identify", who(hit.UserID, "u")...)
	login.Device = &hit.Identifier{Kind: hit.Device, Value: "d"}
	s.page("y", 20, "d", "https://a.example/?mt=tk")
	c := newTurn(&p, s, "x", "y")
	at := func(minutes hit.Instant) hit.Instant { return noon + minutes*minute }
	stretch := identity.Stretch{Device: device("d"), Span: identity.Span{From: at(10), Until: at(20) + 1}}
	claims := func(list []identity.Claim) (all []string) {
		for _, claim := range list {
			all = append(all, fmt.Sprintf("%s %s at %d", claim.Fact, claim.Holder.Value, (claim.At-noon)/minute))
		}
		return all
	}
	filled, whole := c.change().Stretches([]identity.Stretch{stretch}, nil)
	if !whole || len(filled) != 1 {
		t.Fatalf("%v %+v", whole, filled)
	}
	got := [][]string{claims(filled[0].Before), claims(filled[0].After), claims(filled[0].Clicks)}
	if diff := gocmp.Diff([][]string{nil, {"x u at 10"}, {"y p at 20"}}, got); diff != "" {
		t.Errorf("before, after, clicks:\n%s", diff)
	}
	for name, span := range map[string]identity.Span{
		"ends before the click": {From: at(10), Until: at(20)}, "begins after the login": {From: at(15) + 1, Until: at(21)}, "of another device": {},
	} {
		some := identity.Stretch{Device: device("d"), Span: span}
		if span.Until == 0 {
			some = identity.Stretch{Device: device("e"), Span: stretch.Span}
		}
		if _, whole := c.change().Stretches([]identity.Stretch{some}, nil); whole {
			t.Errorf("%s: all claims are within", name)
		}
		if _, whole := c.change().Stretches([]identity.Stretch{some}, map[hit.Identifier]bool{device("d"): true}); !whole {
			t.Errorf("%s: the device is wholly there", name)
		}
	}
	devices := c.change().Devices(whoOf(c.after).People)
	want := timeline.Derive(c.in).Claims
	if diff := gocmp.Diff(claims(want), claims(devices.Claims())); diff != "" {
		t.Error(diff)
	}
}

// One name is stated once, however it is folded; a fact that names one counts.
func TestChange_StatedAlone(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	var s stage
	s.identify("x", 0, "identify", hit.Identifier{Kind: hit.UserID, Value: "U", Folded: "u"})
	s.identify("y", 1, "identify", who(hit.UserID, "U")...)
	c := newTurn(&p, s, "x", "y")
	if stated := c.change().Stated(); len(stated) != 2 || stated[0].Fact != "x" || stated[1].Fact != "y" {
		t.Errorf("stated %+v", stated)
	}
	if diff := gocmp.Diff(who(hit.UserID, "U"), c.change().Identifiers()); diff != "" {
		t.Error(diff)
	}
}

// Facts are read by time, id and key, in whatever order they come.
func TestChange_StatedInOrder(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	var s stage
	s.identify("z", 1, "identify", who(hit.UserID, "u0")...)
	s.identify("a", 2, "identify", who(hit.UserID, "u1")...)
	for i, kind := range []hit.Kind{hit.KindIdentify, hit.KindEvent, hit.KindPage, hit.KindRaw, hit.KindClick} {
		s.add(kind, hit.TrustServer, "b", 2).Identifiers = who(hit.UserID, fmt.Sprint("u", i+2))
	}
	slices.SortFunc(s[2:], func(a, b hit.Fact) int { return strings.Compare(a.Key().String(), b.Key().String()) })
	var want []string
	for i := range s {
		want = append(want, s[i].Identifiers[0].Value)
	}
	random := rand.New(rand.NewPCG(1, 1))
	for range 10 {
		random.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
		c := newTurn(&p, s, "z", "a", "b")
		var got []string
		for _, word := range c.change().Stated() {
			got = append(got, word.Identifiers[0].Value)
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}

// A stretch is filled with the claims of its own device within it, those at its very
// beginning too.
func TestChange_StretchAmongOthers(t *testing.T) {
	t.Parallel()
	p := policy.Default()
	var s stage
	login := func(id string, at hit.Instant, device, user string) {
		s.page("page of "+id, at, device, "https://a.example/")
		s.identify(id, at, "identify", who(hit.UserID, user)...).Device = &hit.Identifier{Kind: hit.Device, Value: device}
	}
	login("long before", -200, "d", "u1")
	login("a", 10, "d", "u1")
	login("x", 12, "d", "u2")
	login("elsewhere", 11, "e", "u1")
	login("long after", 200, "d", "u1")
	c := newTurn(&p, s, "x")
	stretch := identity.Stretch{Device: named(hit.Device, "d"), Span: identity.Span{From: noon + 10*minute, Until: noon + 12*minute + 1}}
	filled, whole := c.change().Stretches([]identity.Stretch{stretch}, nil)
	if !whole {
		t.Fatal("the only claim that is new is within")
	}
	var got []string
	for _, claims := range [][]identity.Claim{filled[0].Before, filled[0].After, filled[0].Clicks} {
		text := ""
		for _, claim := range claims {
			text += fmt.Sprintf("%s %s at %d; ", claim.Fact, claim.Holder.Value, (claim.At-noon)/minute)
		}
		got = append(got, text)
	}
	if diff := gocmp.Diff([]string{"a u1 at 10; ", "a u1 at 10; x u2 at 12; ", ""}, got); diff != "" {
		t.Error(diff)
	}
}
