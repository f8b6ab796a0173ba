package ledger

import (
	"context"
	"time"

	"github.com/touchline/touchline/services/internal/stream"
)

const (
	// shortStream is up to how many entries a stream is looked at each time: some tens of
	// milliseconds.
	shortStream = 20_000
	// scanShare is how many times longer than a look at a long stream the rest is that
	// follows it, when nothing speaks for a loss.
	scanShare = 20
)

// scans remembers when the streams were looked at. A look at a stream takes time that
// grows with it, a comparison of its length with the books does not. While the books have
// as many hits more in flight than a long stream has entries as they had at the last
// look, no entry that an edge wrote has gone otherwise than by being settled. Only
// somebody who adds an entry by hand for each that he deletes is found later, at the next look.
type scans struct {
	shards map[int]scan
}

type scan struct {
	excess int64
	at     time.Time // its end
	took   time.Duration
}

// due reports whether the stream of a shard has to be looked at; done is to be called
// after it was. Nil looks at all.
func (s *scans) due(ctx context.Context, probe *stream.Probe, shard int, anyway bool) (due bool, done func(), err error) {
	if s == nil {
		return true, func() {}, nil
	}
	length, excess, err := probe.Excess(ctx, shard)
	if err != nil {
		return false, nil, err
	}
	last, known := s.shards[shard]
	if !anyway && known && length > shortStream && excess == last.excess && time.Since(last.at) < scanShare*last.took {
		return false, nil, nil
	}
	begun := time.Now()
	return true, func() { s.shards[shard] = scan{excess: excess, at: time.Now(), took: time.Since(begun)} }, nil
}
