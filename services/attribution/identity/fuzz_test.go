package identity

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// script reads statements, claims, clicks and sessions off bytes: few of each kind,
// so that they meet.
type script struct {
	statements []Statement
	aliases    [][2]hit.Identifier
	claims     []Claim
	clicks     []Click
	spans      map[hit.Identifier][]Span
}

func readScript(b []byte) script {
	s := script{spans: map[hit.Identifier][]Span{device("a"): {{10, 20}, {20, 40}}, device("b"): {{5, 60}}}}
	kinds := []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email}
	name := func(n byte) hit.Identifier {
		return hit.Identifier{Kind: kinds[n%4], Value: string('a' + rune(n/4%5))}
	}
	for len(b) >= 6 && len(s.statements)+len(s.claims)+len(s.clicks) < 200 {
		at, trust, id := hit.Instant(b[1]%64), hit.Trust(b[2]%3+1), string('f'+rune(b[2]/3%7))
		dv := device(string('a' + rune(b[5]%8)))
		switch b[0] % 8 {
		case 0:
			s.aliases = append(s.aliases, [2]hit.Identifier{{Kind: hit.UserID, Value: name(b[3]).Value}, {Kind: hit.UserID, Value: name(b[4]).Value}})
		case 1, 2:
			s.claims = append(s.claims, NewClaim(dv, at, id, name(b[3])))
		case 3:
			r, _ := NewRecipient(nil, []Statement{{Identifiers: []hit.Identifier{name(b[3])}, Trust: trust, At: at, Fact: id}})
			s.clicks = append(s.clicks, r.Click(dv, at, id, "t"))
		default:
			ids := hit.SortIdentifiers([]hit.Identifier{name(b[3]), name(b[4]), name(b[5])})
			s.statements = append(s.statements, Statement{Identifiers: ids, Trust: trust, At: at, Fact: id})
		}
		b = b[6:]
	}
	return s
}

func (s script) resolve() (*People, *Devices) {
	p := resolve(s.aliases, s.statements...)
	return p, NewDevices(p, slices.Clone(s.claims), s.clicks, s.spans)
}

// Whatever is stated: the order does not matter; two user_ids are one person only by
// an alias; every joined link is within a person and every refused one between two;
// every device is held by one person at any time, by a claim that stands.
func FuzzResolve(f *testing.F) {
	f.Add([]byte{4, 1, 1, 0, 1, 2, 5, 2, 2, 4, 1, 3, 1, 12, 3, 0, 0, 0, 3, 9, 4, 1, 0, 0, 0, 0, 0, 0, 4, 0})
	f.Add([]byte{6, 9, 5, 0, 5, 9, 6, 3, 1, 4, 5, 13, 2, 15, 1, 8, 0, 1, 2, 15, 1, 4, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		s := readScript(b)
		people, devices := s.resolve()
		other := s
		other.statements, other.claims, other.clicks = slices.Concat(s.statements, s.statements), slices.Clone(s.claims), slices.Clone(s.clicks)
		slices.Reverse(other.statements)
		slices.Reverse(other.claims)
		slices.Reverse(other.clicks)
		again, devicesAgain := other.resolve()
		if diff := cmp.Diff(people.Assignments(), again.Assignments()) + cmp.Diff(people.Links(), again.Links()) + cmp.Diff(devices.Claims(), devicesAgain.Claims()); diff != "" {
			t.Fatal(diff)
		}
		users := map[uuid.UUID]string{}
		for _, a := range people.Assignments() {
			if before, has := users[a.Person]; a.Identifier.Kind == hit.UserID && has && len(s.aliases) == 0 {
				t.Fatalf("%s and %s are one person", before, a.Identifier.Value)
			}
			if a.Identifier.Kind == hit.UserID {
				users[a.Person] = a.Identifier.Value
			}
		}
		for _, l := range people.Links() {
			if same := people.Person(l.A) == people.Person(l.B); l.State == Joined && !same || l.State == Refused && same {
				t.Fatalf("%+v, one person: %v", l, same)
			}
		}
		checkHolders(t, people, devices)
	})
}

func checkHolders(t *testing.T, people *People, devices *Devices) {
	t.Helper()
	claims := devices.Claims()
	for _, name := range []string{"a", "b", "c", "h"} {
		dv := device(name)
		for at := hit.Instant(-1); at < 66; at++ {
			holder, identified := devices.Holder(dv, at)
			claim, claimed := devices.Claim(dv, at)
			if identified != claimed || !claimed && holder != people.Anonymous(dv) || claimed && holder != people.Person(claim.Holder) {
				t.Fatalf("%s at %d: %s (%v) by %+v", name, at, holder, identified, claim)
			}
			if claimed && !slices.Contains(claims, claim) {
				t.Fatalf("%s at %d is held by a claim that does not stand: %+v", name, at, claim)
			}
			for _, c := range claims { // none is between the claim and the instant
				if claimed && c.Device == dv && c.At <= at && (c.At > claim.At || claim.At > at) {
					t.Fatalf("%s at %d is held by %+v, not %+v", name, at, claim, c)
				}
			}
		}
	}
}
