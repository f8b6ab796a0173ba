package consume

import (
	"testing"
	"time"

	"github.com/touchline/touchline/services/internal/hit"
)

// An entry that ends every process which looks at it, as one that takes all memory
// would, is put away undecoded in the end; all that were handed out beside it are
// stored.
func TestConsumer_entryThatKillsWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hits := []hit.Hit{order("before", noon, "1"), order("DEADLY", noon, "1"), order("after", noon, "1"), order("last", noon, "1")}
	r.append(t, hits...)
	tried := Config{}.withDefaults().TriedMost
	for range tried {
		kill(t, r, "decode=DEADLY")
	}
	if n := r.number(t, "select count(*) from quarantine"); n != 0 {
		t.Errorf("%d in quarantine after %d deaths", n, tried)
	}
	// The next one knows of the deaths, and does not touch it.
	start(t, r.consumer(t, nil))
	until(t, "the quarantine", func() bool {
		return r.number(t, "select count(*) from quarantine where reason = 'kills_worker' and length(raw) > 0 and hit") == 1
	})
	until(t, "the rest", func() bool { return r.sums(t).inflight == 0 })
	if n := r.number(t, "select count(*) from fact"); n != int64(len(hits)-1) {
		t.Errorf("%d facts", n)
	}
	if s := r.sums(t); !s.balanced() || s.rejected != 1 {
		t.Errorf("%+v", s)
	}
}

// Workers that die one after the other leave but few entries under suspicion: each takes
// over a part, and what it leaves alone counts as delivered no more often than before.
func TestConsumer_takesOverAPart(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const total = 3 * takeMost
	r.append(t, traffic(total)...)
	patient := func(c *Config, _ *Parts) { c.BatchSize, c.MinIdle = 10*takeMost, time.Hour }
	shard, first := 0, r.consumer(t, patient)
	for {
		entries, err := first.parts.Reader.Read(t.Context(), shard, total, 0)
		if err != nil || len(entries) == total {
			break // it is the one that the hits came into
		}
		shard++
	}
	for range aloneFrom - 1 { // which never lived, so that the next one takes them for dead
		entries, err := newLane(r.consumer(t, patient), shard).takeOver(t.Context())
		if err != nil || len(entries) != takeMost {
			t.Fatalf("took over %d entries: %v", len(entries), err)
		}
	}
	last := newLane(r.consumer(t, patient), shard)
	taken, suspects := 0, 0
	for taken < total {
		entries, err := last.takeOver(t.Context())
		if err != nil || len(entries) == 0 {
			t.Fatalf("took over %d entries, and %d: %v", taken, len(entries), err)
		}
		taken += len(entries)
		for _, e := range entries {
			if e.Deliveries >= aloneFrom {
				suspects++
			}
		}
	}
	if suspects > takeMost {
		t.Errorf("%d of %d entries would be tried alone", suspects, total)
	}
	start(t, r.consumer(t, nil))
	until(t, "all to be stored", func() bool { return r.sums(t).inflight == 0 })
}
