package stream

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

func TestReader_InheritTakesOverAtOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		dead, idle, heir := s.reader(), s.reader(), s.reader()
		hits := newHits(5)
		mustAppend(t, s.writer(t, s.client), hits)
		mustRead(t, dead, 0, 0)
		mustRead(t, idle, 0, 0) // it has nothing: the dead one took all

		holders, err := heir.Holders(t.Context(), 0)
		if err != nil || !slices.Equal(holders, []uuid.UUID{dead.Consumer()}) {
			t.Fatalf("holders %v, %v, want the dead one alone", holders, err)
		}
		var got []string
		for range 3 { // five entries, two at a time
			entries, err := heir.Inherit(t.Context(), 0, dead.Consumer(), 2)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ids(t, entries)...)
		}
		if diff := cmp.Diff(hitIDs(hits), got); diff != "" {
			t.Errorf("inherited (-want +got):\n%s", diff)
		}
		if entries, err := heir.Inherit(t.Context(), 0, dead.Consumer(), 2); err != nil || len(entries) > 0 {
			t.Errorf("inherited %v, %v a second time", entries, err)
		}
	})
}
