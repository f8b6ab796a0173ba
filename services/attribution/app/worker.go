package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/ledger"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
)

// republishEvery is how often the worker looks whether Redis still has the sources.
const republishEvery = 2 * time.Second

// RunWorker turns hits into facts and facts into the table, until ctx ends, which is
// no error. Any number of workers run beside each other.
func RunWorker(ctx context.Context, cfg WorkerConfig) error {
	p, err := newParts(ctx, cfg.Shared, postgres.RoleWorker, "attribution-worker")
	if err != nil {
		return err
	}
	defer p.close()
	readers, err := stream.NewReaderClient(cfg.RedisURL, cfg.StreamShards)
	if err != nil {
		return err
	}
	defer func() { _ = readers.Close() }()
	// Without a registry the API cannot add a source.
	admin, err := p.admin(httpserver.Check{Name: "sources", Run: func(ctx context.Context) error {
		published, err := p.publisher.Published(ctx)
		if err == nil && !published {
			err = errors.New("the sources are not published yet")
		}
		return err
	}})
	if err != nil {
		return err
	}
	if cfg.Listening != nil {
		cfg.Listening(admin.Addr())
	}

	failpoints := failpoint.FromEnv(func(string) string { return cfg.Failpoint })
	streams := p.streams()
	streams.Recover = p.pool.RecoverBooks
	consuming := consume.Config{
		Shards: cfg.StreamShards, BatchSize: cfg.BatchSize, MinIdle: cfg.ClaimAfter,
		Failpoints: failpoints,
		Logger:     p.log, Registerer: p.metrics,
	}
	deriving := derive.Config{Parallel: cfg.DeriveParallel, Small: cfg.DeriveSmall, Apart: cfg.DeriveApart, Log: p.log, Point: failpoints.Pass, Observe: observeDerive(p.metrics)}
	room := stock.Config{Disk: cfg.BuildDisk, Log: p.log}
	if cfg.Tune != nil {
		cfg.Tune(&consuming, &deriving, &room)
	}
	deriver := derive.New(postgres.NewDeriveStore(p.pool, p.ring).WithRoom(room), deriving)
	consumer := consume.New(consuming, consume.Parts{
		Reader: stream.NewReader(readers, streams, group, uuid.New()),
		Books:  p.books, Store: consume.NewStore(p.pool), Digests: p.ring, Signal: deriver.Wake,
	})
	watch := ledger.NewWatch(ledger.Config{Logger: p.log, Registerer: p.metrics}, p.sides())
	p.log.Info("working", "admin", admin.Addr(), "shards", cfg.StreamShards)
	return together(ctx,
		consumer.Run, deriver.Run, p.republish, watch.Run,
		func(ctx context.Context) error { return httpserver.Run(ctx, cfg.Drain, admin) },
	)
}

// together runs every part until ctx ends or one of them returns, then ends the rest
// and waits for them.
func together(ctx context.Context, runs ...func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(runs))
	var group sync.WaitGroup
	for i, run := range runs {
		group.Go(func() {
			defer cancel()
			errs[i] = run(ctx)
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// republish fills the registry at the start, and again whenever Redis has lost it. A
// failure is tried again: the edge goes on with what it knows.
func (p *parts) republish(ctx context.Context) error {
	due := true
	tick := time.NewTicker(republishEvery)
	defer tick.Stop()
	for {
		if !due {
			published, err := p.publisher.Published(ctx)
			due = err == nil && !published
		}
		if due {
			err := p.pool.SourcesPublish(ctx, p.publish)
			due = err != nil
			if err != nil && ctx.Err() == nil {
				p.log.Warn("sources not published", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// publish makes the rows the whole registry. A source whose config cannot be opened,
// because it was sealed with another key, is left out and told of.
func (p *parts) publish(ctx context.Context, rows []dbsqlc.SourceListAllRow) error {
	sources := make([]registry.Source, 0, len(rows))
	for _, r := range rows {
		var config registry.SourceConfig
		if err := p.sources.Open(r.SourceID.String(), r.Config, &config); err != nil {
			p.log.Error("source left out", "source", r.SourceID, "error", err)
			continue
		}
		sources = append(sources, registry.Source{
			ID: r.SourceID, Workspace: r.WorkspaceID, Kind: r.Kind, Name: r.Name, WriteKey: r.WriteKey,
			Country: r.Country, Config: config, Disabled: r.Disabled,
		})
	}
	if err := p.publisher.Replace(ctx, sources); err != nil {
		return err
	}
	p.log.Info("sources published", "sources", len(sources))
	return nil
}

// Migrate brings the schema to version target; -1 is the newest.
func Migrate(ctx context.Context, cfg Database, target int32) error {
	if err := postgres.Migrate(ctx, cfg.DatabaseURL, target); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
