package consume

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/broken"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// errStale says that the batch's number is taken: an earlier attempt with it was
// committed after all.
var errStale = errors.New("batch number taken")

// name says under which number a batch is committed and settled. A lane gets a new
// consumer when the outcome of a commit is not known, so the consumer here need not
// be the one that Redis knows.
type name struct {
	consumer uuid.UUID
	shard    int
	number   int64
}

// stored is what a transaction did.
type stored struct {
	batch      stream.Batch // to settle; without entries there is nothing to settle
	touched    []uuid.UUID  // workspaces with something to conclude
	terms      map[term]int64
	redelivery int64
}

// writer stores one batch in one transaction.
type writer struct {
	ctx  context.Context
	tx   Tx
	name name
	seal sealer

	settled []stream.Batch // whose rows are to go
	fresh   []*item        // whose receipts are new, in order of the stream
	books   books
	touched []dbsqlc.TouchedInsertParams
	result  stored
}

// sealer encrypts what must not be read in the database, bound to its row; package
// digest has it.
type sealer interface {
	Seal(workspace, row uuid.UUID, value string) ([]byte, error)
}

// place is where batches go.
type place struct {
	store   Store
	seal    sealer
	points  *failpoint.Points
	settled []stream.Batch // whose rows are to go
}

// write stores items as the batch n, in READ COMMITTED: each statement has to see
// what was committed while it waited for its locks. Locks are taken in one order by
// all: receipts, facts, the rest.
func (p place) write(ctx context.Context, n name, items []*item) (stored, error) {
	var result stored
	err := p.store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		w := &writer{ctx: ctx, tx: tx, name: n, seal: p.seal, settled: p.settled, books: make(books)}
		w.result.terms = make(map[term]int64)
		if err := w.write(items); err != nil {
			return err
		}
		p.points.Pass("before_commit")
		result = w.result
		return nil
	})
	if err != nil {
		return stored{}, fmt.Errorf("store batch %d of shard %d: %w", n.number, n.shard, err)
	}
	return result, nil
}

func (w *writer) write(items []*item) error {
	if err := w.receipts(items); err != nil {
		return fmt.Errorf("receipts: %w", err)
	}
	if len(w.result.batch.Entries) == 0 {
		return w.forget()
	}
	b := w.result.batch
	inserted, err := w.tx.BatchInsert(w.ctx, dbsqlc.BatchInsertParams{
		Consumer: b.Consumer, Shard: int32(b.Shard), Batch: b.Number, Entries: b.Entries, Fields: b.Fields,
	})
	if err != nil {
		return fmt.Errorf("batch row: %w", err)
	}
	if inserted == 0 {
		return errStale
	}
	if err := w.forget(); err != nil {
		return err
	}
	if len(w.fresh) == 0 {
		return nil
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"workspaces", w.workspaces},
		{"facts", w.facts},
		{"quarantine", w.quarantine},
		{"touched", w.touch},
		{"ledger", w.ledger},
		{"receipts", w.remember},
		// Last: whoever brings one of them too waits for the commit.
		{"identifiers", w.identifiers},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

// forget deletes the rows of the batches before that are settled. Not before the receipts
// are locked: who wants the table of batches for itself may wait for this transaction then.
func (w *writer) forget() error {
	if err := forget(w.ctx, w.tx, w.settled); err != nil {
		return fmt.Errorf("rows of settled batches: %w", err)
	}
	return nil
}

// receipts finds out which items are new and which entries this batch will settle:
// all but those that another committed batch is yet to settle. Were they taken out
// of Redis before that batch is settled, the books would miss them in between.
func (w *writer) receipts(items []*item) error {
	keys := receiptKeys(items)
	if err := w.tx.ReceiptInsertMissing(w.ctx, keys.epochs, keys.shards); err != nil {
		return err
	}
	if err := w.tx.ReceiptLock(w.ctx, keys.epochs, keys.shards); err != nil {
		return err
	}
	all := receiptColumns(items)
	rows, err := w.tx.ReceiptKnown(w.ctx, dbsqlc.ReceiptKnownParams(all))
	if err != nil {
		return err
	}
	known := make(map[hit.Receipt]bool, len(rows))
	for _, r := range rows {
		known[hit.Receipt{Epoch: r.Epoch, Shard: int(r.Shard), Number: r.Number}] = true
	}
	var again []*item
	stored := make(map[*item]bool, len(items)) // by this batch
	for _, i := range items {
		if known[i.entry.Receipt] && !broken.Is(broken.ForgetReceipts) {
			again = append(again, i)
			continue
		}
		known[i.entry.Receipt] = true
		w.fresh, stored[i] = append(w.fresh, i), true
	}
	w.result.redelivery = int64(len(again))
	held, err := w.held(again)
	if err != nil {
		return err
	}
	w.result.batch = stream.Batch{Consumer: w.name.consumer, Shard: w.name.shard, Number: w.name.number}
	for _, i := range items {
		if !held[i.entry.ID] {
			w.result.batch.Entries = append(w.result.batch.Entries, i.entry.ID)
			w.result.batch.Fields = append(w.result.batch.Fields, i.entry.Account(stored[i]))
		}
	}
	return nil
}

// held returns which entries of known receipts a committed batch has.
func (w *writer) held(again []*item) (map[string]bool, error) {
	held := make(map[string]bool)
	if len(again) == 0 {
		return held, nil
	}
	ids := make([]string, len(again))
	for n, i := range again {
		ids[n] = i.entry.ID
	}
	rows, err := w.tx.BatchHeld(w.ctx, int32(w.name.shard), ids)
	for _, id := range rows {
		held[id] = true
	}
	return held, err
}

// workspaces refuses the items of workspaces that do not exist (any more), and keeps
// nothing of them: a workspace that was deleted leaves nothing behind.
func (w *writer) workspaces() error {
	var ids []uuid.UUID
	for _, i := range w.fresh {
		if i.refused == nil && !slices.Contains(ids, i.workspace) {
			ids = append(ids, i.workspace)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	known, err := w.tx.WorkspaceHold(w.ctx, ids)
	if err != nil {
		return err
	}
	for n, i := range w.fresh {
		if i.refused == nil && !slices.Contains(known, i.workspace) {
			refused := *i // the caller's stays: another attempt may find the workspace
			refused.refuse(reasonUnknownWorkspace, "")
			refused.refused.raw = nil
			w.fresh[n] = &refused
		}
	}
	return nil
}

// quarantine keeps what was refused, sealed: it is full of personal data.
func (w *writer) quarantine() error {
	var rows dbsqlc.QuarantineInsertParams
	for _, i := range w.fresh {
		if i.refused == nil {
			continue
		}
		id, raw := uuid.New(), []byte{} // never null
		if len(i.refused.raw) > 0 {
			var err error
			if raw, err = w.seal.Seal(i.workspace, id, string(i.refused.raw)); err != nil {
				return err
			}
		}
		rows.WorkspaceIds = append(rows.WorkspaceIds, i.workspace)
		rows.QuarantineIds = append(rows.QuarantineIds, id)
		rows.SourceIds = append(rows.SourceIds, i.source)
		rows.Epochs = append(rows.Epochs, i.entry.Receipt.Epoch)
		rows.Shards = append(rows.Shards, int32(i.entry.Receipt.Shard))
		rows.Numbers = append(rows.Numbers, i.entry.Receipt.Number)
		rows.Reasons = append(rows.Reasons, i.refused.reason)
		rows.Details = append(rows.Details, i.refused.detail)
		rows.Raws = append(rows.Raws, raw)
		rows.Hits = append(rows.Hits, i.refused.hit && len(raw) > 0)
		rows.ReceivedAts = append(rows.ReceivedAts, i.receivedAt)
		w.count(i, termRejected)
	}
	if len(rows.WorkspaceIds) == 0 {
		return nil
	}
	return w.tx.QuarantineInsert(w.ctx, rows)
}

// identifiers stores what is stated for the first time, sorted by key.
func (w *writer) identifiers() error {
	type row struct {
		workspace uuid.UUID
		identifier
	}
	var rows []row
	for _, i := range w.fresh {
		for _, id := range i.identifiers {
			if i.refused == nil {
				rows = append(rows, row{i.workspace, id})
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return compareKeys(a.workspace, a.digest, b.workspace, b.digest) })
	rows = slices.CompactFunc(rows, func(a, b row) bool { return a.workspace == b.workspace && a.digest == b.digest })
	if len(rows) == 0 {
		return nil
	}
	insert := dbsqlc.IdentifierInsertParams{KeyID: keyID}
	for _, r := range rows {
		sealed, err := w.seal.Seal(r.workspace, r.digest, r.value)
		if err != nil {
			return err
		}
		insert.WorkspaceIds = append(insert.WorkspaceIds, r.workspace)
		insert.Digests = append(insert.Digests, r.digest)
		insert.Kinds = append(insert.Kinds, string(r.kind))
		insert.Foldeds = append(insert.Foldeds, r.folded)
		insert.Ciphertexts = append(insert.Ciphertexts, sealed)
	}
	return w.tx.IdentifierInsert(w.ctx, insert)
}

// touch appends to the list of what derive has to look at.
func (w *writer) touch() error {
	if len(w.touched) == 0 {
		return nil
	}
	for _, t := range w.touched {
		if !slices.Contains(w.result.touched, t.WorkspaceID) {
			w.result.touched = append(w.result.touched, t.WorkspaceID)
		}
	}
	_, err := w.tx.TouchedInsert(w.ctx, w.touched)
	return err
}

// remember adds the new receipts to those that were stored.
func (w *writer) remember() error {
	return w.tx.ReceiptAdd(w.ctx, receiptColumns(w.fresh))
}

// ledger writes the terms of the batch that wait for nothing.
func (w *writer) ledger() error {
	if len(w.books) == 0 {
		return nil
	}
	return w.tx.LedgerBatchAdd(w.ctx, w.books.columns(w.name))
}

// count books an item under a term that waits for nothing.
func (w *writer) count(i *item, t term) {
	w.books.add(account{i.workspace, i.source, i.hour()}, t, 1)
	w.result.terms[t]++
}

// account is a row of the ledger: the hits of one source received in one hour.
type account struct {
	workspace, source uuid.UUID
	hour              time.Time
}
