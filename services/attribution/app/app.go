package app

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/ledger"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/secret"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
)

// group is the consumer group of the streams that workers share.
const group = "attribution"

// parts is what worker and api are both made of.
type parts struct {
	cfg       Shared
	log       *slog.Logger
	metrics   *prometheus.Registry
	pool      *postgres.Pool
	client    redis.UniversalClient
	ring      *digest.Ring
	sources   *secret.Box
	publisher *registry.Publisher
}

// newParts opens what cfg names; close gives it back.
func newParts(ctx context.Context, cfg Shared, role postgres.Role, service string) (*parts, error) {
	p := &parts{cfg: cfg, log: httpserver.NewLogger(os.Stderr, cfg.LogLevel, service), metrics: httpserver.NewRegistry()}
	slog.SetDefault(p.log)
	stream.LogClients(p.log)
	var err error
	if p.ring, err = digest.New(cfg.IdentityKey.Bytes()); err != nil {
		return nil, err
	}
	if p.sources, err = secret.NewBox(cfg.RegistryKey.Bytes(), "source config"); err != nil {
		return nil, err
	}
	if p.client, err = stream.NewWriterClient(cfg.RedisURL); err != nil {
		return nil, err
	}
	p.publisher = registry.NewPublisher(p.client, cfg.StreamPrefix, cfg.RegistryKey.Bytes())
	if p.pool, err = postgres.Open(ctx, withConns(cfg.DatabaseURL, cfg.DatabaseConns), role); err != nil {
		p.close()
		return nil, err
	}
	return p, nil
}

func (p *parts) close() {
	if p.pool != nil {
		p.pool.Close()
	}
	if err := p.client.Close(); err != nil {
		p.log.Debug("close redis", "error", err)
	}
}

// streams is how both sides of the service see the streams.
func (p *parts) streams() stream.Config {
	return stream.Config{Prefix: p.cfg.StreamPrefix, Shards: p.cfg.StreamShards, Logger: p.log, Registerer: p.metrics}
}

func (p *parts) books(ctx context.Context) ([]stream.ShardBooks, error) {
	return stream.ReadBooks(ctx, p.client, p.streams())
}

func (p *parts) booksOf(ctx context.Context, ask stream.Question) ([]stream.WorkspaceBooks, error) {
	return stream.ReadWorkspace(ctx, p.client, p.streams(), ask)
}

// sides is both sides of the books, for a process in the role of a worker.
func (p *parts) sides() ledger.Sides {
	return ledger.Sides{Probe: stream.NewProbe(p.client, p.streams()), Pool: p.pool}
}

// admin opens the admin port. Both databases must answer for the process to be ready,
// and more must hold if there are further checks.
func (p *parts) admin(more ...httpserver.Check) (*httpserver.Server, error) {
	return httpserver.ListenAdmin(p.cfg.AdminAddr, httpserver.Admin(httpserver.AdminConfig{
		Gatherer: p.metrics, Logger: p.log,
		Checks: append([]httpserver.Check{
			{Name: "postgres", Run: p.pool.Ping},
			{Name: "redis", Run: func(ctx context.Context) error { return p.client.Ping(ctx).Err() }},
		}, more...),
	}))
}

// withConns adds the size of the pool to a database URL, or to a list of keywords,
// that does not say.
func withConns(database string, conns int) string {
	if strings.Contains(database, "pool_max_conns") {
		return database
	}
	u, err := url.Parse(database)
	if err != nil || u.Scheme == "" {
		return fmt.Sprintf("%s pool_max_conns=%d", database, conns)
	}
	query := u.Query()
	query.Set("pool_max_conns", strconv.Itoa(conns))
	u.RawQuery = query.Encode()
	return u.String()
}
