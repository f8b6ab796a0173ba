package derive

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// planned is a plan of a shelf, and by what it is derived.
func planned(t *rapid.T, facts shelf) (*step, basis) {
	rules := policy.Default()
	v := Version{Number: 2, Policy: &rules}
	s := &step{tx: shelfTx{facts: facts}, cfg: Config{}.withDefaults(), concluded: make(map[int32]bool)}
	var err error
	if s.plan, err = s.draw(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	return s, basis{version: v, currency: "NOK", parts: 2}
}

// What is left of a stretch that was read ahead, when some of its components were noted
// since, is what would be read and derived without them; and the stretch stays whole.
func TestStretch_LeavesOutWhatWasNoted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		s, with := planned(t, facts)
		from := progress{next: s.plan.next, cursor: s.plan.cursor}
		s.cfg.WalkRows = rapid.IntRange(1, 12).Draw(t, "walked")
		ahead := s.stretchFrom(from, with, s.cfg.WalkRows)
		ahead.start(t.Context(), facts.Load, reader{})
		<-ahead.derived
		if !ahead.ready(with) {
			t.Fatal(ahead.err)
		}
		for range 2 { // a transaction may be tried again
			noted := make(map[int32]bool)
			for _, c := range ahead.components {
				noted[c.first] = rapid.Bool().Draw(t, "noted")
			}
			gone := make(map[uuid.UUID]bool) // what was noted need not be there any more
			begin := 0
			for _, c := range ahead.components {
				for _, key := range ahead.keys[begin:c.end] {
					gone[key] = noted[c.first]
				}
				begin = c.end
			}
			left := slices.DeleteFunc(slices.Clone(facts), func(f hit.Fact) bool { return gone[f.Key()] })
			found, err := ahead.rest(t.Context(), left.Load, func(first int32) bool { return noted[first] })
			if err != nil {
				t.Fatal(err)
			}
			keys, _, _ := s.plan.walk(from, s.cfg.WalkRows, noted)
			keys = slices.DeleteFunc(keys, func(k uuid.UUID) bool { return !slices.Contains(ahead.keys, k) })
			rest, _ := facts.Load(t.Context(), keys)
			outcomes, err := with.derive([][]hit.Fact{rest})
			if err != nil {
				t.Fatal(err)
			}
			want := joined(outcomes)
			wantOn := (&gathered{facts: rest}).held()
			if diff := cmp.Diff(wantOn, *found.on, cmp.AllowUnexported(held{}), cmpopts.EquateEmpty(), cmpopts.SortSlices(func(a, b uuid.UUID) bool { return a.String() < b.String() })); diff != "" {
				t.Fatalf("asked for (-want +got):\n%s", diff)
			}
			slices.SortFunc(found.outcome.Persons, byName)
			slices.SortFunc(want.Persons, byName)
			if diff := cmp.Diff(want.Persons, found.outcome.Persons); diff != "" || found.size != len(keys) {
				t.Fatalf("%d facts, want %d (-want +got):\n%s", found.size, len(keys), diff)
			}
		}
	})
}

// A stretch of more facts than are in memory at a time is derived in chunks, and what was noted
// of it read again in chunks, to the same as all at once.
func TestStretch_chunks(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(7, 22))
	rules := policy.Default()
	with := basis{version: Version{Number: 2, Policy: &rules}, currency: "NOK", parts: 2}
	held := make(map[uuid.UUID]hit.Fact)
	a := &stretch{with: with, chunks: true}
	var all []hit.Fact
	for first := int32(0); len(all) < 3*chunkFacts; first = int32(len(all)) {
		for range 1 + random.IntN(5) {
			f := hit.Fact{
				Kind: hit.KindIdentify, ID: fmt.Sprint(len(all)), Identify: &hit.Identify{Call: "identify"},
				Device:      &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("d", len(all))},
				Identifiers: []hit.Identifier{{Kind: hit.UserID, Value: fmt.Sprint("u", first)}},
			}
			all, a.keys, held[f.Key()] = append(all, f), append(a.keys, f.Key()), f
		}
		a.components = append(a.components, component{first, len(all)})
	}
	supply := supplied(t.Context(), nil, func(context.Context) (Stock, error) { return shelfStock{facts: held}, nil })
	most := 0
	read := func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
		most = max(most, len(keys))
		return supply.loader(nil)(ctx, keys)
	}
	if err := a.conclude(t.Context(), read); err != nil {
		t.Fatal(err)
	}
	for what, noted := range map[string]func(first int32) bool{
		"all": func(int32) bool { return false }, "two of three": func(first int32) bool { return first%3 == 0 }, "none": func(int32) bool { return true },
	} {
		found, err := a.rest(t.Context(), read, noted)
		if err != nil {
			t.Fatal(err)
		}
		var left []hit.Fact
		begin := 0
		for _, c := range a.components {
			if !noted(c.first) {
				left = append(left, all[begin:c.end]...)
			}
			begin = c.end
		}
		outcomes, err := with.derive([][]hit.Fact{left})
		if err != nil {
			t.Fatal(err)
		}
		want := joined(outcomes)
		slices.SortFunc(want.Persons, byName)
		slices.SortFunc(found.outcome.Persons, byName)
		if diff := cmp.Diff(want.Persons, found.outcome.Persons, cmpopts.EquateEmpty()); diff != "" || found.size != len(left) || len(found.on.strong) != len(left)-repeated(left) {
			t.Errorf("%s: %d facts, want %d; %d users asked for (-want +got):\n%.2000s", what, found.size, len(left), len(found.on.strong), diff)
		}
	}
	if most > chunkFacts+2*partFacts {
		t.Errorf("%d facts at a time, want about %d", most, chunkFacts)
	}
}

// repeated is how many facts name a user that one before names.
func repeated(facts []hit.Fact) int {
	users := make(map[hit.Identifier]bool)
	for _, f := range facts {
		users[f.Identifiers[0]] = true
	}
	return len(facts) - len(users)
}

// A stretch serves only where the same would be concluded from it now, and where reading
// and deriving it went well.
func TestStretch_ready(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}}
	with := basis{version: Version{Number: 2, Identity: 1, Policy: &rules}, currency: "NOK", parts: 1}
	try := func(with basis, read loader) *stretch {
		a := &stretch{with: with, keys: keysOf(facts), components: []component{{0, 1}}}
		a.start(t.Context(), read, reader{})
		<-a.derived
		return a
	}
	other, blocked, foreign := with, with, with
	other.version.Number = 3
	blocked.version.Blocked = map[uuid.UUID]bool{{1}: true}
	foreign.currency = "SEK"
	whole := try(with, facts.Load)
	broken := with
	broken.version.Policy = nil // the rules panic
	for what, c := range map[string]struct {
		of   *stretch
		with basis
		want bool
	}{
		"the same":                  {whole, with, true},
		"another version":           {whole, other, false},
		"a name came to be blocked": {whole, blocked, false},
		"another currency":          {whole, foreign, false},
		"nothing was read ahead":    {nil, with, false},
		"it could not be read":      {try(with, func(context.Context, []uuid.UUID) ([]hit.Fact, error) { return nil, errors.New("away") }), with, false},
		"a fact is gone":            {try(with, shelf{}.Load), with, false},
		"it could not be derived":   {try(broken, facts.Load), broken, false},
	} {
		if got := c.of.ready(c.with); got != c.want {
			t.Errorf("%s: %t", what, got)
		}
	}
}

func byName(a, b identity.Assignment) int { return identity.Compare(a.Identifier, b.Identifier) }

// What breaks in the background is an error of the stretch, which is then not ready.
func TestStretch_survivesWhatBreaks(t *testing.T) {
	t.Parallel()
	a := &stretch{keys: []uuid.UUID{uuid.New()}, components: []component{{0, 1}}}
	a.start(t.Context(), func(context.Context, []uuid.UUID) ([]hit.Fact, error) { panic("broken") }, reader{})
	<-a.derived
	if a.ready(basis{}) || a.err == nil {
		t.Errorf("ready after %v", a.err)
	}
	a = &stretch{drafted: func(timeline.Outcome) *draft { panic("broken") }}
	a.start(t.Context(), shelf{}.Load, reader{})
	<-a.derived
	if a.ready(basis{}) || a.err == nil {
		t.Errorf("ready after a draft that broke: %v", a.err)
	}
}

// No more is read ahead than workspaces are derived side by side; what makes room lets the
// next one in, and a plan that is replaced or given up ends what it had under way.
func TestDeriver_boundsWhatIsReadAhead(t *testing.T) {
	t.Parallel()
	d := New(nil, Config{Parallel: 2})
	workspaces := []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}
	reading := func() (*plan, context.Context) {
		ctx, stop := context.WithCancel(t.Context())
		return &plan{ahead: &stretch{stop: stop}}, ctx
	}
	first, of := reading()
	d.keep(workspaces[0], first)
	second, _ := reading()
	d.keep(workspaces[1], second)
	third, refused := reading()
	d.keep(workspaces[2], third)
	if first.ahead == nil || second.ahead == nil || third.ahead != nil || refused.Err() == nil || of.Err() != nil {
		t.Fatal("a third one is read ahead beside two")
	}
	if d.keep(workspaces[0], first); first.ahead == nil || of.Err() != nil {
		t.Error("a plan is refused the place that is its own")
	}
	again, _ := reading()
	if d.keep(workspaces[0], again); of.Err() == nil || again.ahead == nil {
		t.Error("a plan that was replaced goes on, or one in its own place is refused")
	}
	d.keep(workspaces[1], nil)
	last, _ := reading()
	if d.keep(workspaces[2], last); last.ahead == nil {
		t.Error("there was room again")
	}
}

// A draft of what is written is what is found at the time when nothing was noted since, and
// is not used otherwise.
func TestStretch_drafts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		s, with := planned(t, facts)
		s.plan.fresh.Rows = rapid.Bool().Draw(t, "fresh")
		a := s.stretchFrom(progress{next: s.plan.next, cursor: s.plan.cursor}, with, len(facts))
		if err := a.conclude(t.Context(), facts.Load); err != nil {
			t.Fatal(err)
		}
		found, err := a.rest(t.Context(), facts.Load, func(int32) bool { return false })
		if err != nil || (found.draft != nil) != s.plan.fresh.Rows {
			t.Fatalf("a draft: %t, %v", found.draft != nil, err)
		}
		if noted, err := a.rest(t.Context(), facts.Load, func(first int32) bool { return first == a.components[0].first }); err != nil || noted.draft != nil {
			t.Fatalf("a draft in spite of what was noted: %v", err)
		}
		if found.draft == nil {
			return
		}
		current := Current{Fresh: Fresh{Rows: true}}
		for _, p := range found.outcome.Persons {
			if p.Shared = rapid.Bool().Draw(t, "shared"); rapid.Bool().Draw(t, "held") {
				current.Persons = append(current.Persons, p)
			}
		}
		current.Links, current.Claims = found.outcome.Links[len(found.outcome.Links)/2:], found.outcome.Claims[len(found.outcome.Claims)/2:]
		want, err := (&step{tx: shelfTx{facts: facts}}).changes(t.Context(), with.version, current, *found.outcome)
		if err != nil {
			t.Fatal(err)
		}
		got := found.draft.names(current)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmp.AllowUnexported(big.Int{}, apd.Decimal{}, apd.BigInt{})); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	})
}
