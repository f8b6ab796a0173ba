package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/stream"
)

// QuarantineRequest chooses refused hits; what is zero chooses nothing away.
type QuarantineRequest struct {
	Workspace uuid.UUID // needed
	ID        uuid.UUID
	Reason    string
	Source    uuid.UUID
	From, To  time.Time // of receipt; From inclusive, To exclusive
	Limit     int       // of a list
	By        string    // who asks
	Out       io.Writer
}

func (r *QuarantineRequest) find() dbsqlc.QuarantineFindParams {
	p := dbsqlc.QuarantineFindParams{WorkspaceID: r.Workspace, Ids: []uuid.UUID{}, Most: int32(r.Limit)}
	if r.ID != uuid.Nil {
		p.Ids = []uuid.UUID{r.ID}
	}
	if r.Reason != "" {
		p.Reason = &r.Reason
	}
	if r.Source != uuid.Nil {
		p.SourceID = &r.Source
	}
	if !r.From.IsZero() {
		p.FromAt = &r.From
	}
	if !r.To.IsZero() {
		p.ToAt = &r.To
	}
	return p
}

// Quarantine is what one command does with refused hits.
type Quarantine func(ctx context.Context, pool *postgres.Pool, ring *digest.Ring, ask *QuarantineRequest) error

// RunQuarantine opens the database and runs a command.
func RunQuarantine(ctx context.Context, cfg QuarantineConfig, ask QuarantineRequest, do Quarantine) error {
	ring, err := digest.New(cfg.IdentityKey.Bytes())
	if err != nil {
		return err
	}
	pool, err := postgres.Open(ctx, withConns(cfg.DatabaseURL, 4), postgres.RoleWorker)
	if err != nil {
		return err
	}
	defer pool.Close()
	if _, err := pool.WorkspaceLookup(ctx, ask.Workspace); err != nil {
		return err
	}
	return do(ctx, pool, ring, &ask)
}

// QuarantineList writes a line for each refused hit, newest first.
func QuarantineList(ctx context.Context, pool *postgres.Pool, _ *digest.Ring, ask *QuarantineRequest) error {
	rows, err := quarantined(ctx, pool, ask)
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(ask.Out, 0, 0, 2, ' ', 0)
	for i := range rows {
		r := &rows[i]
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%d tries\t%s\n", r.QuarantineID, r.ReceivedAt.UTC().Format(time.RFC3339), r.Reason, r.State, r.Tries, r.Detail)
	}
	return out.Flush()
}

// QuarantineShow writes all that is known of one refused hit, and what was kept of it.
func QuarantineShow(ctx context.Context, pool *postgres.Pool, ring *digest.Ring, ask *QuarantineRequest) error {
	if ask.ID == uuid.Nil {
		return errors.New("show needs --id")
	}
	rows, err := quarantined(ctx, pool, ask)
	if err != nil {
		return err
	}
	if len(rows) == 0 {
		return fmt.Errorf("hit %s: %w", ask.ID, postgres.ErrNotFound)
	}
	r := &rows[0]
	receipt := stream.Run{Epoch: r.Epoch, Shard: int(r.Shard), First: r.Number, Last: r.Number}
	fmt.Fprintf(ask.Out, "id        %s\nreceipt   %s\nsource    %s\nreceived  %s\nreason    %s\ndetail    %s\nstate     %s %s\ntries     %d\n",
		r.QuarantineID, receipt, r.SourceID, r.ReceivedAt.UTC().Format(time.RFC3339Nano), r.Reason, r.Detail, r.State, r.Outcome, r.Tries)
	if why := postgres.ObstacleReplayed(r); why != "" {
		fmt.Fprintf(ask.Out, "replay    no: %s\n", why)
	}
	if r.Kept == 0 {
		return nil
	}
	return pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		sealed, err := tx.QuarantineRaw(ctx, ask.Workspace, ask.ID)
		if err != nil {
			return err
		}
		plain, err := ring.Open(ask.Workspace, ask.ID, sealed)
		if err != nil {
			return fmt.Errorf("open what was kept: %w", err)
		}
		_, err = fmt.Fprintf(ask.Out, "kept      %q\n", plain)
		return err
	})
}

func quarantined(ctx context.Context, pool *postgres.Pool, ask *QuarantineRequest) (rows []dbsqlc.QuarantineFindRow, err error) {
	err = pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		rows, err = tx.QuarantineFind(ctx, ask.find())
		return err
	})
	return rows, err
}

// QuarantineReplay tries the chosen hits again, at once and in this process. The books
// show it when a worker runs.
func QuarantineReplay(ctx context.Context, pool *postgres.Pool, ring *digest.Ring, ask *QuarantineRequest) error {
	f := ask.find()
	var asked int64
	err := pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) (err error) {
		asked, err = tx.QuarantineAsk(ctx, dbsqlc.QuarantineAskParams{
			WorkspaceID: f.WorkspaceID, At: time.Now(), Subject: ask.By, Ids: f.Ids, Reason: f.Reason, SourceID: f.SourceID, FromAt: f.FromAt, ToAt: f.ToAt,
		})
		return err
	})
	if err != nil {
		return err
	}
	log := audit()
	log.Info("replay of refused hits asked for", "subject", ask.By, "workspace", ask.Workspace, "hits", asked)
	replayer := consume.Replayer{Store: consume.NewStore(pool), Digests: ring, Logger: log}
	well, badly, err := replayer.Run(ctx)
	fmt.Fprintf(ask.Out, "asked for %d: here %d were stored and %d failed again; workers do the rest, if there is any\n", asked, well, badly)
	return err
}

// QuarantineDrop forgets the bytes of the chosen hits; they stay rejected.
func QuarantineDrop(ctx context.Context, pool *postgres.Pool, _ *digest.Ring, ask *QuarantineRequest) error {
	f := ask.find()
	var dropped int64
	err := pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) (err error) {
		dropped, err = tx.QuarantineDrop(ctx, dbsqlc.QuarantineDropParams{
			WorkspaceID: f.WorkspaceID, At: time.Now(), Subject: ask.By, Ids: f.Ids, Reason: f.Reason, SourceID: f.SourceID, FromAt: f.FromAt, ToAt: f.ToAt,
		})
		return err
	})
	if err != nil {
		return err
	}
	audit().Info("refused hits dropped", "subject", ask.By, "workspace", ask.Workspace, "hits", dropped)
	_, err = fmt.Fprintf(ask.Out, "dropped %d\n", dropped)
	return err
}

// audit is the log of who did what.
func audit() *slog.Logger {
	return httpserver.NewLogger(os.Stderr, slog.LevelInfo, "attribution-quarantine")
}
