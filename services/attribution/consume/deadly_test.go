package consume

import (
	"testing"

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
