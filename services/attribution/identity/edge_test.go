package identity

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// checkOrder holds a comparison against a list in its order, without equals.
func checkOrder[T any](t *testing.T, order []T, compare func(a, b T) int) {
	t.Helper()
	for i := range order {
		for j := range order {
			if got, want := compare(order[i], order[j]), max(-1, min(1, i-j)); got != want {
				t.Errorf("%+v against %+v: %d, want %d", order[i], order[j], got, want)
			}
		}
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	other := func(kind hit.IdentifierKind) hit.Identifier { return hit.Identifier{Kind: kind, Value: "z"} }
	checkOrder(t, []hit.Identifier{user("b"), user("c"), phone("a"), phone("b"), bsuid("a"), email("a"), device("a"), other("x"), other("y")}, Compare)
}

func TestLink_Compare(t *testing.T) {
	t.Parallel()
	checkOrder(t, []Link{
		{Trust: 3, At: 9, Fact: "z", Position: 9},
		{Trust: 2, At: 1, Fact: "z", Position: 9},
		{Trust: 2, At: 2, Fact: "a", Position: 9},
		{Trust: 2, At: 2, Fact: "b", Position: 1, A: user("z")},
		{Trust: 2, At: 2, Fact: "b", Position: 2, A: user("a"), B: phone("z")},
		{Trust: 2, At: 2, Fact: "b", Position: 2, A: user("b"), B: phone("a")},
		{Trust: 2, At: 2, Fact: "b", Position: 2, A: user("b"), B: phone("b")},
		{Trust: 1, At: 0, Fact: "", Position: 0},
	}, Link.Compare)
}

func TestSaid_Before(t *testing.T) {
	t.Parallel()
	checkOrder(t, []said{
		{at: 1, fact: "z", trust: 1}, {at: 2, fact: "a", trust: 1}, {at: 2, fact: "b", trust: 3}, {at: 2, fact: "b", trust: 2},
	}, said.before)
}

func TestEarliest(t *testing.T) {
	t.Parallel()
	got := earliest([]Statement{
		say(1, 9, "f", phone("q"), email("e")), say(2, 5, "g", phone("q")), say(2, 5, "h", phone("c"), phone("b")), say(3, 7, "a", phone("q")), say(1, 9, "e", user("u")),
	})
	want := []said{
		{id: user("u"), trust: 1, at: 9, fact: "e"},
		{id: phone("q"), trust: 2, at: 5, fact: "g"},
		{id: phone("b"), trust: 2, at: 5, fact: "h"},
		{id: phone("c"), trust: 2, at: 5, fact: "h"},
		{id: email("e"), trust: 1, at: 9, fact: "f"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(said{})); diff != "" {
		t.Error(diff)
	}
}

func TestRecipient_Links(t *testing.T) {
	t.Parallel()
	registration := say(hit.TrustServer, 50, "m", phone("b"), phone("c"), email("e"))
	r, _ := NewRecipient(&registration, []Statement{say(hit.TrustWebhook, 60, "m", bsuid("NO.1"))})
	want := []Link{
		{A: phone("b"), B: phone("c"), Trust: hit.TrustServer, At: 50, Fact: "m", Position: 1},
		{A: phone("b"), B: bsuid("NO.1"), Trust: hit.TrustServer, At: 60, Fact: "m", Position: 2},
		{A: phone("b"), B: email("e"), Trust: hit.TrustServer, At: 50, Fact: "m", Position: 3},
	}
	if diff := cmp.Diff(want, r.Links()); diff != "" {
		t.Error(diff)
	}
}

func TestLinkCopies_Center(t *testing.T) {
	t.Parallel()
	got := LinkCopies([]Statement{say(hit.TrustWebhook, 5, "w", phone("p")), say(hit.TrustServer, 4, "s", user("u"), email("e"))})
	want := []Link{
		{A: phone("p"), B: user("u"), Trust: hit.TrustServer, At: 5, Fact: "w", Position: 1},
		{A: phone("p"), B: email("e"), Trust: hit.TrustServer, At: 5, Fact: "w", Position: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if links := LinkCopies([]Statement{say(3, 5, "w", user("u"), phone("p"))}); links != nil {
		t.Errorf("one copy links as the fact that it is: %v", links)
	}
	if links := LinkCopies([]Statement{say(3, 5, "w"), say(3, 5, "v")}); links != nil {
		t.Errorf("copies that name nobody link: %v", links)
	}
}

// states writes every link with what became of it.
func states(p *People) (list []string) {
	for _, l := range p.Links() {
		list = append(list, fmt.Sprintf("%s-%s %s", l.A.Value, l.B.Value, l.State))
	}
	return list
}

func TestResolve_States(t *testing.T) {
	t.Parallel()
	manyUsers := make([]Statement, 0, SharedAbove+2)
	for i := range SharedAbove + 1 {
		manyUsers = append(manyUsers, say(2, hit.Instant(i+1), "f", user(fmt.Sprint("u", i)), phone("shop")))
	}
	tests := []struct {
		name       string
		aliases    [][2]hit.Identifier
		statements []Statement
		want       []string // the last of them
	}{
		{"a circle of three", nil, []Statement{say(2, 1, "a", user("u"), phone("p")), say(2, 2, "b", user("u"), email("e")), say(2, 3, "c", phone("p"), email("e"))}, []string{
			"u-p joined", "u-e joined", "p-e joined",
		}},
		{"somebody's beside nobody's", nil, []Statement{say(2, 1, "a", user("u"), email("e")), say(2, 2, "b", phone("p"), email("e"))}, []string{"u-e joined", "p-e joined"}},
		{"two that are nobody's, then somebody's", nil, []Statement{say(2, 1, "a", phone("p"), email("e")), say(2, 2, "b", user("u"), phone("p"))}, []string{"p-e joined", "u-p joined"}},
		{"a large component of nobody's becomes somebody's", nil, []Statement{
			say(2, 1, "a", phone("p"), bsuid("NO.1"), email("x")), say(2, 2, "b", user("u"), email("e")), say(2, 3, "c", phone("p"), email("e")), say(2, 4, "d", user("w"), phone("p")),
		}, []string{"p-NO.1 joined", "p-x joined", "u-e joined", "p-e joined", "w-p refused"}},
		{"an alias meets by way of what was nobody's", [][2]hit.Identifier{{user("old"), user("new")}}, []Statement{
			say(2, 1, "a", phone("p"), bsuid("NO.1"), email("x")), say(2, 2, "b", user("old"), email("e")), say(2, 3, "c", phone("p"), email("e")), say(2, 4, "d", user("new"), phone("p")),
		}, []string{"p-NO.1 joined", "p-x joined", "old-e joined", "p-e joined", "new-p joined"}},
		{"the second end is shared", nil, append(manyUsers, say(2, 99, "x", email("e"), user("u0"))), []string{"u20-shop shared", "e-u0 joined"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := states(resolve(tt.aliases, tt.statements...))
			if diff := cmp.Diff(tt.want, got[max(0, len(got)-len(tt.want)):]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A pair is one link, whichever end is stated first.
func TestResolve_PairInBothDirections(t *testing.T) {
	t.Parallel()
	registration := say(hit.TrustServer, 50, "m", phone("p"))
	r, _ := NewRecipient(&registration, nil)
	f := Facts{Links: slices.Concat(LinkAnswer(say(3, 60, "in", bsuid("NO.1")), r), LinkFact(say(2, 40, "a", phone("p"), bsuid("NO.1"))))}
	if diff := cmp.Diff([]string{"p-NO.1 joined"}, states(Resolve(f))); diff != "" {
		t.Error(diff)
	}
}

func TestResolve_Assignments(t *testing.T) {
	t.Parallel()
	p := resolve(nil, say(2, 3, "c", email("e")), say(2, 3, "b", user("z")), say(2, 1, "a", phone("p"), email("f")), say(2, 3, "d", email("e"), user("z")))
	// Of one instant the smaller fact names the person: it is the user_id's fact b.
	named := func(id hit.Identifier) uuid.UUID {
		digest := fact.IdentifierRef(id).Value
		return uuid.NewSHA1(uuid.NameSpaceURL, digest[:])
	}
	want := []Assignment{
		{user("z"), named(user("z")), false},
		{phone("p"), named(phone("p")), false},
		{email("e"), named(user("z")), false},
		{email("f"), named(phone("p")), false},
	}
	if diff := cmp.Diff(want, p.Assignments()); diff != "" {
		t.Error(diff)
	}
	if got := resolve(nil, say(2, 3, "b", email("e")), say(2, 3, "c", user("z")), say(2, 4, "d", user("z"), email("e"))).Person(user("z")); got != named(email("e")) {
		t.Errorf("person %s is not named after the smaller fact of one instant", got)
	}
	if got := p.Anonymous(device("dv")); got != named(device("dv")) {
		t.Errorf("a device's own person is %s", got)
	}
	if got := p.Person(email("unheard")); got != uuid.Nil {
		t.Errorf("an identifier that nobody stated is %s", got)
	}
}

func TestDevices_Claims(t *testing.T) {
	t.Parallel()
	p := resolve(nil, say(2, 1, "a", user("anna")), say(2, 1, "b", user("bo")), say(2, 1, "c", phone("p")))
	anna, bo, recipient := p.Person(user("anna")), p.Person(user("bo")), p.Person(phone("p"))
	r, _ := NewRecipient(nil, []Statement{say(3, 1, "m", phone("p"))})
	dv := device("dv")
	spans := map[hit.Identifier][]Span{dv: {{100, 200}}}
	click := func(at hit.Instant, id string) Click { return r.Click(dv, at, id, "tk") }
	tests := []struct {
		name     string
		identify []Claim
		clicks   []Click
		at       hit.Instant
		want     uuid.UUID
	}{
		{"only the first of a session, though the later has the smaller id", []Claim{NewClaim(dv, 110, "z", user("bo")), NewClaim(dv, 150, "a", user("anna"))}, nil, 149, bo},
		{"one at the session's begin is its first", []Claim{NewClaim(dv, 100, "z", user("bo")), NewClaim(dv, 150, "a", user("anna"))}, nil, 149, bo},
		{"the second claims from its own time on", []Claim{NewClaim(dv, 110, "z", user("bo")), NewClaim(dv, 150, "a", user("anna"))}, nil, 150, anna},
		{"before the first claim never the second's", []Claim{NewClaim(dv, 400, "z", user("bo")), NewClaim(dv, 401, "a", user("anna"))}, nil, 1, bo},
		{"a click before the login stands", []Claim{NewClaim(dv, 500, "x", user("bo"))}, []Click{click(250, "p")}, 499, recipient},
		{"until the login", []Claim{NewClaim(dv, 500, "x", user("bo"))}, []Click{click(250, "p")}, 500, bo},
		{"a click at the login's instant does not", []Claim{NewClaim(dv, 500, "x", user("bo"))}, []Click{click(500, "a")}, 500, bo},
		{"a click between two logins does not", []Claim{NewClaim(dv, 500, "x", user("bo")), NewClaim(dv, 600, "y", user("bo"))}, []Click{click(550, "a")}, 550, bo},
		{"clicks to nobody stop nobody's", nil, []Click{Recipient{}.Click(dv, 10, "o", "t"), click(20, "p")}, 30, recipient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for range 2 {
				d := NewDevices(p, slices.Clone(tt.identify), tt.clicks, spans)
				if got, identified := d.Holder(dv, tt.at); got != tt.want || !identified {
					t.Errorf("holder %s (%v), want %s; claims %v", got, identified, tt.want, d.Claims())
				}
				slices.Reverse(tt.identify)
			}
		})
	}
	if _, identified := NewDevices(p, nil, nil, nil).Holder(dv, 1); identified {
		t.Error("a device's own person is identified")
	}
}

func TestDevices_ClaimsList(t *testing.T) {
	t.Parallel()
	r, _ := NewRecipient(nil, []Statement{say(3, 1, "m", phone("p"))})
	x, y := device("x"), device("y")
	identify := []Claim{
		NewClaim(y, 5, "b", user("u")), NewClaim(x, 9, "a", user("u")), NewClaim(x, 7, "d", user("v")),
		NewClaim(x, 7, "c", user("w")), NewClaim(x, 7, "c", user("u")), NewClaim(x, 9, "a", user("u")),
	}
	clicks := []Click{r.Click(x, 3, "p", "tk")}
	want := []Claim{
		{x, 3, "p", false, phone("p")},
		{x, 7, "c", true, user("u")}, // the strongest of its instant; at 9 the holder stays
		{y, 5, "b", true, user("u")},
	}
	people := resolve(nil, say(2, 1, "a", user("u")), say(2, 1, "b", user("v")), say(2, 1, "c", user("w")), say(2, 1, "d", phone("p")))
	for range identify {
		identify = append(identify[1:], identify[0])
		got := NewDevices(people, slices.Clone(identify), clicks, nil).Claims()
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
