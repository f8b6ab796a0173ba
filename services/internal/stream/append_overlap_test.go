package stream

import (
	"testing"
	"time"

	"github.com/google/uuid"
)

// Flushes of one epoch that overlap, as when a spool is cut otherwise than the edge had
// sent it: every number is there once.
func TestAppend_Overlap(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, s server) {
		s.cfg.Shards = 1
		s.cfg = s.cfg.withDefaults()
		epoch := uuid.New()
		l := (&Writer{cfg: s.cfg}).line(NewAppender(s.client, s.cfg), 0, epoch)
		hits := newHits(9)
		for i := range hits { // of several accounts, some of them one after the other
			hits[i].Fact.Source = uuid.UUID{15: byte(i / 2 % 3)}
		}
		c, err := newCall(hits)
		if err != nil {
			t.Fatal(err)
		}
		part := func(from, to int) flush {
			return flush{first: int64(from), fields: c.fields[from-1 : to], payloads: c.payloads[from-1 : to]}
		}
		for _, f := range []flush{part(1, 3), part(2, 5), part(1, 4), part(4, 9), part(1, 9)} {
			if err := l.append(t.Context(), f, time.Minute); err != nil {
				t.Fatal(err)
			}
		}
		if numbers := stored(t, s, epoch); len(numbers[0]) != 9 {
			t.Errorf("%d numbers are stored, want 9", len(numbers[0]))
		}
		messages, err := s.client.XRange(t.Context(), s.cfg.hitsKey(0), "-", "+").Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range messages {
			e := newEntry(0, m)
			if want := fieldOf(hits[e.Receipt.Number-1].Workspace, hits[e.Receipt.Number-1].Fact.Source); e.Field != want {
				t.Errorf("number %d is counted as of %s, want %s", e.Receipt.Number, e.Field, want)
			}
		}
		if accepted, spooled, inFlight := totals(t, s); accepted != 9 || spooled != 0 || inFlight != 9 {
			t.Errorf("books: %d accepted, %d spooled, %d in flight, want 9, 0, 9", accepted, spooled, inFlight)
		}
	})
}
