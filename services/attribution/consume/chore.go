package consume

import (
	"context"
	"errors"
	"time"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

const (
	// maxRecovered bounds the batches that are settled in one round; guessed.
	maxRecovered = 250
	// forgetAfter is the idle time after which an empty consumer is removed from its
	// group; forgetEvery is how often to look.
	forgetAfter, forgetEvery = time.Hour, 10 * time.Minute
	// sweepRows is how many rows of a discarded version are removed in one transaction:
	// some tens of milliseconds. sweepFor is for how long a round goes on with it, so
	// that the other chores are not kept waiting. Guesses.
	sweepRows, sweepFor = 2000, 500 * time.Millisecond
)

// chores does what some worker has to do, each round all of it, the first at once: a
// worker may not live long. Every worker runs it, and that they do so at one time does
// no harm.
func (c *Consumer) chores(ctx context.Context) {
	var f folder
	r := &Replayer{Store: c.parts.Store, Digests: c.parts.Digests, Signal: c.parts.Signal, Points: c.cfg.Failpoints, Logger: c.log}
	forgot := time.Now()
	ticker := time.NewTicker(c.cfg.ChoreEvery)
	defer ticker.Stop()
	for {
		c.report(ctx, "settling the batches of others", c.recover(ctx))
		c.report(ctx, "folding the ledger", f.fold(ctx, c))
		c.report(ctx, "measuring the lag", c.measure(ctx))
		c.report(ctx, "replaying hits of the quarantine", c.replays(ctx, r))
		c.report(ctx, "removing rows of discarded versions", c.sweep(ctx))
		if time.Since(forgot) >= forgetEvery {
			forgot = time.Now()
			c.report(ctx, "removing dead consumers", c.forgetConsumers(ctx))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *Consumer) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		c.log.Warn(what, "error", err)
	}
}

// recover settles committed batches that nobody settled: their worker died between
// its commit and its settling, or is slow.
func (c *Consumer) recover(ctx context.Context) error {
	var rows []dbsqlc.Batch
	err := c.parts.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		var err error
		rows, err = tx.BatchUnsettled(ctx, c.cfg.StaleAfter.Seconds(), maxRecovered)
		return err
	})
	if err != nil {
		return err
	}
	var faults []error
	var before dbsqlc.Batch
	for _, row := range rows { // in order of number, as Redis demands
		first := row.Consumer != before.Consumer || row.Shard != before.Shard
		before = row
		b := stream.Batch{Consumer: row.Consumer, Shard: int(row.Shard), Number: row.Batch, Entries: row.Entries, Fields: row.Fields}
		err := c.settleAgain(ctx, b)
		switch {
		case err == nil:
		case first && errors.Is(err, stream.ErrOrder):
			faults = append(faults, c.adopt(ctx, b))
		default:
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

// settleAgain settles a batch that was committed some time ago and deletes its row. It
// holds the row meanwhile: once the batch goes by another name, and the books were made
// anew, it would count a second time under this one.
func (c *Consumer) settleAgain(ctx context.Context, b stream.Batch) error {
	return c.parts.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		row := dbsqlc.BatchLockParams{Consumer: b.Consumer, Shard: int32(b.Shard), Batch: b.Number}
		found, err := tx.BatchLock(ctx, row)
		if err != nil || found == 0 {
			return err
		}
		if err := c.parts.Reader.Settle(ctx, b); err != nil {
			return err
		}
		return tx.BatchDelete(ctx, dbsqlc.BatchDeleteParams(row))
	})
}

// adopt gives the batches of a consumer, of which first is the oldest, a new name and
// numbers from 1. Redis demands a batch before it that was settled long ago: it lost
// its data, and under the old name these batches' terms would never count.
func (c *Consumer) adopt(ctx context.Context, first stream.Batch) error {
	fresh, offset := c.cfg.NewID(ctx), first.Number-1
	err := c.parts.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		row := dbsqlc.BatchAdoptParams{Fresh: fresh, Gone: offset, Consumer: first.Consumer, Shard: int32(first.Shard)}
		switch adopted, err := tx.BatchAdopt(ctx, row); {
		case err != nil:
			return err
		case adopted == 0: // others did, or settled them
			return errBegun
		}
		// From here on nobody begins the books anew. If somebody did meanwhile, they know
		// these batches by their old name and have counted them.
		switch err := c.parts.Reader.Settle(ctx, first); {
		case err == nil:
			return errBegun
		case !errors.Is(err, stream.ErrOrder):
			return err
		}
		if err := tx.LedgerBatchAdopt(ctx, dbsqlc.LedgerBatchAdoptParams(row)); err != nil {
			return err
		}
		return tx.TouchedAdopt(ctx, dbsqlc.TouchedAdoptParams(row))
	})
	if errors.Is(err, errBegun) {
		return nil
	}
	if err == nil {
		c.log.Error("Redis lost the settled batches of a consumer", "consumer", first.Consumer, "shard", first.Shard, "now", fresh)
	}
	return err
}

// errBegun says that batches keep the name that they have.
var errBegun = errors.New("the books were begun anew meanwhile, or the batches have a new name")

// forget deletes the rows of settled batches. That it fails does no harm: settling
// again changes nothing, and then the rows are deleted.
func (c *Consumer) forget(ctx context.Context, settled []stream.Batch) {
	err := c.parts.Store.InTx(ctx, func(ctx context.Context, tx Tx) error { return forget(ctx, tx, settled) })
	c.report(ctx, "deleting the row of a settled batch", err)
}

// forget deletes the rows of settled batches.
func forget(ctx context.Context, tx Tx, settled []stream.Batch) error {
	for _, b := range settled {
		err := tx.BatchDelete(ctx, dbsqlc.BatchDeleteParams{Consumer: b.Consumer, Shard: int32(b.Shard), Batch: b.Number})
		if err != nil {
			return err
		}
	}
	return nil
}

// folder moves terms of settled batches into the ledger. It goes by books that are
// old: whoever read the books before a batch was settled, and reads the terms after
// this, would count that batch twice.
type folder struct {
	read []reading // oldest first
}

// reading is what the books said of settled batches at one time.
type reading struct {
	at    time.Time
	books []stream.ShardBooks
}

func (f *folder) fold(ctx context.Context, c *Consumer) error {
	books, err := c.parts.Books(ctx)
	if err != nil {
		return err
	}
	f.read = append(f.read, reading{at: time.Now(), books: books})
	ripe := -1
	for n, r := range f.read {
		if time.Since(r.at) >= c.cfg.FoldAfter {
			ripe = n
		}
	}
	if ripe < 0 {
		return nil
	}
	rows := dbsqlc.LedgerFoldParams(stream.SettledMarks(f.read[ripe].books))
	f.read = f.read[ripe+1:]
	return c.parts.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		// One at a time: two would wait for one another's rows.
		held, err := tx.TryLock(ctx, "fold")
		if err != nil || !held {
			return err
		}
		_, err = tx.LedgerFold(ctx, rows)
		return err
	})
}

// measure sets the gauges of the backlog.
func (c *Consumer) measure(ctx context.Context) error {
	c.metrics.lost.Set(float64(c.parts.Reader.Lost()))
	for shard := range c.cfg.Shards {
		lag, err := c.parts.Reader.Oldest(ctx, shard)
		if err != nil {
			return err
		}
		c.metrics.lag(shard, lag)
	}
	return nil
}

// sweep removes rows that nobody can read any more: of versions that were given up,
// only checked, or replaced by a recompute that says the same.
func (c *Consumer) sweep(ctx context.Context) error {
	for begun := time.Now(); time.Since(begun) < sweepFor; {
		more, err := c.parts.Store.Sweep(ctx, sweepRows, time.Now().UTC())
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (c *Consumer) forgetConsumers(ctx context.Context) error {
	for shard := range c.cfg.Shards {
		if _, err := c.parts.Reader.Forget(ctx, shard, forgetAfter); err != nil {
			return err
		}
	}
	return nil
}
