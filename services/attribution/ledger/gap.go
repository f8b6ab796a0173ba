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
	Behind   []int        // shards of which Redis says less than it did, or than is stored: it came back with older data
}

// Search looks for hits that were lost and notes them in table sequence_gap, at the
// time now. One process at a time does it.
func (s Sides) Search(ctx context.Context, now time.Time) (Gaps, error) {
	return s.search(ctx, now, nil)
}

// search leaves out the streams that scans says need not be looked at; nil looks at all.
func (s Sides) search(ctx context.Context, now time.Time, scans *scans) (Gaps, error) {
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
		before, err := tx.SequenceMarks(ctx)
		if err != nil {
			return fmt.Errorf("read how far the numbers reach: %w", err)
		}
		settled, err := tx.LedgerSettled(ctx)
		if err != nil {
			return fmt.Errorf("read what was settled: %w", err)
		}
		books, err := s.Probe.Books(ctx)
		if err != nil {
			return err
		}
		result.Behind = Behind(books, before, settled)
		held, left, err := s.held(ctx, scans, result.Behind)
		if err != nil {
			return err
		}
		if err := tx.SequenceMark(ctx, marksOf(books)); err != nil {
			return fmt.Errorf("note the numbers that were appended: %w", err)
		}
		missing, err := tx.SequenceMissing(ctx, held)
		if err != nil {
			return fmt.Errorf("look for gaps: %w", err)
		}
		if missing, err = leave(ctx, tx, missing, left); err != nil {
			return err
		}
		return result.note(ctx, tx, missing, now)
	})
	if err != nil {
		return Gaps{}, fmt.Errorf("search for lost hits: %w", err)
	}
	return result, nil
}

// marksOf is how far Redis says that the numbers reach.
func marksOf(books []stream.ShardBooks) dbsqlc.SequenceMarkParams {
	var marks dbsqlc.SequenceMarkParams
	for _, b := range books {
		for epoch, number := range b.Appended {
			marks.Epochs = append(marks.Epochs, epoch)
			marks.Shards = append(marks.Shards, int32(b.Shard))
			marks.Appended = append(marks.Appended, number)
		}
	}
	return marks
}

// Behind lists the shards of which books, read after before and settled, say less than was
// known, or did until an edge went on: Redis lost data. An epoch of which Redis never said
// anything proves nothing: somebody else wrote to a stream.
func Behind(books []stream.ShardBooks, before []dbsqlc.SequenceMarksRow, settled []dbsqlc.LedgerSettledRow) []int {
	less := make([]bool, len(books))
	for shard, b := range books {
		less[shard] = b.Jumped > 0
	}
	for _, known := range before {
		if int(known.Shard) < len(books) {
			says := books[known.Shard].Appended[known.Epoch]
			less[known.Shard] = less[known.Shard] || (says > 0 || known.Marked > 0) && says < max(known.Marked, known.Stored)
		}
	}
	for _, known := range settled {
		if int(known.Shard) < len(books) {
			less[known.Shard] = less[known.Shard] || books[known.Shard].Settled[known.Consumer] < known.Batch
		}
	}
	var shards []int
	for shard, is := range less {
		if is {
			shards = append(shards, shard)
		}
	}
	return shards
}

// held lists what is in the streams, but for those that are left out.
func (s Sides) held(ctx context.Context, scans *scans, anyway []int) (held dbsqlc.SequenceMissingParams, left []int32, err error) {
	for shard := range s.Probe.Shards() {
		due, done, err := scans.due(ctx, s.Probe, shard, slices.Contains(anyway, shard))
		if err != nil {
			return held, nil, err
		}
		if !due {
			left = append(left, int32(shard))
			continue
		}
		there, err := s.Probe.Held(ctx, shard)
		if err != nil {
			return held, nil, err
		}
		done()
		addRuns(&held, there.Runs)
	}
	return held, left, nil
}

func addRuns(held *dbsqlc.SequenceMissingParams, runs []stream.Run) {
	for _, run := range runs {
		held.Epochs = append(held.Epochs, run.Epoch)
		held.Shards = append(held.Shards, int32(run.Shard))
		held.Firsts = append(held.Firsts, run.First)
		held.Lasts = append(held.Lasts, run.Last)
	}
}

// leave puts in place of what is missing in the shards that were not looked at what was
// known to be.
func leave(ctx context.Context, tx *postgres.Tx, missing []dbsqlc.SequenceMissingRow, left []int32) ([]dbsqlc.SequenceMissingRow, error) {
	missing = slices.DeleteFunc(missing, func(m dbsqlc.SequenceMissingRow) bool { return slices.Contains(left, m.Shard) })
	for _, shard := range left {
		open, err := tx.SequenceGapOpenOf(ctx, shard, 1<<30)
		if err != nil {
			return nil, err
		}
		for _, g := range open {
			missing = append(missing, dbsqlc.SequenceMissingRow{Epoch: g.Epoch, Shard: shard, First: g.First, Last: g.Last})
		}
	}
	return missing, nil
}

// closing says which gaps to close: all that are not among the missing.
func closing(missing []dbsqlc.SequenceMissingRow, now time.Time) dbsqlc.SequenceGapCloseParams {
	still := dbsqlc.SequenceGapCloseParams{At: &now}
	for _, m := range missing {
		still.Epochs = append(still.Epochs, m.Epoch)
		still.Shards = append(still.Shards, m.Shard)
		still.Firsts = append(still.Firsts, m.First)
		still.Lasts = append(still.Lasts, m.Last)
	}
	return still
}

// stillLost closes the gaps of a shard whose hits have been stored, or are in its stream, since
// they were noted.
func (s Sides) stillLost(ctx context.Context, tx *postgres.Tx, shard int, now time.Time) error {
	there, err := s.Probe.Held(ctx, shard)
	if err != nil {
		return err
	}
	var held dbsqlc.SequenceMissingParams
	addRuns(&held, there.Runs)
	missing, err := tx.SequenceMissing(ctx, held)
	if err != nil {
		return fmt.Errorf("look for gaps: %w", err)
	}
	var others []int32
	for other := range s.Probe.Shards() {
		if other != shard {
			others = append(others, int32(other))
		}
	}
	if missing, err = leave(ctx, tx, missing, others); err != nil {
		return err
	}
	if _, err := tx.SequenceGapClose(ctx, closing(missing, now)); err != nil {
		return fmt.Errorf("close gaps: %w", err)
	}
	return nil
}

// note brings the table of gaps up to date.
func (g *Gaps) note(ctx context.Context, tx *postgres.Tx, missing []dbsqlc.SequenceMissingRow, now time.Time) error {
	closed := closing(missing, now)
	gone, err := tx.SequenceGapClose(ctx, closed)
	if err != nil {
		return fmt.Errorf("close gaps: %w", err)
	}
	for _, c := range gone {
		g.Closed = append(g.Closed, run(c.Epoch, c.Shard, c.First, c.Last))
	}
	found, err := tx.SequenceGapOpen(ctx, dbsqlc.SequenceGapOpenParams{
		At: now, Epochs: closed.Epochs, Shards: closed.Shards, Firsts: closed.Firsts, Lasts: closed.Lasts,
	})
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
