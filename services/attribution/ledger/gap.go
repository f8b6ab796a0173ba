package ledger

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// Sides are the two places in which hits are counted.
type Sides struct {
	Probe *stream.Probe  // Redis
	Pool  *postgres.Pool // of [postgres.RoleWorker]
}

// Gaps is what one search for lost hits came to.
type Gaps struct {
	Searched bool         // false: another process was searching, and nothing was done
	Found    []stream.Run // lost, not known before
	Closed   []stream.Run // known as lost, and there after all
	Open     int64        // hits that are lost, those found before included
}

// Search looks for hits that were lost and notes them in table sequence_gap, at the
// time now. One process at a time does it.
func (s Sides) Search(ctx context.Context, now time.Time) (Gaps, error) {
	var result Gaps
	err := s.Pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		result = Gaps{}
		mine, err := tx.TryLock(ctx, "sequence")
		if err != nil || !mine {
			return err
		}
		result.Searched = true
		// The order is what makes it free of false alarms; see the package.
		if err := tx.SequenceRaise(ctx); err != nil {
			return fmt.Errorf("note the numbers that are stored: %w", err)
		}
		marks, held, err := s.redis(ctx)
		if err != nil {
			return err
		}
		if err := tx.SequenceMark(ctx, marks); err != nil {
			return fmt.Errorf("note the numbers that were appended: %w", err)
		}
		missing, err := tx.SequenceMissing(ctx, held)
		if err != nil {
			return fmt.Errorf("look for gaps: %w", err)
		}
		return result.note(ctx, tx, missing, now)
	})
	if err != nil {
		return Gaps{}, fmt.Errorf("search for lost hits: %w", err)
	}
	return result, nil
}

// redis reads how far the numbers reach, and after that which are in the streams.
func (s Sides) redis(ctx context.Context) (marks dbsqlc.SequenceMarkParams, held dbsqlc.SequenceMissingParams, err error) {
	books, err := s.Probe.Books(ctx)
	if err != nil {
		return marks, held, err
	}
	for _, b := range books {
		for epoch, number := range b.Appended {
			marks.Epochs = append(marks.Epochs, epoch)
			marks.Shards = append(marks.Shards, int32(b.Shard))
			marks.Appended = append(marks.Appended, number)
		}
	}
	for shard := range s.Probe.Shards() {
		there, err := s.Probe.Held(ctx, shard)
		if err != nil {
			return marks, held, err
		}
		for _, run := range there.Runs {
			held.Epochs = append(held.Epochs, run.Epoch)
			held.Shards = append(held.Shards, int32(run.Shard))
			held.Firsts = append(held.Firsts, run.First)
			held.Lasts = append(held.Lasts, run.Last)
		}
	}
	return marks, held, nil
}

// note brings the table of gaps up to date.
func (g *Gaps) note(ctx context.Context, tx *postgres.Tx, missing []dbsqlc.SequenceMissingRow, now time.Time) error {
	open := dbsqlc.SequenceGapOpenParams{At: now}
	for _, m := range missing {
		open.Epochs = append(open.Epochs, m.Epoch)
		open.Shards = append(open.Shards, m.Shard)
		open.Firsts = append(open.Firsts, m.First)
		open.Lasts = append(open.Lasts, m.Last)
	}
	closed, err := tx.SequenceGapClose(ctx, dbsqlc.SequenceGapCloseParams{
		At: &now, Epochs: open.Epochs, Shards: open.Shards, Firsts: open.Firsts, Lasts: open.Lasts,
	})
	if err != nil {
		return fmt.Errorf("close gaps: %w", err)
	}
	for _, c := range closed {
		g.Closed = append(g.Closed, run(c.Epoch, c.Shard, c.First, c.Last))
	}
	found, err := tx.SequenceGapOpen(ctx, open)
	if err != nil {
		return fmt.Errorf("note gaps: %w", err)
	}
	for _, f := range found {
		g.Found = append(g.Found, run(f.Epoch, f.Shard, f.First, f.Last))
	}
	slices.SortFunc(g.Closed, compareRuns)
	slices.SortFunc(g.Found, compareRuns)
	g.Open, err = tx.SequenceGapOpenHits(ctx)
	return err
}

func run(epoch uuid.UUID, shard int32, first, last int64) stream.Run {
	return stream.Run{Epoch: epoch, Shard: int(shard), First: first, Last: last}
}

// hits is how many hits the runs are.
func hits(runs []stream.Run) int64 {
	var n int64
	for _, r := range runs {
		n += r.Len()
	}
	return n
}

// compareRuns orders runs by epoch, shard and number.
func compareRuns(a, b stream.Run) int {
	return cmp.Or(bytes.Compare(a.Epoch[:], b.Epoch[:]), cmp.Compare(a.Shard, b.Shard), cmp.Compare(a.First, b.First))
}
