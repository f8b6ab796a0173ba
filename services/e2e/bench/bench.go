package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/e2e/bench/load"
	"github.com/touchline/touchline/services/e2e/bench/meter"
	"github.com/touchline/touchline/services/e2e/bench/reference"
	"github.com/touchline/touchline/services/e2e/bench/report"
	"github.com/touchline/touchline/services/e2e/bench/system"
	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

// bench is one run.
type bench struct {
	options
	begun time.Time
	plan  string // of the SQL peer, as PostgreSQL explains it
}

func newBench(o options) (*bench, error) {
	b := &bench{options: o, begun: time.Now()}
	var err error
	if b.bin, err = filepath.Abs(o.bin); err != nil {
		return nil, err
	}
	if b.dir, err = os.MkdirTemp("", "touchline-bench-"); err != nil {
		return nil, err
	}
	if o.profiles != "" {
		if b.profiles, err = filepath.Abs(o.profiles); err != nil {
			return nil, err
		}
		err = os.MkdirAll(b.profiles, 0o755)
	}
	return b, err
}

// close removes logs; after a failure somebody may want to read them, but then the
// message has what matters.
func (b *bench) close() { _ = os.RemoveAll(b.dir) }

func (b *bench) wants(row string) bool { return b.run.MatchString(row) }

func (b *bench) wantsAny(rows []string) bool {
	for _, row := range rows {
		if b.wants(row) {
			return true
		}
	}
	return false
}

// sized is a full size at this run's scale, at least least.
func (b *bench) sized(full, least int) int { return max(least, int(float64(full)*b.scale)) }

// span is a full time at this run's scale.
func (b *bench) span(full, least time.Duration) time.Duration {
	return max(least, time.Duration(float64(full)*b.scale))
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench: %5.0f s  "+format+"\n", append([]any{time.Since(b.begun).Seconds()}, args...)...)
}

// start starts Touchline on an empty database.
func (b *bench) start(ctx context.Context) (*system.System, error) {
	return system.Start(ctx, system.Options{Bin: b.bin, Dir: b.dir, DatabaseURL: b.database, RedisURL: b.redis, Env: b.env})
}

// doors are those of a system.
func doors(s *system.System) traffic.Doors {
	return traffic.Doors{ServerKey: s.ServerKey, PixelKey: s.PixelKey, WhatsApp: s.WhatsApp, Secret: system.Secret}
}

// measured says what is done and who does it.
type measured struct {
	name    string // for progress and profiles
	watched []meter.Process
	profile []*system.Process
	do      func(context.Context) (count float64, err error)
	started func() []meter.Process // processes that do started; may be nil
	wal     *pgx.Conn              // when set, what was written to the log of its server is counted
}

// measure does it under the clock.
func (b *bench) measure(ctx context.Context, m measured) (report.Sample, error) {
	profiles := b.profiling(ctx, m)
	before, err := logged(ctx, m.wal)
	if err != nil {
		return report.Sample{}, err
	}
	span, err := meter.Begin(m.watched)
	if err != nil {
		return report.Sample{}, err
	}
	count, err := m.do(ctx)
	if err != nil {
		return report.Sample{}, fmt.Errorf("%s: %w", m.name, err)
	}
	var started []meter.Process
	if m.started != nil {
		started = m.started()
	}
	cost, err := span.End(started...)
	if err != nil {
		return report.Sample{}, err
	}
	s := report.Sample{Count: count, Wall: cost.Wall, CPU: cost.CPU, Extra: map[string]float64{}}
	after, err := logged(ctx, m.wal)
	if err != nil {
		return report.Sample{}, err
	}
	if after > before {
		s.Extra["WAL bytes each"] = float64(after-before) / count
	}
	b.say("%s: %.0f a second, %.1f µs of CPU each", m.name, s.Rate(), s.Each())
	return s, profiles()
}

// logged is how many bytes a server has ever written to its write-ahead log.
func logged(ctx context.Context, conn *pgx.Conn) (n int64, err error) {
	if conn == nil {
		return 0, nil
	}
	err = conn.QueryRow(ctx, "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn").Scan(&n)
	return n, err
}

// fill sends requests once, as fast as they are taken, and returns how many items went out.
func fill(ctx context.Context, s *system.System, requests []load.Request) (int, error) {
	result, err := load.Send(ctx, load.Plan{Addr: s.Tracking.Addr, Conns: 8, Requests: requests, Times: 1})
	return result.Items, err
}

// servers are those whose CPU time always counts, and this process, which generates the
// load; none of Touchline's.
func (b *bench) servers(ctx context.Context) ([]meter.Process, error) {
	conn, err := pgx.Connect(ctx, b.database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	postgres, err := system.Postmaster(ctx, conn)
	if err != nil {
		return nil, err
	}
	options, err := redis.ParseURL(b.redis)
	if err != nil {
		return nil, errors.New("REDIS_URL is no URL of Redis")
	}
	client := redis.NewClient(options)
	defer client.Close()
	pid, err := system.RedisPID(ctx, client)
	return append(system.Servers(postgres, pid), meter.Process{Name: "generator", PID: os.Getpid()}), err
}

// serveReference is the other process of a benchmark of the edge: "reference ADDR STREAM".
func serveReference(ctx context.Context, args []string) error {
	if len(args) != 3 {
		return errors.New("usage: bench reference ADDR STREAM")
	}
	options, err := redis.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return errors.New("REDIS_URL is no URL of Redis")
	}
	options.PoolSize = 8
	client := redis.NewClient(options)
	defer client.Close()
	server := &http.Server{Addr: args[1], Handler: reference.New(client, args[2]), ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
