package consume

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// maxReplayed is how many rows of the quarantine are tried in one transaction.
const maxReplayed = 100

// Replayer tries hits of the quarantine again, on request. Several may work beside each
// other. A hit that can be stored now moves from rejected to what it counts as, in one
// step for whoever reads the books: the move is a batch without entries, and counts
// once a worker has settled it.
type Replayer struct {
	Store   Store
	Digests *digest.Ring
	Signal  func(workspace uuid.UUID) // as in [Parts]; may be nil
	Points  *failpoint.Points         // may be nil
	Logger  *slog.Logger

	name name
}

// Run replays all that is asked for and returns how many hits were stored and how many
// failed again.
func (r *Replayer) Run(ctx context.Context) (replayed, failed int, err error) {
	r.name = name{} // the books forget one that is idle
	for ctx.Err() == nil {
		var due []dbsqlc.QuarantineDueRow
		err := r.Store.InTx(ctx, func(ctx context.Context, tx Tx) (err error) {
			due, err = tx.QuarantineDue(ctx, maxReplayed)
			return err
		})
		if err != nil {
			return replayed, failed, fmt.Errorf("list the replays that are due: %w", err)
		}
		if len(due) == 0 {
			return replayed, failed, nil
		}
		well, badly, err := r.some(ctx, due)
		replayed, failed = replayed+well, failed+badly
		if err != nil {
			return replayed, failed, err
		}
		if well+badly == 0 { // somebody else is at these
			return replayed, failed, nil
		}
	}
	return replayed, failed, ctx.Err()
}

// some replays rows of one shard, alone each when the database refuses one of them.
func (r *Replayer) some(ctx context.Context, due []dbsqlc.QuarantineDueRow) (well, badly int, err error) {
	well, badly, err = r.attempt(ctx, due)
	if !errors.Is(err, postgres.ErrRefused) {
		return well, badly, err
	}
	if len(due) == 1 {
		failed, err := r.unstorable(ctx, due[0], err)
		return 0, failed, err
	}
	for _, one := range due {
		a, b, err := r.some(ctx, []dbsqlc.QuarantineDueRow{one})
		well, badly = well+a, badly+b
		if err != nil {
			return well, badly, err
		}
	}
	return well, badly, nil
}

// unstorable notes that the database refuses a row, and returns 1 when nobody else had.
func (r *Replayer) unstorable(ctx context.Context, row dbsqlc.QuarantineDueRow, cause error) (failed int, err error) {
	err = r.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		n, err := tx.QuarantineFailed(ctx, dbsqlc.QuarantineFailedParams{
			Workspaces: []uuid.UUID{row.WorkspaceID}, Ids: []uuid.UUID{row.QuarantineID},
			Reasons: []string{reasonUnstorable}, Details: []string{refusedDetail(cause)},
		})
		failed = int(n)
		return err
	})
	return failed, err
}

// attempt is one transaction.
func (r *Replayer) attempt(ctx context.Context, due []dbsqlc.QuarantineDueRow) (well, badly int, err error) {
	if r.name.number == 0 || r.name.shard != int(due[0].Shard) {
		r.name = name{consumer: uuid.New(), shard: int(due[0].Shard), number: 1}
	}
	var touched []uuid.UUID
	err = r.Store.InTx(ctx, func(ctx context.Context, tx Tx) error {
		w := &writer{ctx: ctx, tx: tx, name: r.name, seal: r.Digests, books: make(books)}
		w.result.terms = make(map[term]int64)
		p := replay{writer: w, digests: r.Digests}
		if err := p.write(due); err != nil {
			return err
		}
		r.Points.Pass("before_replay")
		well, badly, touched = len(p.good), len(p.bad), w.result.touched
		return nil
	})
	if err != nil {
		r.name = name{} // the number may be taken
		return 0, 0, fmt.Errorf("replay: %w", err)
	}
	if well > 0 {
		r.name.number++
	}
	for _, workspace := range touched {
		if r.Signal != nil {
			r.Signal(workspace)
		}
	}
	if well+badly > 0 {
		r.Logger.Info("replayed hits of the quarantine", "stored", well, "failed_again", badly)
	}
	return well, badly, nil
}

// replay stores some rows of the quarantine like a batch of fresh entries.
type replay struct {
	*writer
	digests *digest.Ring
	good    []*item
	bad     []*item
}

func (p *replay) write(due []dbsqlc.QuarantineDueRow) error {
	if err := p.load(due); err != nil {
		return err
	}
	if err := p.workspaces(); err != nil { // may refuse some, as copies
		return err
	}
	for _, i := range p.fresh {
		if i.refused != nil {
			p.bad = append(p.bad, i)
			continue
		}
		p.good = append(p.good, i)
	}
	if err := p.failed(); err != nil || len(p.good) == 0 {
		return err
	}
	inserted, err := p.tx.BatchInsert(p.ctx, dbsqlc.BatchInsertParams{
		Consumer: p.name.consumer, Shard: int32(p.name.shard), Batch: p.name.number, Entries: []string{}, Fields: []string{},
	})
	if err != nil {
		return fmt.Errorf("batch row: %w", err)
	}
	if inserted == 0 {
		return errStale
	}
	p.fresh = p.good
	for _, i := range p.good {
		p.books.add(account{i.workspace, i.source, i.hour()}, termRejected, -1)
	}
	for _, step := range []func() error{p.facts, p.touch, p.ledger, p.done, p.identifiers} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// load locks the rows and decodes what was kept, by the code of today.
func (p *replay) load(due []dbsqlc.QuarantineDueRow) error {
	var workspaces, ids []uuid.UUID
	for _, d := range due {
		workspaces, ids = append(workspaces, d.WorkspaceID), append(ids, d.QuarantineID)
	}
	rows, err := p.tx.QuarantineLock(p.ctx, workspaces, ids)
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b dbsqlc.QuarantineLockRow) int { // as they were received
		return cmp.Or(a.ReceivedAt.Compare(b.ReceivedAt), cmp.Compare(a.Number, b.Number))
	})
	for n := range rows {
		row := &rows[n]
		e := stream.Entry{
			ID: row.QuarantineID.String(), Shard: int(row.Shard), Field: row.WorkspaceID.String() + "/" + row.SourceID.String(),
			Receipt: hit.Receipt{Epoch: row.Epoch, Shard: int(row.Shard), Number: row.Number},
		}
		plain, err := p.digests.Open(row.WorkspaceID, row.QuarantineID, row.Raw)
		e.Payload = []byte(plain)
		i := newItem(e, p.digests)
		if err != nil {
			i.refuse(reasonUnstorable, "what was kept cannot be opened: TOUCHLINE_IDENTITY_KEY is another one than it was")
		}
		i.receivedAt, i.kept = row.ReceivedAt, row.QuarantineID // the hour under which it was counted as rejected
		p.fresh = append(p.fresh, i)
	}
	return nil
}

// failed notes what was tried in vain.
func (p *replay) failed() error {
	if len(p.bad) == 0 {
		return nil
	}
	var rows dbsqlc.QuarantineFailedParams
	for _, i := range p.bad {
		rows.Workspaces = append(rows.Workspaces, i.workspace)
		rows.Ids = append(rows.Ids, i.kept)
		rows.Reasons = append(rows.Reasons, i.refused.reason)
		rows.Details = append(rows.Details, i.refused.detail)
	}
	_, err := p.tx.QuarantineFailed(p.ctx, rows)
	return err
}

// done notes what the hits count as now.
func (p *replay) done() error {
	var rows dbsqlc.QuarantineReplayedParams
	for _, i := range p.good {
		rows.Workspaces = append(rows.Workspaces, i.workspace)
		rows.Ids = append(rows.Ids, i.kept)
		rows.Outcomes = append(rows.Outcomes, string(i.counts))
	}
	return p.tx.QuarantineReplayed(p.ctx, rows)
}

// replays does what was asked for, a round at a time.
func (c *Consumer) replays(ctx context.Context, r *Replayer) error {
	limited, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, _, err := r.Run(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil // the next round goes on
	}
	return err
}
