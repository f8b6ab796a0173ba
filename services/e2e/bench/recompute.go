package main

import (
	"context"
	"fmt"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/meter"
	"github.com/touchline/touchline/services/e2e/bench/peer"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

// recompute measures a new policy: everything is derived anew, beside the same attribution
// as SQL. What the two write is compared, so that both did the same work. Beside them it
// measures SQL that leaves out the rows of messages.
func (b *bench) recompute(ctx context.Context) ([]*report.Row, error) {
	sys, err := b.start(ctx)
	if err != nil {
		return nil, err
	}
	defer sys.Close()
	campaign := &traffic.Campaign{Doors: doors(sys), Buyers: b.sized(50_000, 200), Begin: time.Now().UTC().Truncate(time.Second).Add(-30 * 24 * time.Hour)}
	if _, err := fill(ctx, sys, campaign.Requests()); err != nil {
		return nil, err
	}
	if err := sys.StartWorker(ctx); err != nil {
		return nil, err
	}
	if err := sys.Settled(ctx); err != nil {
		return nil, err
	}
	if _, err := sys.Conn.Exec(ctx, "vacuum (analyze)"); err != nil {
		return nil, err
	}
	twin, err := sys.Twin(ctx)
	if err != nil {
		return nil, err
	}
	defer twin.Close()
	sql := &peer.Peer{Conn: twin.Conn, Workspace: sys.Workspace}
	if err := sql.Load(ctx, campaign); err != nil {
		return nil, err
	}
	r := &recomputing{bench: b, sys: sys, sql: sql, facts: float64(campaign.Buyers * traffic.PerBuyer)}
	if r.servers, err = b.servers(ctx); err != nil {
		return nil, err
	}
	narrow, theirs, ours := &report.Side{Name: "SQL without the messages' rows"}, &report.Side{Name: "the same as SQL"}, &report.Side{Name: own}
	for round := range b.rounds {
		samples, err := r.round(ctx, round)
		if err != nil {
			return nil, err
		}
		for i, side := range []*report.Side{narrow, theirs, ours} {
			side.Samples = append(side.Samples, samples[i])
		}
	}
	if b.plan, err = sql.Plan(ctx, day); err != nil {
		return nil, err
	}
	return []*report.Row{{
		Name: "recompute", Unit: "facts", Mark: "at most twice the time of SQL; at least 100,000 facts/s", Goal: 0.5,
		Candidate: ours, Reference: theirs, Others: []*report.Side{narrow},
		Limits: []report.Limit{{Extra: "rate", Least: 100_000}},
	}}, nil
}

// day is a read's window by default, in seconds.
const day = 24 * 3600

// recomputing is what the rounds share.
type recomputing struct {
	*bench
	sys     *system.System
	sql     *peer.Peer
	servers []meter.Process
	facts   float64
}

// round has the peer, without messages and with them, and then Touchline derive under a
// policy that is new to all. The samples are in this order.
func (r *recomputing) round(ctx context.Context, round int) (samples [3]report.Sample, err error) {
	window := day * (2 - round%2)
	version, err := r.sys.Count(ctx, "select max(version) + 1 from policy")
	if err != nil {
		return samples, err
	}
	for i, m := range []measured{
		{name: "recompute SQL without messages", watched: r.servers, wal: r.sys.Conn, do: r.ask(r.sql.DeriveNarrow, int(version), window)},
		{name: "recompute SQL", watched: r.servers, wal: r.sys.Conn, do: r.ask(r.sql.Derive, int(version), window)},
		{
			name: "recompute " + own, wal: r.sys.Conn, watched: r.sys.Watched(), profile: []*system.Process{r.sys.Worker},
			do: func(ctx context.Context) (float64, error) { return r.facts, r.publish(ctx, window) },
		},
	} {
		if m.profile == nil { // the peer: its tables are empty each time
			if err := r.sql.Empty(ctx); err != nil {
				return samples, err
			}
		}
		if samples[i], err = r.measure(ctx, m); err != nil {
			return samples, err
		}
	}
	samples[2].Extra["ratio to SQL without the messages' rows"] = samples[2].Rate() / samples[0].Rate()
	ours, err := peer.Rows(ctx, r.sys.Conn, int(version))
	if err != nil {
		return samples, err
	}
	theirs, err := peer.Rows(ctx, r.sql.Conn, int(version))
	if err != nil {
		return samples, err
	}
	return samples, peer.Differ(ours, theirs)
}

// ask is the peer at work, as it is measured.
func (r *recomputing) ask(derive func(context.Context, int, int) error, version, window int) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) { return r.facts, derive(ctx, version, window) }
}

// publish puts a policy with another window into force and waits until it is.
func (r *recomputing) publish(ctx context.Context, readWindow int) error {
	const week = 7 * day
	err := r.sys.Call(ctx, "PUT", "/v1/policy", map[string]any{"windows": []map[string]any{
		{"tier": "click", "seconds": week}, {"tier": "reply", "seconds": week}, {"tier": "read", "seconds": readWindow},
	}}, nil)
	if err != nil {
		return fmt.Errorf("publish a policy: %w", err)
	}
	return r.sys.PolicyLive(ctx)
}
