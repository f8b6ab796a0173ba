package identity

import (
	"slices"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// login and click are claims of the device "d" by a phone.
func login(at hit.Instant, who string) Claim {
	return NewClaim(device("d"), at, "f"+who, phone(who))
}

func click(at hit.Instant, who string) Claim {
	c := login(at, who)
	c.Identify = false
	return c
}

// twoNames is a person with the phones 1 and 2, and others with one each.
func twoNames() []Assignment {
	return []Assignment{{Identifier: phone("1"), Person: uuid.UUID{1}}, {Identifier: phone("2"), Person: uuid.UUID{1}}, {Identifier: phone("3"), Person: uuid.UUID{3}}}
}

func TestSteady(t *testing.T) {
	t.Parallel()
	type list = []Claim
	for _, tt := range []struct {
		name                         string
		claims, before, after, click list // of a stretch from 10 to 20
		want                         bool
	}{
		{"nothing happened to nobody's device", nil, nil, nil, nil, true},
		{"what happened says the same", nil, list{login(15, "1")}, list{login(15, "1")}, nil, true},
		{"the first claim ever", nil, nil, list{login(15, "1")}, nil, false},
		{"the first click ever", nil, nil, nil, list{click(15, "1")}, false},
		{"the only click goes", list{click(10, "1")}, nil, nil, list{click(10, "1")}, false},
		{"the holder logs in again", list{login(5, "1")}, nil, list{login(15, "1")}, nil, true},
		{"by another name", list{login(5, "1")}, nil, list{login(15, "2")}, nil, true},
		{"another logs in", list{login(5, "1")}, nil, list{login(15, "3")}, nil, false},
		{"another's login goes", list{login(5, "1"), login(15, "3")}, list{login(15, "3")}, nil, nil, false},
		{"the holder was another before", list{login(2, "3"), login(5, "1")}, nil, list{login(15, "1")}, nil, true},
		{"the holder came by a click, and logged in", list{click(2, "1"), login(5, "1")}, nil, list{login(15, "1")}, nil, true},
		{"who logs in within changes hands back", list{login(5, "1"), login(12, "3")}, list{login(12, "3")}, list{login(12, "3"), login(15, "1")}, nil, false},
		{"behind a login a click claims nothing", list{login(5, "1")}, nil, nil, list{click(15, "3")}, true},
		{"the first login goes, so that clicks claim", list{click(2, "1"), login(10, "1")}, list{login(10, "1")}, nil, nil, false},
		{"one within goes", list{click(2, "1"), login(15, "1")}, list{login(15, "1")}, nil, nil, false},
		{"the holder clicks, where nobody logged in", list{click(5, "1")}, nil, nil, list{click(15, "2")}, true},
		{"another clicks", list{click(5, "1")}, nil, nil, list{click(15, "3")}, false},
		{"a first login where there were clicks", list{click(5, "1")}, nil, list{login(15, "1")}, list{click(15, "1")}, false},
		{"another clicked within", list{click(5, "1"), click(12, "3")}, nil, nil, list{click(15, "1")}, false},
		{"at its beginning", list{click(5, "1"), click(10, "3")}, nil, nil, list{click(15, "1")}, false},
		{"at its end, which is without", list{click(5, "1"), click(20, "3")}, nil, nil, list{click(15, "1")}, true},
		{"another clicked before the holder", list{click(2, "3"), click(5, "1")}, nil, nil, list{click(15, "1")}, true},
		{"just before", list{click(8, "3"), click(9, "1")}, nil, nil, list{click(15, "1")}, true},
		{"the click goes by which the holder came", list{click(5, "3"), click(10, "1")}, nil, nil, list{click(10, "1")}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, devices := Known(uuid.NameSpaceOID, twoNames(), tt.claims)
			s := Stretch{Device: device("d"), Span: Span{10, 20}, Before: tt.before, After: tt.after, Clicks: tt.click}
			if got := devices.Steady(s); got != tt.want {
				t.Errorf("steady: %t", got)
			}
		})
	}
}

// Who was concluded before is as he was; who was not is a person of his own.
func TestKnown(t *testing.T) {
	t.Parallel()
	people, devices := Known(uuid.NameSpaceOID, twoNames(), []Claim{login(9, "3"), login(5, "1"), click(7, "2")})
	for name, want := range map[string]uuid.UUID{"1": {1}, "2": {1}, "3": {3}, "4": Name(uuid.NameSpaceOID, phone("4"))} {
		if got := people.Person(phone(name)); got != want {
			t.Errorf("%s is %s, want %s", name, got, want)
		}
	}
	stated := Resolve(Facts{Workspace: uuid.NameSpaceOID, Stated: []Statement{say(hit.TrustServer, 1, "f", phone("4"))}})
	if got, want := Name(uuid.NameSpaceOID, phone("4")), stated.Person(phone("4")); got != want || got == uuid.Nil {
		t.Errorf("the name is %s, the person %s", got, want)
	}
	if got := stated.Person(phone("1")); got != uuid.Nil {
		t.Errorf("nobody stated 1, and it is %s", got)
	}
	if got := devices.Of(device("d")); !slices.Equal(got, []Claim{login(5, "1"), login(9, "3")}) {
		t.Errorf("claims %+v", got)
	}
	if got := devices.Of(device("e")); got != nil {
		t.Errorf("claims %+v on another device", got)
	}
}

func TestDevices_With(t *testing.T) {
	t.Parallel()
	on := func(name string, c Claim) Claim {
		c.Device = device(name)
		return c
	}
	_, devices := Known(uuid.NameSpaceOID, twoNames(), []Claim{on("a", login(5, "1")), on("b", login(5, "1")), on("c", login(5, "1"))})
	_, other := Known(uuid.NameSpaceOID, twoNames(), []Claim{on("a", login(6, "3")), on("b", login(6, "3"))})
	mixed := devices.With(other, []hit.Identifier{device("b"), device("c")})
	if got, want := mixed.Claims(), []Claim{on("a", login(5, "1")), on("b", login(6, "3"))}; !slices.Equal(got, want) {
		t.Errorf("claims %+v, want %+v", got, want)
	}
	if len(devices.Claims()) != 3 || len(other.Claims()) != 2 {
		t.Error("the devices themselves changed")
	}
}

// Claims of one time come weakest first, wherever they came from.
func TestReachBack_InOrder(t *testing.T) {
	t.Parallel()
	got := ReachBack([]Claim{login(9, "1"), login(7, "3"), login(7, "2"), login(3, "4")}, []Span{{5, 8}})
	want := []Claim{login(3, "4"), login(5, "3"), login(5, "2"), login(9, "1")}
	if !slices.Equal(got, want) {
		t.Errorf("claims %+v, want %+v", got, want)
	}
}

// Better and gone is what is tried before all that the other side has of the pair.
func TestDiffer(t *testing.T) {
	t.Parallel()
	link := func(a, b string, at hit.Instant) Link {
		return Link{A: phone(a), B: phone(b), Trust: hit.TrustServer, At: at, Fact: "f", Position: 1}
	}
	for name, tt := range map[string]struct{ before, after, better, gone []Link }{
		"nothing":                   {},
		"a new pair":                {nil, []Link{link("a", "b", 5)}, []Link{link("a", "b", 5)}, nil},
		"a pair that goes":          {[]Link{link("a", "b", 5)}, nil, nil, []Link{link("a", "b", 5)}},
		"the same":                  {[]Link{link("a", "b", 5)}, []Link{link("a", "b", 5)}, nil, nil},
		"an earlier one":            {[]Link{link("a", "b", 5)}, []Link{link("a", "b", 4)}, []Link{link("a", "b", 4)}, nil},
		"a later one only":          {[]Link{link("a", "b", 5)}, []Link{link("a", "b", 6)}, nil, []Link{link("a", "b", 5)}},
		"one the other way round":   {[]Link{link("a", "b", 5)}, []Link{link("b", "a", 4)}, []Link{link("b", "a", 4)}, nil},
		"a later one besides":       {[]Link{link("a", "b", 5)}, []Link{link("a", "b", 6), link("a", "b", 5)}, nil, nil},
		"one of two that goes":      {[]Link{link("a", "b", 6), link("a", "b", 5)}, []Link{link("a", "b", 6)}, nil, []Link{link("a", "b", 5)}},
		"another pair, and in turn": {[]Link{link("a", "b", 5)}, []Link{link("a", "c", 9), link("a", "d", 8)}, []Link{link("a", "d", 8), link("a", "c", 9)}, []Link{link("a", "b", 5)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			better, gone := Differ(tt.before, tt.after)
			if !slices.Equal(better, tt.better) || !slices.Equal(gone, tt.gone) {
				t.Errorf("better %+v, gone %+v", better, gone)
			}
		})
	}
}
