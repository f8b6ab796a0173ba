package ledger

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

var (
	// ErrBusy says that somebody else is at it, or that the streams are too long to be
	// compared with the books: try again.
	ErrBusy = errors.New("busy, try again")
	// ErrUnexplained says that the books have more in flight than is there and was
	// found lost, so that nobody can say what to write off.
	ErrUnexplained = errors.New("more is missing than was found lost")
)

// ReasonLost is the reason of hits in quarantine that were written off: nothing is left
// of them.
const ReasonLost = "lost"

// maxWrittenOff is how many hits are written off in one transaction.
const maxWrittenOff = 5000

// WriteOff takes note of up to some thousand lost hits of a shard on behalf of by, and
// returns their receipts; none when no gap is open there. Those that the books have as
// in flight become rejected, with a row in quarantine each; which source has lost how
// many is known from the books, which hit was whose is not. Of those that were lost
// together with the books only the gap is closed. Their receipts are known from then
// on: a hit that turns up after all counts as a redelivery, and is dropped. What has been
// stored since it was taken for lost is not written off.
//
// The books change when a worker settles the batch, within a second or so.
func (s Sides) WriteOff(ctx context.Context, shard int, by string, now time.Time) ([]stream.Run, error) {
	var gone []stream.Run
	err := s.Pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		mine, err := tx.TryLock(ctx, "sequence")
		if err != nil {
			return err
		}
		if !mine {
			return ErrBusy
		}
		// What was stored after the last search is not lost, and must not count as such.
		if err := s.stillLost(ctx, tx, shard, now); err != nil {
			return err
		}
		w := &writeOff{ctx: ctx, tx: tx, shard: int32(shard), by: by, now: now}
		missing, err := s.missing(ctx, tx, shard) // before the gaps are taken, which it counts
		if err != nil {
			return err
		}
		if err := w.take(); err != nil || len(w.runs) == 0 {
			return err
		}
		gone = w.runs
		return w.write(missing)
	})
	if err != nil {
		return nil, fmt.Errorf("write off lost hits of shard %d: %w", shard, err)
	}
	return gone, nil
}

// missing lists, an account for each hit, what the books of a shard have in flight and
// its stream does not. No more than is lost in all.
func (s Sides) missing(ctx context.Context, tx *postgres.Tx, shard int) ([]string, error) {
	open, err := tx.SequenceGapOpenOf(ctx, int32(shard), 1<<30)
	if err != nil || len(open) == 0 {
		return nil, err
	}
	before, err := tx.AuditWrittenOff(ctx, int32(shard), stream.Lost)
	if err != nil {
		return nil, err
	}
	if before > 0 {
		return nil, fmt.Errorf("%w: what was written off before is not settled yet", ErrBusy)
	}
	surplus, ok, err := s.Probe.Surplus(ctx, shard)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w: more than %d hits are in the stream", ErrBusy, stream.MaxSurplus)
	}
	var lost int64
	for _, g := range open {
		lost += g.Last - g.First + 1
	}
	var accounts []string
	for _, field := range slices.Sorted(maps.Keys(surplus.Fields)) {
		if surplus.Fields[field] > lost-int64(len(accounts)) {
			return nil, fmt.Errorf("%w: %s has %d hits in flight that are not there", ErrUnexplained, field, surplus.Fields[field])
		}
		accounts = append(accounts, accountsOf(surplus, field)...)
	}
	return accounts, nil
}

// accountsOf is an account for each hit that a source misses, with its hour if the books
// know it. Nothing when it has more than it should.
func accountsOf(surplus stream.Surplus, field string) []string {
	var accounts []string
	missing := max(int(surplus.Fields[field]), 0)
	for _, account := range slices.Sorted(maps.Keys(surplus.Hours)) {
		if strings.HasPrefix(account, field+"/") {
			for range min(surplus.Hours[account], int64(missing-len(accounts))) {
				accounts = append(accounts, account)
			}
		}
	}
	for len(accounts) < missing {
		accounts = append(accounts, field)
	}
	return accounts
}

// writeOff is one transaction of writing off.
type writeOff struct {
	ctx   context.Context
	tx    *postgres.Tx
	shard int32
	by    string
	now   time.Time

	runs     []stream.Run
	receipts dbsqlc.ReceiptAddParams
}

// take chooses gaps, and marks them as written off.
func (w *writeOff) take() error {
	open, err := w.tx.SequenceGapOpenOf(w.ctx, w.shard, maxWrittenOff)
	if err != nil {
		return err
	}
	for _, g := range open {
		until := min(g.Last, g.First+maxWrittenOff-int64(len(w.receipts.Numbers))-1)
		if until < g.First {
			break
		}
		if err := w.tx.SequenceGapWriteOff(w.ctx, dbsqlc.SequenceGapWriteOffParams{GapID: g.GapID, Until: until, Behind: until + 1, At: &w.now, By: w.by}); err != nil {
			return fmt.Errorf("mark a gap: %w", err)
		}
		w.runs = append(w.runs, run(g.Epoch, w.shard, g.First, until))
		for number := g.First; number <= until; number++ {
			w.receipts.Epochs = append(w.receipts.Epochs, g.Epoch)
			w.receipts.Shards = append(w.receipts.Shards, w.shard)
			w.receipts.Numbers = append(w.receipts.Numbers, number)
		}
	}
	return nil
}

// write books the hits: the first ones under the sources that miss some.
func (w *writeOff) write(missing []string) error {
	missing = missing[:min(len(missing), len(w.receipts.Numbers))]
	var epochs []uuid.UUID
	var shards []int32
	for _, r := range w.runs {
		if !slices.Contains(epochs, r.Epoch) {
			epochs, shards = append(epochs, r.Epoch), append(shards, w.shard)
		}
	}
	if err := w.tx.ReceiptInsertMissing(w.ctx, epochs, shards); err != nil {
		return err
	}
	if err := w.tx.ReceiptLock(w.ctx, epochs, shards); err != nil {
		return err
	}
	if err := w.tx.ReceiptAdd(w.ctx, w.receipts); err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	if uncounted := int64(len(w.receipts.Numbers) - len(missing)); uncounted > 0 {
		if err := w.tx.AuditUncounted(w.ctx, w.shard, uncounted); err != nil {
			return err
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return w.book(missing)
}

// book makes a batch of the hits that the books miss.
func (w *writeOff) book(missing []string) error {
	batch := dbsqlc.BatchInsertParams{Consumer: uuid.New(), Shard: w.shard, Batch: 1, Fields: missing}
	var terms dbsqlc.LedgerBatchAddParams
	var rows dbsqlc.QuarantineInsertParams
	place := map[string]int{} // in terms
	for n, account := range missing {
		workspace, source, hour, err := parseAccount(account, w.now)
		if err != nil {
			return err
		}
		batch.Entries = append(batch.Entries, stream.Lost)
		key := fmt.Sprint(workspace, source, hour)
		if _, there := place[key]; !there {
			place[key] = len(terms.Rejected)
			terms.WorkspaceIds = append(terms.WorkspaceIds, workspace)
			terms.Consumers = append(terms.Consumers, batch.Consumer)
			terms.Shards = append(terms.Shards, w.shard)
			terms.Batches = append(terms.Batches, batch.Batch)
			terms.SourceIds = append(terms.SourceIds, source)
			terms.Hours = append(terms.Hours, hour)
			terms.Stored = append(terms.Stored, 0)
			terms.Duplicate = append(terms.Duplicate, 0)
			terms.Conflict = append(terms.Conflict, 0)
			terms.Rejected = append(terms.Rejected, 0)
		}
		terms.Rejected[place[key]]++
		rows.WorkspaceIds = append(rows.WorkspaceIds, workspace)
		rows.QuarantineIds = append(rows.QuarantineIds, uuid.New())
		rows.SourceIds = append(rows.SourceIds, source)
		rows.Epochs = append(rows.Epochs, w.receipts.Epochs[n])
		rows.Shards = append(rows.Shards, w.shard)
		rows.Numbers = append(rows.Numbers, w.receipts.Numbers[n])
		rows.Reasons = append(rows.Reasons, ReasonLost)
		rows.Details = append(rows.Details, "written off by "+w.by)
		rows.Raws = append(rows.Raws, []byte{})
		rows.Hits = append(rows.Hits, false)
		rows.ReceivedAts = append(rows.ReceivedAts, hour)
	}
	if _, err := w.tx.BatchInsert(w.ctx, batch); err != nil {
		return fmt.Errorf("batch: %w", err)
	}
	if err := w.tx.LedgerBatchAdd(w.ctx, terms); err != nil {
		return fmt.Errorf("terms: %w", err)
	}
	if err := w.tx.QuarantineInsert(w.ctx, rows); err != nil {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

// parseAccount reads "workspace/source" or "workspace/source/hour". What does not say its
// hour was received now.
func parseAccount(account string, now time.Time) (workspace, source uuid.UUID, hour time.Time, err error) {
	parts := strings.Split(account, "/")
	if len(parts) < 2 {
		return workspace, source, hour, fmt.Errorf("the books name no source: %q", account)
	}
	if workspace, err = uuid.Parse(parts[0]); err == nil {
		source, err = uuid.Parse(parts[1])
	}
	if err != nil {
		return workspace, source, hour, fmt.Errorf("the books name no source: %q", account)
	}
	if len(parts) == 2 {
		return workspace, source, now.Truncate(time.Hour), nil
	}
	hours, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		return workspace, source, hour, fmt.Errorf("the books name no hour: %q", account)
	}
	return workspace, source, time.Unix(hours*3600, 0).UTC(), nil
}
