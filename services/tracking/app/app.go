package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/pixel"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/spool"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/tracking/edge"
	"github.com/touchline/touchline/services/tracking/edge/handover"
	"github.com/touchline/touchline/services/tracking/edge/message"
)

// checkEvery is how often Redis is asked for its settings until it has answered.
const checkEvery = time.Second

// Run serves until ctx ends, which is no error. It starts while Redis is away: then
// sources come from the snapshot, if there is one, and hits go to the spool; without
// one they are answered 503.
// It does not start, and does not go on, with a Redis that may throw hits away.
func Run(ctx context.Context, cfg Config) error {
	log := cfg.Logger
	if log == nil {
		log = NewLogger(cfg)
	}
	stream.LogClients(log)
	client, err := stream.NewWriterClient(cfg.RedisURL)
	if err != nil {
		return err
	}
	defer closeQuietly(client, log)
	epoch, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("name this run: %w", err)
	}
	metrics := httpserver.NewRegistry()
	p := parts{cfg: cfg, log: log, client: client, metrics: metrics}
	checked, err := p.check(ctx)
	if err != nil {
		return err
	}
	p.directory = registry.NewDirectory(client, cfg.StreamPrefix, cfg.RegistryKey.Bytes(), cfg.RegistrySnapshot)
	if err := p.directory.Load(ctx); err != nil {
		log.Warn("no sources yet", "error", err)
	}
	if p.salts, err = registry.NewSalts(client, cfg.StreamPrefix, cfg.RegistryKey.Bytes()); err != nil {
		return err
	}
	if err := p.salts.Load(ctx, time.Now()); err != nil {
		log.Warn("devices without a cookie are this process's own for now", "error", err)
	}
	disk, err := p.openSpool()
	if err != nil {
		return err
	}
	if disk != nil {
		defer closeQuietly(disk, log)
	}
	p.writer, err = stream.NewWriter(client, stream.Config{
		Prefix: cfg.StreamPrefix, Shards: cfg.StreamShards, Timeout: cfg.RedisTimeout, Spool: disk,
		Failpoints: failpoint.FromEnv(func(string) string { return cfg.Failpoint }), Logger: log, Registerer: metrics,
	}, epoch)
	if err != nil {
		return err
	}
	return p.serve(ctx, checked)
}

// NewLogger returns the service's logger: JSON to standard error.
func NewLogger(cfg Config) *slog.Logger {
	return httpserver.NewLogger(os.Stderr, cfg.LogLevel, "tracking")
}

func closeQuietly(c io.Closer, log *slog.Logger) {
	if err := c.Close(); err != nil {
		log.Debug("close", "error", err)
	}
}

// openSpool takes the spool's directory, and returns nil when none is named.
func (p *parts) openSpool() (*spool.Spool, error) {
	if p.cfg.SpoolDir == "" {
		p.log.Warn("TOUCHLINE_SPOOL_DIR is not set: while redis is away hits are refused")
		return nil, nil
	}
	disk, err := spool.Open(p.cfg.SpoolDir, spool.Config{
		MaxBytes: p.cfg.SpoolMaxBytes, MaxAge: p.cfg.SpoolMaxAge, Logger: p.log,
	})
	if err != nil {
		return nil, fmt.Errorf("TOUCHLINE_SPOOL_DIR: %w", err)
	}
	p.metrics.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "touchline_spool_bytes", Help: "Bytes on disk of hits that Redis has not taken yet.",
		}, func() float64 { return float64(disk.Stats().Bytes) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "touchline_spool_oldest_seconds", Help: "Age of the oldest segment on disk.",
		}, func() float64 {
			if oldest := disk.Stats().Oldest; !oldest.IsZero() {
				return time.Since(oldest).Seconds()
			}
			return 0
		}),
	)
	return disk, nil
}

// parts is what the program is made of.
type parts struct {
	cfg       Config
	log       *slog.Logger
	client    redis.UniversalClient
	metrics   *prometheus.Registry
	directory *registry.Directory
	salts     *registry.Salts
	writer    *stream.Writer
}

// check looks at the settings of Redis. done is false when it could not be asked yet.
func (p *parts) check(ctx context.Context) (done bool, err error) {
	if p.cfg.RedisEmbedded {
		p.log.Warn("TOUCHLINE_REDIS_EMBEDDED: whether redis keeps hits is not checked; what it holds may be lost when it stops")
		return true, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if err := p.client.Ping(ctx).Err(); err != nil {
		p.log.Warn("redis is away", "error", err)
		return false, nil
	}
	warnings, err := stream.Check(ctx, p.client)
	if errors.Is(err, stream.ErrNoConfig) {
		return false, fmt.Errorf("%w: allow CONFIG GET, or set TOUCHLINE_REDIS_EMBEDDED=true when you know that it neither evicts nor forgets", err)
	}
	if errors.Is(err, stream.ErrEvicts) {
		return false, err
	}
	if err != nil { // it may be starting, or be slow just now
		p.log.Warn("redis does not say how it is set up", "error", err)
		return false, nil
	}
	for _, warning := range warnings {
		p.log.Warn(warning)
	}
	return true, nil
}

// checkLater checks as soon as Redis is back. Its error ends the program.
func (p *parts) checkLater(ctx context.Context) error {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if done, err := p.check(ctx); done || err != nil {
			return err
		}
	}
}

// serve opens the ports and runs everything until ctx ends or a part fails; then
// requests are finished first and the hits that they left are written.
func (p *parts) serve(ctx context.Context, checked bool) (err error) {
	public, admin, err := p.listen()
	if err != nil {
		return errors.Join(err, p.writer.Close(ctx))
	}
	if p.cfg.Listening != nil {
		p.cfg.Listening(public.Addr(), admin.Addr())
	}
	p.log.Info("serving", "addr", public.Addr(), "admin", admin.Addr(), "epoch", p.writer.Epoch().String(), "sources", p.directory.Len())

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	background := make(chan error, 3)
	go func() { background <- p.directory.Run(ctx) }()
	go func() { background <- p.salts.Run(ctx) }()
	go func() {
		var err error
		if !checked {
			err = p.checkLater(ctx)
		}
		if err != nil {
			cancel() // and with it the servers
		}
		background <- err
	}()
	err = httpserver.Run(ctx, p.cfg.Drain, public, admin)
	cancel()
	err = errors.Join(err, <-background, <-background, <-background)

	closing, stop := context.WithTimeout(context.WithoutCancel(ctx), p.cfg.Drain)
	defer stop()
	err = errors.Join(err, p.writer.Close(closing))
	p.log.Info("stopped", "clean", err == nil)
	return err
}

func (p *parts) listen() (public, admin *httpserver.Server, err error) {
	tokens, err := message.Tokens(p.cfg.RegistryKey.Bytes())
	if err != nil {
		return nil, nil, err
	}
	links, err := handover.NewKey(p.cfg.RegistryKey.Bytes())
	if err != nil {
		return nil, nil, err
	}
	router := httpserver.New(httpserver.Config{TrustedProxies: p.cfg.TrustedProxies, Logger: p.log, Registerer: p.metrics})
	edge.New(p.cfg.edge(), edge.Deps{
		Directory: p.directory, Appender: p.writer, Tokens: tokens,
		Scripts: scripts, Salts: p.salts, Handover: links,
		Metrics: edge.NewMetrics(p.metrics), Now: time.Now,
	}).Register(router)
	public, err = httpserver.Listen(p.cfg.Addr, router)
	if err != nil {
		return nil, nil, err
	}
	public.LimitConns(httpserver.ConnLimits{
		Total: p.cfg.MaxConns, PerPeer: p.cfg.MaxPeerConns, Exempt: p.cfg.TrustedProxies, Registerer: p.metrics,
	})
	admin, err = httpserver.ListenAdmin(p.cfg.AdminAddr, httpserver.Admin(httpserver.AdminConfig{
		Gatherer: p.metrics, Logger: p.log,
		Checks: []httpserver.Check{
			{Name: "stream", Run: func(context.Context) error { return p.writer.Ready() }},
			{Name: "registry", Run: func(context.Context) error {
				if !p.directory.Loaded() {
					return errors.New("no registry of sources has been loaded")
				}
				return nil
			}},
		},
	}))
	if err != nil {
		return nil, nil, errors.Join(err, public.Close())
	}
	return public, admin, nil
}

// scripts is the pixel's core with modules, and those that there are none of.
func scripts(modules []string) (s edge.Script, missing []string) {
	f, missing := pixel.Use(modules)
	return edge.Script{Plain: f.Script, Gzip: f.Gzip, Hash: f.Hash}, missing
}

// edge is what the edge needs of the settings.
func (c *Config) edge() edge.Config {
	return edge.Config{
		MaxItem: c.MaxItem, MaxBody: c.MaxBody, MaxWebhook: c.MaxWebhook,
		SourceRate: c.SourceRate, MaxMemory: c.MaxMemory,
		ScriptPath: c.PixelScriptPath, EventPath: c.PixelEventPath, GIFPath: c.PixelGIFPath,
		PublicURL: c.TrackingURL,
	}
}
