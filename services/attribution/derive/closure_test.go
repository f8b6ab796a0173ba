package derive

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// shelf holds facts in memory.
type shelf []hit.Fact

func (s shelf) ByRef(_ context.Context, refs []uuid.UUID) ([]uuid.UUID, error) {
	var keys []uuid.UUID
	for i := range s {
		for _, r := range fact.Refs(&s[i]) {
			if slices.Contains(refs, r.Value) && !slices.Contains(keys, s[i].Key()) {
				keys = append(keys, s[i].Key())
			}
		}
	}
	return keys, nil
}

func (s shelf) Refs(_ context.Context, keys []uuid.UUID) ([]uuid.UUID, error) {
	var refs []uuid.UUID
	for i := range s {
		if slices.Contains(keys, s[i].Key()) {
			for _, r := range fact.Refs(&s[i]) {
				refs = append(refs, r.Value)
			}
		}
	}
	return refs, nil
}

func (s shelf) Load(_ context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
	var list []hit.Fact
	for _, key := range keys {
		if at := slices.IndexFunc(s, func(f hit.Fact) bool { return f.Key() == key }); at >= 0 {
			list = append(list, s[at])
		}
	}
	return list, nil
}

func (s shelf) Walk(_ context.Context, after uuid.UUID, most int) ([]uuid.UUID, error) {
	keys := keysOf(s)
	slices.SortFunc(keys, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
	keys = slices.DeleteFunc(keys, func(k uuid.UUID) bool { return bytes.Compare(k[:], after[:]) <= 0 })
	return keys[:min(most, len(keys))], nil
}

func (s shelf) Carriers(_ context.Context, each func(ref, fact uuid.UUID)) error {
	carriers := make(map[uuid.UUID][]uuid.UUID)
	for i := range s {
		for _, r := range fact.Refs(&s[i]) {
			carriers[r.Value] = append(carriers[r.Value], s[i].Key())
		}
	}
	for ref, facts := range carriers {
		for _, key := range facts {
			each(ref, key)
		}
	}
	return nil
}

// anyShelf draws page views of few devices and users, so that chains form.
func anyShelf(t *rapid.T) shelf {
	n := rapid.IntRange(1, 12).Draw(t, "facts")
	facts := make(shelf, n)
	for i := range facts {
		facts[i] = hit.Fact{Kind: hit.KindPage, ID: fmt.Sprintf("p%d", i), Page: &hit.Page{}}
		if d := rapid.IntRange(0, 5).Draw(t, "device"); d > 0 {
			facts[i].Device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprintf("d%d", d)}
		}
		if u := rapid.IntRange(0, 5).Draw(t, "user"); u > 0 {
			facts[i].Identifiers = []hit.Identifier{{Kind: hit.UserID, Value: fmt.Sprintf("u%d", u)}}
		}
	}
	return facts
}

func TestClosure_IsWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		blocked := Version{Blocked: map[uuid.UUID]bool{fact.IdentifierRef(hit.Identifier{Kind: hit.UserID, Value: "u1"}).Value: true}}
		start := fact.Refs(&facts[0])[0].Value
		found, err := closure(t.Context(), facts, []uuid.UUID{start}, []Version{blocked})
		if err != nil {
			t.Fatal(err)
		}
		for i := range facts {
			inside := found.keys[facts[i].Key()]
			for _, r := range fact.Refs(&facts[i]) {
				switch {
				case inside && !known(found, r):
					t.Fatalf("%s is gathered but its reference %v is not", facts[i].ID, r)
				case !inside && known(found, r) && !blocked.Blocked[r.Value]:
					t.Fatalf("%s shares the reference %v with what is gathered and is not", facts[i].ID, r)
				}
			}
		}
	})
}

func TestClosure_WalksWhatOneVersionAllows(t *testing.T) {
	t.Parallel()
	house := hit.Identifier{Kind: hit.UserID, Value: "house"}
	facts := shelf{
		{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}, Identifiers: []hit.Identifier{house}},
		{Kind: hit.KindPage, ID: "b", Page: &hit.Page{}, Identifiers: []hit.Identifier{house}},
	}
	blocks := Version{Blocked: map[uuid.UUID]bool{fact.IdentifierRef(house).Value: true}}
	for _, c := range []struct {
		name     string
		versions []Version
		want     int
	}{
		{"both block: nothing is found through it", []Version{blocks, blocks}, 1},
		{"one does not: that one needs all", []Version{blocks, {}}, 2},
	} {
		found, err := closure(t.Context(), facts, []uuid.UUID{fact.Refs(&facts[0])[0].Value}, c.versions)
		if err != nil || len(found.keys) != c.want {
			t.Errorf("%s: %d facts, %v, want %d", c.name, len(found.keys), err, c.want)
		}
	}
}

func TestComponents_ShareNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		groups := components(facts, Version{}, rapid.IntRange(1, 4).Draw(t, "parts"))
		groupOf := make(map[uuid.UUID]int)
		total := 0
		for g, group := range groups {
			total += len(group)
			refs, _ := shelf(group).Refs(t.Context(), keysOf(group))
			for _, r := range refs {
				if other, seen := groupOf[r]; seen && other != g {
					t.Fatalf("groups %d and %d share %v", other, g, r)
				}
				groupOf[r] = g
			}
		}
		if total != len(facts) {
			t.Fatalf("%d facts in groups, want %d", total, len(facts))
		}
	})
}

// known reports whether a reference was gathered.
func known(g gathered, r fact.Ref) bool {
	_, known := g.refs[r.Value]
	return known
}

func keysOf(facts []hit.Fact) []uuid.UUID {
	keys := make([]uuid.UUID, len(facts))
	for i := range facts {
		keys[i] = facts[i].Key()
	}
	return keys
}
