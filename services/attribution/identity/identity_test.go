package identity

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/deptest"
	"github.com/touchline/touchline/services/internal/hit"
)

func user(v string) hit.Identifier   { return hit.Identifier{Kind: hit.UserID, Value: v} }
func phone(v string) hit.Identifier  { return hit.Identifier{Kind: hit.Phone, Value: v} }
func bsuid(v string) hit.Identifier  { return hit.Identifier{Kind: hit.BSUID, Value: v} }
func email(v string) hit.Identifier  { return hit.Identifier{Kind: hit.Email, Value: v} }
func device(v string) hit.Identifier { return hit.Identifier{Kind: hit.Device, Value: v} }

func say(trust hit.Trust, at hit.Instant, fact string, ids ...hit.Identifier) Statement {
	return Statement{Identifiers: ids, Trust: trust, At: at, Fact: fact}
}

// resolve links each statement in itself.
func resolve(aliases [][2]hit.Identifier, statements ...Statement) *People {
	f := Facts{Workspace: uuid.NameSpaceURL, Stated: statements, Aliases: aliases}
	for _, s := range statements {
		f.Links = append(f.Links, LinkFact(s)...)
	}
	return Resolve(f)
}

func TestLinkFact_FirstWithEachOther(t *testing.T) {
	t.Parallel()
	got := LinkFact(say(hit.TrustServer, 7, "f", user("u"), phone("p"), email("e")))
	want := []Link{
		{A: user("u"), B: phone("p"), Trust: hit.TrustServer, At: 7, Fact: "f", Position: 1},
		{A: user("u"), B: email("e"), Trust: hit.TrustServer, At: 7, Fact: "f", Position: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRecipient_Primary(t *testing.T) {
	t.Parallel()
	registration := say(hit.TrustServer, 50, "m", phone("registered"))
	tests := []struct {
		name         string
		registration *Statement
		statuses     []Statement
		want         hit.Identifier
	}{
		{"the registered phone goes before an earlier one", &registration, []Statement{say(3, 10, "m", phone("early"))}, phone("registered")},
		{"precedence goes before the registration", &registration, []Statement{say(3, 90, "m", user("u"))}, user("u")},
		{"the earliest of one kind", nil, []Statement{say(3, 20, "m", phone("late")), say(3, 10, "m", phone("zz"))}, phone("zz")},
		{"a phone before a bsuid", nil, []Statement{say(3, 10, "m", bsuid("NO.1")), say(3, 20, "m", phone("p"))}, phone("p")},
		{"a bsuid before an e-mail", nil, []Statement{say(3, 10, "m", email("e"), bsuid("NO.1"))}, bsuid("NO.1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r, ok := NewRecipient(tt.registration, tt.statuses)
			if !ok || r.Primary() != tt.want {
				t.Errorf("primary %v %v, want %v", r.Primary(), ok, tt.want)
			}
		})
	}
	if _, ok := NewRecipient(nil, []Statement{say(3, 1, "m")}); ok {
		t.Error("a message to nobody has a recipient")
	}
}

func TestLinkCopies_WeakerTrustLaterTimeLargerID(t *testing.T) {
	t.Parallel()
	got := LinkCopies([]Statement{ // most trusted first
		say(hit.TrustWebhook, 100, "w1"),
		say(hit.TrustWebhook, 110, "w2", phone("p")),
		say(hit.TrustServer, 90, "z9", email("e"), bsuid("NO.1")),
		say(hit.TrustBrowser, 80, "b1", user("u")),
	})
	want := []Link{
		{A: phone("p"), B: bsuid("NO.1"), Trust: hit.TrustServer, At: 110, Fact: "z9", Position: 1},
		{A: phone("p"), B: email("e"), Trust: hit.TrustServer, At: 110, Fact: "z9", Position: 2},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if links := LinkCopies([]Statement{say(1, 1, "a", user("u")), say(1, 2, "b", email("e"))}); links != nil {
		t.Errorf("two browser copies link: %v", links)
	}
}

// Of two statements of one identifier at one time the smaller id is the earlier, also
// when a more trusted copy says the same.
func TestLinkCopies_EarliestStatement(t *testing.T) {
	t.Parallel()
	got := LinkCopies([]Statement{
		say(hit.TrustWebhook, 10, "z", phone("p")), say(hit.TrustServer, 10, "a", phone("p")), say(hit.TrustServer, 5, "b", email("e")),
	})
	want := []Link{{A: phone("p"), B: email("e"), Trust: hit.TrustServer, At: 10, Fact: "b", Position: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestLinkAnswer(t *testing.T) {
	t.Parallel()
	registration := say(hit.TrustServer, 50, "m", phone("p"))
	r, _ := NewRecipient(&registration, nil)
	got := LinkAnswer(say(hit.TrustWebhook, 40, "in", bsuid("NO.1")), r)
	want := []Link{{A: bsuid("NO.1"), B: phone("p"), Trust: hit.TrustServer, At: 50, Fact: "m", Position: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if links := LinkAnswer(say(3, 40, "in", phone("p"), email("e")), r); links != nil {
		t.Errorf("the recipient links with itself: %v", links)
	}
	if links := LinkAnswer(say(3, 40, "in"), r); links != nil {
		t.Errorf("nobody links: %v", links)
	}
}

func TestResolve_StrongestLinkFirst(t *testing.T) {
	t.Parallel()
	anna := say(hit.TrustBrowser, 1, "a", user("anna"), phone("p"))
	bo := say(hit.TrustServer, 9, "b", user("bo"), phone("p"))
	p := resolve(nil, anna, bo)
	if p.Person(phone("p")) != p.Person(user("bo")) || p.Person(phone("p")) == p.Person(user("anna")) {
		t.Error("an older browser's word went before a server's")
	}
	states := map[hit.Identifier]State{}
	for _, l := range p.Links() {
		states[l.A] = l.State
	}
	if diff := cmp.Diff(map[hit.Identifier]State{user("bo"): Joined, user("anna"): Refused}, states); diff != "" {
		t.Error(diff)
	}
}

func TestResolve_TransitiveUserConflict(t *testing.T) {
	t.Parallel()
	p := resolve(nil,
		say(2, 1, "a", user("anna"), email("e")),
		say(2, 2, "b", user("bo"), phone("p")),
		say(2, 3, "c", phone("p"), email("e")))
	if p.Person(user("anna")) == p.Person(user("bo")) {
		t.Error("two user_ids are one person")
	}
	if last := p.Links()[2]; last.State != Refused {
		t.Errorf("link %v is %s", last, last.State)
	}
}

func TestResolve_AliasesCountAsOne(t *testing.T) {
	t.Parallel()
	aliases := [][2]hit.Identifier{{user("old"), user("new")}}
	p := resolve(aliases,
		say(2, 1, "a", user("old"), phone("p")),
		say(2, 2, "b", user("new"), phone("p")),
		say(2, 3, "c", user("third"), phone("p")))
	if p.Person(user("old")) != p.Person(user("new")) {
		t.Error("aliases are two persons")
	}
	if p.Person(user("third")) == p.Person(user("new")) {
		t.Error("a third user_id joined")
	}
}

func TestResolve_Shared(t *testing.T) {
	t.Parallel()
	for _, n := range []int{sharedAbove, sharedAbove + 1} {
		var statements []Statement
		for i := range n {
			statements = append(statements, say(2, hit.Instant(i+1), fmt.Sprint(i), phone("shop"), email(fmt.Sprint(i))))
		}
		statements = append(statements, say(2, 99, "x", phone("shop"), bsuid("NO.1")))
		p := resolve(nil, statements...)
		joined := p.Person(email("0")) == p.Person(email("1"))
		if joined != (n == sharedAbove) {
			t.Errorf("%d e-mails of one phone: one person is %v", n, joined)
		}
		if n > sharedAbove && p.Person(bsuid("NO.1")) == p.Person(phone("shop")) {
			t.Error("a shared phone links another kind")
		}
		for _, a := range p.Assignments() {
			if a.Shared != (n > sharedAbove && a.Identifier == phone("shop")) {
				t.Errorf("%d e-mails: %v", n, a)
			}
		}
	}
}

// An identifier is shared whichever end of its links it is.
func TestResolve_SharedAtTheOtherEnd(t *testing.T) {
	t.Parallel()
	for _, n := range []int{sharedAbove, sharedAbove + 1} {
		var statements []Statement
		for i := range n {
			statements = append(statements, say(2, hit.Instant(i+1), fmt.Sprint(i), phone(fmt.Sprint(i)), email("shop")))
		}
		p := resolve(nil, statements...)
		if joined := p.Person(phone("0")) == p.Person(phone("1")); joined != (n == sharedAbove) {
			t.Errorf("%d phones of one e-mail: one person is %v", n, joined)
		}
	}
}

func TestResolve_PersonIsNamedByEarliestStatement(t *testing.T) {
	t.Parallel()
	digest := fact.IdentifierRef(email("e")).Value
	atOnce := resolve(nil, say(2, 1, "a", email("e")), say(2, 1, "b", user("u"), email("e")))
	if got := atOnce.Person(user("u")); got != uuid.NewSHA1(uuid.NameSpaceURL, digest[:]) {
		t.Errorf("%s is not the UUIDv5 of workspace and digest of what the smaller fact id stated", got)
	}
	late := resolve(nil, say(2, 5, "a", user("u"), phone("p")), say(2, 9, "b", user("u"), email("e")))
	early := resolve(nil, say(2, 5, "a", user("u"), phone("p")), say(2, 1, "b", user("u"), email("e")))
	alone := resolve(nil, say(2, 1, "b", user("u")))
	if late.Person(email("e")) != alone.Person(user("u")) || early.Person(phone("p")) != alone.Person(user("u")) {
		t.Error("the person is not named after the user_id, stated first by precedence")
	}
	first := resolve(nil, say(2, 1, "z", email("e")), say(2, 5, "a", user("u"), email("e")))
	if first.Person(user("u")) != resolve(nil, say(2, 1, "z", email("e"))).Person(email("e")) {
		t.Error("the person is not named after the identifier stated earliest")
	}
}

func TestDevices_Holder(t *testing.T) {
	t.Parallel()
	p := resolve(nil, say(2, 1, "a", user("anna")), say(2, 1, "b", user("bo")), say(2, 1, "c", phone("p")))
	anna, bo, recipient := p.Person(user("anna")), p.Person(user("bo")), p.Person(phone("p"))
	to := func(id hit.Identifier) Recipient {
		r, _ := NewRecipient(nil, []Statement{say(3, 1, "m", id)})
		return r
	}
	dv := device("dv")
	spans := map[hit.Identifier][]Span{dv: {{100, 200}, {200, 300}}}
	tests := []struct {
		name     string
		identify []Claim
		clicks   []Click
		at       hit.Instant
		want     uuid.UUID
	}{
		{"nobody's is its own", nil, nil, 50, p.Anonymous(dv)},
		{"before the first claim it is the first's", []Claim{NewClaim(dv, 400, "x", user("anna"))}, nil, 1, anna},
		{"the latest at or before", []Claim{NewClaim(dv, 400, "x", user("anna")), NewClaim(dv, 500, "y", user("bo"))}, nil, 500, bo},
		{"a login reaches back to its session", []Claim{NewClaim(dv, 50, "w", user("bo")), NewClaim(dv, 199, "x", user("anna"))}, nil, 100, anna},
		{"and not beyond", []Claim{NewClaim(dv, 50, "w", user("bo")), NewClaim(dv, 200, "x", user("anna"))}, nil, 199, bo},
		{"only the first of a session", []Claim{NewClaim(dv, 110, "w", user("bo")), NewClaim(dv, 150, "x", user("anna"))}, nil, 149, bo},
		{"the second holds it from its own time", []Claim{NewClaim(dv, 110, "w", user("bo")), NewClaim(dv, 150, "x", user("anna"))}, nil, 150, anna},
		{"and no earlier, whatever its id", []Claim{NewClaim(dv, 110, "x", user("bo")), NewClaim(dv, 150, "w", user("anna"))}, nil, 149, bo},
		{"two of one instant both do", []Claim{NewClaim(dv, 150, "y", user("anna")), NewClaim(dv, 150, "x", user("bo"))}, nil, 160, bo},
		{"at one instant the smaller id", []Claim{NewClaim(dv, 400, "y", user("anna")), NewClaim(dv, 400, "x", user("bo"))}, nil, 450, bo},
		{"before one first instant too", []Claim{NewClaim(dv, 400, "y", user("anna")), NewClaim(dv, 400, "x", user("bo"))}, nil, 1, bo},
		{"a click claims", nil, []Click{to(phone("p")).Click(dv, 150, "p1", "tk")}, 160, recipient},
		{"a click after a login does not", []Claim{NewClaim(dv, 50, "x", user("bo"))}, []Click{to(phone("p")).Click(dv, 150, "p1", "tk")}, 160, bo},
		{"nor one that the login reaches behind", []Claim{NewClaim(dv, 180, "x", user("bo"))}, []Click{to(phone("p")).Click(dv, 150, "p1", "tk")}, 50, bo},
		{"a click of a message to nobody does not", nil, []Click{Recipient{}.Click(dv, 150, "p1", "tk")}, 160, p.Anonymous(dv)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := NewDevices(p, tt.identify, tt.clicks, spans)
			if got, _ := d.Holder(dv, tt.at); got != tt.want {
				t.Errorf("holder %s, want %s; claims %v", got, tt.want, d.Claims())
			}
		})
	}
}

func TestDevices_TokenPassedOn(t *testing.T) {
	t.Parallel()
	p := resolve(nil, say(2, 1, "c", phone("p")))
	r, _ := NewRecipient(nil, []Statement{say(3, 1, "m", phone("p"))})
	for _, n := range []int{passedOnAbove, passedOnAbove + 1} {
		var clicks []Click
		for i := range n {
			dv := device(fmt.Sprint(i))
			clicks = append(clicks, r.Click(dv, 10, "p", "tk"), r.Click(dv, 20, "q", "tk"))
		}
		if got := len(NewDevices(p, nil, clicks, nil).Claims()); (got > 0) != (n == passedOnAbove) {
			t.Errorf("a token on %d devices makes %d claims", n, got)
		}
	}
}

func TestResolve_OrderAndRepetitionDoNotMatter(t *testing.T) {
	t.Parallel()
	id := rapid.Custom(func(t *rapid.T) hit.Identifier {
		kind := rapid.SampledFrom([]hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email}).Draw(t, "kind")
		return hit.Identifier{Kind: kind, Value: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "value")}
	})
	statement := rapid.Custom(func(t *rapid.T) Statement {
		return Statement{
			Identifiers: hit.SortIdentifiers(rapid.SliceOfN(id, 1, 4).Draw(t, "ids")),
			Trust:       hit.Trust(rapid.IntRange(1, 3).Draw(t, "trust")),
			At:          hit.Instant(rapid.IntRange(1, 4).Draw(t, "at")),
			Fact:        rapid.SampledFrom([]string{"f", "g", "h"}).Draw(t, "fact"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		statements := rapid.SliceOfN(statement, 1, 12).Draw(t, "statements")
		first := resolve(nil, statements...)
		again := resolve(nil, rapid.Permutation(slices.Concat(statements, statements)).Draw(t, "again")...)
		if diff := cmp.Diff(first.Assignments(), again.Assignments()); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(first.Links(), again.Links()); diff != "" {
			t.Fatal(diff)
		}
		users := map[uuid.UUID]string{}
		for _, a := range first.Assignments() {
			if before, has := users[a.Person]; has && a.Identifier.Kind == hit.UserID && before != a.Identifier.Value {
				t.Fatalf("%s and %s are one person", before, a.Identifier.Value)
			}
			if a.Identifier.Kind == hit.UserID {
				users[a.Person] = a.Identifier.Value
			}
		}
	})
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"identity decides who is who: it is pure, so that one set of facts always gives the same persons",
		"github.com/google/uuid", "github.com/nyaruka/phonenumbers", "golang.org/x/text",
		"google.golang.org/protobuf", // by way of phonenumbers
		"github.com/touchline/touchline/services/internal/hit", "github.com/touchline/touchline/services/attribution/fact",
	))
}
