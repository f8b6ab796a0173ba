package stream

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// What is in the stream, whatever piece of it the script looks at, is listed with the
// runs joined; what was deleted is missing from it, and the books say by how much.
func TestProbe(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		one, two := s.writer(t, s.client), s.writer(t, s.client)
		probe := NewProbe(s.client, s.cfg)
		first := newHits(heldStep + 7)
		mustAppend(t, one, first)
		mustAppend(t, two, newHits(3))
		mustAppend(t, one, first[:5])
		field := fieldOf(first[0].Workspace, first[0].Fact.Source)
		if surplus, ok, err := probe.Surplus(t.Context(), 0); err != nil || !ok || len(surplus.Fields) != 0 || len(surplus.Hours) != 0 {
			t.Errorf("surplus %v, %v, %v before anything was deleted", surplus, ok, err)
		}
		ids, err := s.client.XRangeN(t.Context(), s.cfg.withDefaults().hitsKey(0), "-", "+", 4).Result()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.client.XDel(t.Context(), s.cfg.withDefaults().hitsKey(0), ids[2].ID).Err(); err != nil {
			t.Fatal(err)
		}
		// Somebody else's, which has no receipt.
		stranger := &redis.XAddArgs{Stream: s.cfg.withDefaults().hitsKey(0), Values: map[string]any{"w": "x", "n": "-1", "e": "?"}}
		if err := s.client.XAdd(t.Context(), stranger).Err(); err != nil {
			t.Fatal(err)
		}

		held, err := probe.Held(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		want := []Run{
			{Epoch: one.Epoch(), First: 1, Last: 2},
			{Epoch: one.Epoch(), First: 4, Last: heldStep + 12},
			{Epoch: two.Epoch(), First: 1, Last: 3},
		}
		if diff := cmp.Diff(want, held.Runs); diff != "" {
			t.Errorf("runs (-want +got):\n%s", diff)
		}
		if n := held.Fields[field]; n != heldStep+11 {
			t.Errorf("%d entries of the first source", n)
		}
		surplus, ok, err := probe.Surplus(t.Context(), 0)
		if diff := cmp.Diff(Surplus{Fields: map[string]int64{field: 1, "x": -1}, Hours: map[string]int64{field + "/0": 1}}, surplus); diff != "" || !ok || err != nil {
			t.Errorf("surplus %v, %v:\n%s", ok, err, diff)
		}
		books, err := probe.Books(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(map[uuid.UUID]int64{one.Epoch(): heldStep + 12, two.Epoch(): 3}, books[0].Appended); diff != "" {
			t.Errorf("appended (-want +got):\n%s", diff)
		}
	})
}

func TestRun_String(t *testing.T) {
	t.Parallel()
	epoch := uuid.MustParse("0192b0a0-0000-7000-8000-000000000001")
	for want, run := range map[string]Run{
		epoch.String() + "-2-7":    {Epoch: epoch, Shard: 2, First: 7, Last: 7},
		epoch.String() + "-0-1..3": {Epoch: epoch, First: 1, Last: 3},
	} {
		if got := run.String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
