package identity

import (
	"fmt"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
)

// anyDevice draws claims on one device: logins and clicks of a few people, two names
// each, in and out of sessions.
func anyDevice(t *rapid.T) (*People, []Claim, []Click, []Span) {
	people, _ := Known(uuid.NameSpaceOID, []Assignment{
		{Identifier: phone("1"), Person: uuid.UUID{1}}, {Identifier: phone("2"), Person: uuid.UUID{1}}, {Identifier: phone("3"), Person: uuid.UUID{3}},
	}, nil)
	var spans []Span
	for from := hit.Instant(1); from < 40; {
		until := from + hit.Instant(rapid.IntRange(1, 9).Draw(t, "length"))
		spans = append(spans, Span{from, until})
		from = until + hit.Instant(rapid.IntRange(0, 6).Draw(t, "gap"))
	}
	var logins []Claim
	var clicks []Click
	for n := range rapid.IntRange(0, 7).Draw(t, "claims") {
		at, who := hit.Instant(rapid.IntRange(1, 45).Draw(t, "at")), phone(fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "who")))
		claim := NewClaim(hit.Identifier{Kind: hit.Device, Value: "d"}, at, fmt.Sprint("f", n), who)
		if rapid.Bool().Draw(t, "login") {
			logins = append(logins, claim)
			continue
		}
		claim.Identify = false
		clicks = append(clicks, Click{Claim: claim, Token: fmt.Sprint("t", n)})
	}
	return people, logins, clicks, spans
}

// What Claims lists says who holds a device at any time, and no shorter list does.
func TestClaims_areAllThereIsToSay(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		people, logins, clicks, spans := anyDevice(t)
		device := hit.Identifier{Kind: hit.Device, Value: "d"}
		full := NewDevices(people, logins, clicks, map[hit.Identifier][]Span{device: spans})
		claims := full.Claims()
		_, known := Known(uuid.NameSpaceOID, nil, claims)
		known.people = people
		for at := range hit.Instant(50) {
			want, identified := full.Holder(device, at)
			if got, is := known.Holder(device, at); got != want || is != identified {
				t.Fatalf("at %d %v holds, want %v: %+v of %+v", at, got, want, claims, full.claims[device])
			}
		}
		for i := 1; i < len(claims); i++ {
			same := people.Person(claims[i].Holder) == people.Person(claims[i-1].Holder)
			if first := claims[i].Identify && !claims[i-1].Identify; same && !first {
				t.Fatalf("%+v says nothing new after %+v", claims[i], claims[i-1])
			}
		}
	})
}

// A change that is called steady changes no holder at any time, and no claim that is
// listed.
func TestSteady_isSteady(t *testing.T) {
	t.Parallel()
	yes, differ := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		people, logins, clicks, spans := anyDevice(t)
		device := hit.Identifier{Kind: hit.Device, Value: "d"}
		sessions := map[hit.Identifier][]Span{device: spans}
		before := NewDevices(people, logins, clicks, sessions)
		// One more login or click, and perhaps one session more, within a stretch that
		// holds whole sessions.
		cut := rapid.IntRange(0, len(spans)-1).Draw(t, "session")
		stretch := Stretch{Device: device, Span: spans[cut]}
		added := spans
		if length := stretch.Until - stretch.From; length > 1 && rapid.Bool().Draw(t, "split") {
			middle := stretch.From + length/2
			added = append(append(append([]Span(nil), spans[:cut]...), Span{stretch.From, middle}, Span{middle, stretch.Until}), spans[cut+1:]...)
		}
		at := stretch.From + hit.Instant(rapid.IntRange(0, int(stretch.Until-stretch.From)-1).Draw(t, "at"))
		claim := NewClaim(device, at, "g", phone(fmt.Sprint(rapid.IntRange(1, 4).Draw(t, "who"))))
		moreLogins, moreClicks := logins, clicks
		switch rapid.IntRange(0, 2).Draw(t, "what") {
		case 0:
			moreLogins = append(append([]Claim(nil), logins...), claim)
		case 1:
			claim.Identify = false
			moreClicks = append(append([]Click(nil), clicks...), Click{Claim: claim, Token: "new"})
			stretch.Clicks = []Claim{claim}
		}
		within := func(claims []Claim) (inside []Claim) {
			for _, c := range claims {
				if c.At >= stretch.From && c.At < stretch.Until {
					inside = append(inside, c)
				}
			}
			return inside
		}
		stretch.Before, stretch.After = ReachBack(within(logins), spans[cut:cut+1]), ReachBack(within(moreLogins), added[cut:cut+1+len(added)-len(spans)])
		after := NewDevices(people, moreLogins, moreClicks, map[hit.Identifier][]Span{device: added})
		_, known := Known(uuid.NameSpaceOID, nil, before.Claims())
		known.people = people
		if !known.Steady(stretch) {
			return
		}
		yes++
		if fmt.Sprint(stretch.Before) != fmt.Sprint(stretch.After) || stretch.Clicks != nil {
			differ++
		}
		if fmt.Sprint(before.Claims()) != fmt.Sprint(after.Claims()) {
			t.Fatalf("claims %+v became %+v", before.Claims(), after.Claims())
		}
	})
	if yes < 20 || differ < 5 {
		t.Errorf("only %d changes were steady, %d of them with other claims", yes, differ)
	}
}
