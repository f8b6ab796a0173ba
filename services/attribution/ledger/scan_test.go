package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// long makes a stream longer than those that are always looked at, and returns the first
// receipt of it.
func (r *rig) long() (first hit.Receipt) {
	for sent := 0; sent <= shortStream; { // both shards by turns
		some := r.append(orders("l", 2000)...)
		if sent == 0 {
			first = some
		}
		if some.Shard == first.Shard {
			sent += 2000
		}
	}
	return first
}

// looks makes the scans of a shard last long, so that time alone does not make another due.
func (s *scans) slow(shard int) scan {
	looked := s.shards[shard]
	looked.took = time.Hour
	s.shards[shard] = looked
	return looked
}

// A long stream is looked at once, and again only when the books have more in flight than
// before: the loss is then found at once. Leaving a stream out changes nothing.
func TestSides_Search_longStream(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	receipt := r.long()
	s := scans{shards: map[int]scan{}}
	search := func() (gaps Gaps) {
		t.Helper()
		until(t, "its turn to search", func() bool {
			var err error
			if gaps, err = r.sides.search(t.Context(), time.Now().UTC(), &s); err != nil {
				t.Fatal(err)
			}
			return gaps.Searched
		})
		return gaps
	}
	if gaps := search(); len(gaps.Found) > 0 {
		t.Fatalf("%+v", gaps)
	}
	looked := s.slow(receipt.Shard)
	if gaps := search(); len(gaps.Found) > 0 || s.shards[receipt.Shard] != looked {
		t.Errorf("looked at again although nothing is lost: %+v", gaps)
	}
	r.delete(receipt)
	want := []stream.Run{{Epoch: receipt.Epoch, Shard: receipt.Shard, First: receipt.Number, Last: receipt.Number}}
	if gaps := search(); !slices.Equal(gaps.Found, want) {
		t.Errorf("%+v, want %v", gaps, want)
	}
	looked = s.slow(receipt.Shard)
	if gaps := search(); len(gaps.Found) > 0 || len(gaps.Closed) > 0 || gaps.Open != 1 || s.shards[receipt.Shard] != looked {
		t.Errorf("a stream that is left out changes something: %+v", gaps)
	}
}
