package streamtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// Books is [stream.Probe.Books], at one instant of all shards.
func (c Conn) Books(ctx context.Context) (books []stream.ShardBooks, err error) {
	err = c.do(ctx, "read the books", func() {
		for i, s := range c.Memory.shards {
			books = append(books, s.shardBooks(i))
		}
	})
	if err != nil {
		return nil, err
	}
	return books, nil
}

// Restarted is [stream.Probe.Restarted].
func (c Conn) Restarted(ctx context.Context, number int) (is bool, err error) {
	if number < 0 || number >= len(c.Memory.shards) {
		return false, fmt.Errorf("shard %d of %d", number, len(c.Memory.shards))
	}
	err = c.do(ctx, fmt.Sprint("ask for the run of ", number), func() {
		s := c.Memory.shards[number]
		is = s.books[s.runField()] == 0
	})
	return is && err == nil, err
}

// rebuildStep is how many entries Rebuild looks at in one go.
const rebuildStep = 1000

// Rebuild is [stream.Probe.Rebuild].
func (c Conn) Rebuild(ctx context.Context, number int, seed stream.Seed, known stream.Known) error {
	if number < 0 || number >= len(c.Memory.shards) {
		return fmt.Errorf("shard %d of %d", number, len(c.Memory.shards))
	}
	for from := (id{}); ; {
		var page []entry
		err := c.do(ctx, fmt.Sprint("read again ", number), func() {
			s := c.Memory.shards[number] // another one after a restart
			page = nil
			at, _ := s.find(from)
			for ; at < len(s.entries) && len(page) < rebuildStep; at++ {
				page = append(page, s.entries[at])
			}
		})
		if err != nil {
			return err
		}
		if len(page) > 0 {
			last := page[len(page)-1].id
			from = id{last.millis, last.counter + 1}
			if err := c.discard(ctx, number, page, known); err != nil {
				return err
			}
			continue
		}
		again := false
		err = c.do(ctx, fmt.Sprint("make the books anew ", number), func() {
			s := c.Memory.shards[number]
			if again = s.mayBeStored(from, seed); !again {
				s.seed(seed, true, c.Memory.now())
			}
		})
		if err != nil || !again {
			return err
		}
	}
}

// mayBeStored says whether entries from an id on have numbers that are stored.
func (s *shard) mayBeStored(from id, seed stream.Seed) bool {
	at, _ := s.find(from)
	return slices.ContainsFunc(s.entries[at:], func(e entry) bool {
		epoch, err := uuid.Parse(e.epoch)
		return err == nil && e.number > 0 && e.number <= seed.Stored[epoch]
	})
}

// discard removes those entries that are stored.
func (c Conn) discard(ctx context.Context, number int, page []entry, known stream.Known) error {
	receipts := make([]hit.Receipt, len(page))
	for i, e := range page {
		receipts[i] = newEntry(number, e).Receipt
	}
	stored, err := known(ctx, receipts)
	if err != nil {
		return err
	}
	var gone []id
	for i, e := range page {
		if receipts[i].Number > 0 && stored[receipts[i]] {
			gone = append(gone, e.id)
		}
	}
	if len(gone) == 0 {
		return nil
	}
	err = c.do(ctx, fmt.Sprint("acknowledge what is stored ", number), func() {
		for _, at := range gone {
			c.Memory.shards[number].group.drop(at)
		}
	})
	if err != nil {
		return err
	}
	return c.do(ctx, fmt.Sprint("remove what is stored ", number), func() {
		for _, at := range gone {
			c.Memory.shards[number].remove(at)
		}
	})
}
