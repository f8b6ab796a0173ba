package derive

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// shelfTx is a shelf as far as a survey reads it.
type shelfTx struct {
	Tx
	facts shelf
}

func (s shelfTx) Meet(_ context.Context, refs []uuid.UUID, most int) (met []Carried, err error) {
	for _, ref := range refs {
		n := 0
		for i := range s.facts {
			for _, r := range fact.Refs(&s.facts[i]) {
				if r.Value == ref && n < most {
					n++
					met = append(met, Carried{Ref: r, Fact: s.facts[i].Key()})
				}
			}
		}
	}
	return met, nil
}

func (s shelfTx) Load(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
	return s.facts.Load(ctx, keys)
}

func (s shelfTx) Walk(ctx context.Context, after uuid.UUID, most int) ([]uuid.UUID, error) {
	return s.facts.Walk(ctx, after, most)
}

func (s shelfTx) Carriers(ctx context.Context, each func(ref, fact uuid.UUID)) error {
	return s.facts.Carriers(ctx, each)
}

func (s shelfTx) Credits(context.Context, int, []ConversionRow) (map[ConversionKey][]credit.Credit, error) {
	return nil, nil
}

func (s shelfTx) Fresh(context.Context, Version) (Fresh, error) { return Fresh{}, nil }

func (s shelfTx) Carry(_ context.Context, keys []uuid.UUID) (carried []Carried, err error) {
	for i := range s.facts {
		for _, r := range fact.Refs(&s.facts[i]) {
			if slices.Contains(keys, s.facts[i].Key()) {
				carried = append(carried, Carried{Ref: r, Fact: s.facts[i].Key()})
			}
		}
	}
	return carried, nil
}

// Small components are gathered whole, large ones are told apart, whatever else is
// touched in the same batch.
func TestSurvey_TellsSmallFromLarge(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		small := rapid.IntRange(1, 4).Draw(t, "small")
		blocked := Version{Blocked: map[uuid.UUID]bool{fact.IdentifierRef(hit.Identifier{Kind: hit.UserID, Value: "u1"}).Value: true}}
		var touched []Touched
		for i := range facts {
			if i > 0 && !rapid.Bool().Draw(t, "touched") {
				continue
			}
			row := Touched{Seq: int64(i), Fact: facts[i].Key()}
			for _, r := range fact.Refs(&facts[i]) {
				row.NewRefs = append(row.NewRefs, r.Value)
			}
			touched = append(touched, row)
		}
		s := &step{tx: shelfTx{facts: facts}, cfg: Config{Small: small}, info: Workspace{Versions: []Version{blocked}}}
		found, large, err := s.look(t.Context(), touched, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := map[uuid.UUID]bool{}
		for _, row := range touched {
			whole, err := closure(t.Context(), facts, row.NewRefs, []Version{blocked})
			if err != nil {
				t.Fatal(err)
			}
			is := slices.ContainsFunc(slices.Concat(large...), func(l Touched) bool { return l.Seq == row.Seq })
			if is != (len(whole.keys) > small) {
				t.Fatalf("a fact of %d connected ones counts as large: %v; small are up to %d", len(whole.keys), is, small)
			}
			if is {
				continue
			}
			for key := range whole.keys {
				want[key] = true
			}
			for ref := range whole.refs {
				if _, known := found.refs[ref]; !known {
					t.Fatalf("reference %v is missing", ref)
				}
			}
		}
		if len(want) != len(found.keys) {
			t.Fatalf("%d facts are gathered, want %d", len(found.keys), len(want))
		}
		for key := range want {
			if !found.keys[key] {
				t.Fatalf("fact %v is missing", key)
			}
		}
	})
}

// A run ends where nothing happened for more than half an hour, and only when that
// is in sight.
func TestRunOf(t *testing.T) {
	t.Parallel()
	const minute hit.Instant = 60 * 1_000_000
	device := uuid.UUID{1}
	at := func(minutes ...hit.Instant) (moments []Moment) {
		for _, m := range minutes {
			moments = append(moments, Moment{Ref: device, Fact: uuid.UUID{byte(m)}, At: m * minute})
		}
		return moments
	}
	for _, c := range []struct {
		name     string
		moments  []Moment
		from, to hit.Instant // of the run, minutes
		facts    int
		ended    bool
	}{
		{"alone", at(120), 120, 120, 1, true},
		{"nothing there", nil, 120, 120, 0, true},
		{"half an hour apart is together", at(90, 120, 150), 90, 150, 3, true},
		{"a minute more is not", at(89, 120, 151), 120, 120, 1, true},
		{"on and on to the edge", at(20, 40, 70, 100, 120), 20, 120, 5, false},
		{"to the other edge", at(120, 140, 170, 200, 220), 120, 220, 5, false},
	} {
		s, wide := RefSpan{device, 120 * minute, 120 * minute}, RefSpan{device, 0, 240 * minute}
		run, facts, ended := runOf(s, wide, c.moments)
		if ended != c.ended || len(facts) != c.facts || run.From != c.from*minute || run.To != c.to*minute {
			t.Errorf("%s: %v to %v, %d facts, ended %v", c.name, run.From/minute, run.To/minute, len(facts), ended)
		}
	}
}
