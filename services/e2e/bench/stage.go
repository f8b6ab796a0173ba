package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/e2e/bench/meter"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

// sixModels is the policy of the rows that are not about a policy.
func sixModels() map[string]any {
	return map[string]any{"models": []string{"first_touch", "last_touch", "linear", "time_decay", "position_based", "tier_weighted"}}
}

// stages measures the worker's two stages apart: hits to facts, beside a COPY of the same
// rows, and facts to conclusions.
func (b *bench) stages(ctx context.Context) ([]*report.Row, error) {
	consume, copied, derive := &report.Side{Name: own}, &report.Side{Name: "COPY of the same rows"}, &report.Side{Name: own}
	for range b.rounds {
		if err := b.stage(ctx, consume, copied, derive); err != nil {
			return nil, err
		}
	}
	return []*report.Row{
		{Name: "consume", Unit: "facts", Mark: "at least 0.45 of COPY into the same indexed tables", Goal: 0.45, Candidate: consume, Reference: copied},
		{Name: "derive", Unit: "facts", Mark: "none: part of the whole line", Candidate: derive},
	}, nil
}

// stage is one round.
func (b *bench) stage(ctx context.Context, consume, copied, derive *report.Side) error {
	sys, err := b.start(ctx)
	if err != nil {
		return err
	}
	defer sys.Close()
	mix, cycles, err := b.mixed(ctx, sys, 200_000)
	if err != nil {
		return err
	}
	if _, err := fill(ctx, sys, mix.Requests(cycles)); err != nil {
		return err
	}
	release, err := sys.Hold(ctx)
	if err != nil {
		return err
	}
	s, err := b.consume(ctx, sys)
	if err != nil {
		return err
	}
	consume.Samples = append(consume.Samples, s)
	if n, err := sys.Count(ctx, "select count(*) from conversion"); err != nil || n > 0 {
		return errors.Join(err, fmt.Errorf("%d conversions were derived while the lock was held: it is not the worker's lock", n))
	}
	if s, err = b.copyFacts(ctx, sys); err != nil {
		return err
	}
	copied.Samples = append(copied.Samples, s)
	s, err = b.measure(ctx, measured{name: "derive " + own, wal: sys.Conn, watched: sys.Watched(), profile: []*system.Process{sys.Worker}, do: func(ctx context.Context) (float64, error) {
		if err := release(ctx); err != nil {
			return 0, err
		}
		if err := sys.Derived(ctx); err != nil {
			return 0, err
		}
		n, err := sys.Count(ctx, "select count(*) from fact")
		return float64(n), err
	}})
	if err != nil {
		return err
	}
	if n, err := sys.Count(ctx, "select count(*) from conversion"); err != nil || n == 0 {
		return errors.Join(err, errors.New("no conversion was derived"))
	}
	derive.Samples = append(derive.Samples, s)
	return nil
}

// mixed sets the policy and says what to send for a number of facts, at this scale.
func (b *bench) mixed(ctx context.Context, sys *system.System, facts int) (traffic.Mix, int, error) {
	facts = b.sized(facts, 2*traffic.Cycle)
	err := sys.Call(ctx, "PUT", "/v1/policy", sixModels(), nil)
	if err != nil {
		return traffic.Mix{}, 0, err
	}
	if err := sys.StartWorker(ctx); err != nil { // which takes the policy into force
		return traffic.Mix{}, 0, err
	}
	if err := sys.PolicyLive(ctx); err != nil {
		return traffic.Mix{}, 0, err
	}
	sys.StopWorker()
	cycles := facts / traffic.Cycle
	return traffic.Mix{
		Doors: doors(sys), Persons: max(50, facts/10), Begin: time.Now().Add(-time.Duration(cycles) * time.Minute), Step: time.Minute,
	}, cycles, nil
}

// consume starts a worker on streams that are full and waits until they are empty.
func (b *bench) consume(ctx context.Context, sys *system.System) (report.Sample, error) {
	return b.measure(ctx, measured{
		name: "consume " + own, watched: sys.Watched(), wal: sys.Conn,
		started: func() []meter.Process { return []meter.Process{{Name: "worker", PID: sys.Worker.PID()}} },
		do: func(ctx context.Context) (float64, error) {
			if err := sys.StartWorker(ctx); err != nil {
				return 0, err
			}
			done := b.profiling(ctx, measured{name: "consume " + own, profile: []*system.Process{sys.Worker}})
			if err := sys.Consumed(ctx); err != nil {
				return 0, err
			}
			n, err := sys.Count(ctx, "select count(*) from fact")
			return float64(n), errors.Join(err, done())
		},
	})
}

// consumed are the tables that consume fills, but for the books, which have few rows.
func consumed() []string { return []string{"fact", "fact_ref", "identifier", "touched"} }

// copyFacts writes the rows that consume has written to the same tables of an empty
// database, with COPY.
func (b *bench) copyFacts(ctx context.Context, sys *system.System) (report.Sample, error) {
	var rows [][]byte
	for _, table := range consumed() {
		var buffer bytes.Buffer
		if _, err := sys.Conn.PgConn().CopyTo(ctx, &buffer, "copy "+table+" to stdout (format binary)"); err != nil {
			return report.Sample{}, err
		}
		rows = append(rows, buffer.Bytes())
	}
	facts, err := sys.Count(ctx, "select count(*) from fact")
	if err != nil {
		return report.Sample{}, err
	}
	empty, err := sys.Twin(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	defer empty.Close()
	watched, err := b.servers(ctx)
	if err != nil {
		return report.Sample{}, err
	}
	return b.measure(ctx, measured{name: "consume COPY", watched: watched, wal: sys.Conn, do: func(ctx context.Context) (float64, error) {
		return float64(facts), copyAll(ctx, empty.Conn, rows)
	}})
}

// copyAll copies in one transaction.
func copyAll(ctx context.Context, conn *pgx.Conn, rows [][]byte) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for i, table := range consumed() {
			var in io.Reader = bytes.NewReader(rows[i])
			if _, err := tx.Conn().PgConn().CopyFrom(ctx, in, "copy "+table+" from stdin (format binary)"); err != nil {
				return err
			}
		}
		return nil
	})
}
