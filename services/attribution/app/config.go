// Package app is the attribution service as programs: worker, api, migrate and token.
// It holds their settings and is the one place where their parts meet.
package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/config"
)

// Database is how a process reaches Postgres.
type Database struct {
	// DatabaseURL is of a login that may take the roles touchline_worker and
	// touchline_api; processes do so on every connection.
	DatabaseURL string `env:"DATABASE_URL,required,notEmpty"`
}

// Shared is what worker and api both need.
type Shared struct {
	Database
	// DatabaseConns is the most connections of one process, unless DATABASE_URL
	// says pool_max_conns.
	DatabaseConns int `env:"TOUCHLINE_DATABASE_CONNS" envDefault:"16"`
	// RedisURL is redis://…, rediss://…, or with ?addr=… of several nodes a cluster.
	RedisURL string `env:"REDIS_URL,required,notEmpty"`
	// StreamPrefix and StreamShards must be those of the tracking service.
	StreamPrefix string `env:"TOUCHLINE_STREAM_PREFIX" envDefault:"touchline"`
	StreamShards int    `env:"TOUCHLINE_STREAM_SHARDS" envDefault:"4"`
	// RegistryKey (base64 of 32 bytes) seals sources, in Redis and in the database.
	// It must be that of the tracking service.
	RegistryKey config.Key `env:"TOUCHLINE_REGISTRY_KEY,required"`
	// IdentityKey (base64 of 32 bytes) makes the digests of identifiers and seals
	// them. With another one nobody is recognised any more: keep a copy.
	IdentityKey config.Key `env:"TOUCHLINE_IDENTITY_KEY,required"`
	// AdminAddr is what health, readiness, metrics and profiles listen on. It must
	// not be public.
	AdminAddr string `env:"TOUCHLINE_ADMIN_ADDR" envDefault:":9090"`
	// Drain is how long work at hand may take when the process stops.
	Drain time.Duration `env:"TOUCHLINE_DRAIN" envDefault:"20s"`
	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `env:"TOUCHLINE_LOG_LEVEL" envDefault:"info"`
}

// WorkerConfig is every setting of the worker, each from the environment variable of
// its tag. README.md has the table; a test holds it to these structs.
type WorkerConfig struct {
	Shared
	// BatchSize is how many hits are stored in one transaction at most.
	BatchSize int `env:"TOUCHLINE_BATCH_SIZE" envDefault:"1000"`
	// ClaimAfter is how long another worker's hits may wait before they are taken over.
	ClaimAfter time.Duration `env:"TOUCHLINE_CLAIM_AFTER" envDefault:"60s"`
	// DeriveSmall is up to how many facts a component (a person, as a rule) is derived
	// whole at each change; larger ones by reach. 0: all are derived whole.
	DeriveSmall int `env:"TOUCHLINE_DERIVE_SMALL" envDefault:"2000"`
	// DeriveApart concludes from facts that bear on nothing yet without gathering their
	// persons.
	DeriveApart bool `env:"TOUCHLINE_DERIVE_APART" envDefault:"true"`
	// DeriveParallel is how many workspaces are derived side by side.
	DeriveParallel int `env:"TOUCHLINE_DERIVE_PARALLEL" envDefault:"4"`
	Builds
	// Failpoint ends the process at a named place; for tests.
	Failpoint string `env:"TOUCHLINE_FAILPOINT"`

	// Listening, when set, is told the bound address once the port is open.
	Listening func(admin string) `env:"-"`
	// Tune, when set, may change how the worker's parts work before they start; for
	// tests, which need them hasty and their limits small.
	Tune func(*consume.Config, *derive.Config, *stock.Config) `env:"-"`
}

// APIConfig is every setting of the api.
type APIConfig struct {
	Shared
	// Addr is what the REST API and the first page listen on, "host:port".
	Addr string `env:"TOUCHLINE_ADDR" envDefault:":8080"`
	Tokens
	// TrustedProxies are the networks whose X-Forwarded-For is believed, as CIDR,
	// separated by commas. Default: none.
	TrustedProxies []netip.Prefix `env:"TOUCHLINE_TRUSTED_PROXIES"`
	// ExplainFacts is how many facts the explanation of one conversion may read, some
	// 4 KB of memory each; two are drawn up at a time.
	ExplainFacts int `env:"TOUCHLINE_EXPLAIN_FACTS" envDefault:"100000"`

	// Listening, when set, is told the bound addresses once both ports are open.
	Listening func(public, admin string) `env:"-"`
}

// RecomputeConfig is every setting of the command recompute, which needs no Redis.
type RecomputeConfig struct {
	Database
	// DatabaseConns is the most connections of the process, unless DATABASE_URL says
	// pool_max_conns.
	DatabaseConns int `env:"TOUCHLINE_DATABASE_CONNS" envDefault:"16"`
	// IdentityKey must be that of the workers: what the block list names is found by it.
	IdentityKey config.Key `env:"TOUCHLINE_IDENTITY_KEY,required"`
	Builds
	// Failpoint ends the process at a named place; for tests.
	Failpoint string `env:"TOUCHLINE_FAILPOINT"`
}

// Builds is what a process that builds versions of policies may use.
type Builds struct {
	// BuildDisk is how many bytes of facts all its builds together may keep in files, which have
	// no names and go with the process, in TMPDIR; what has no room is read more slowly. 0: none.
	BuildDisk int64 `env:"TOUCHLINE_BUILD_DISK_BYTES" envDefault:"2147483648"`
}

// LedgerConfig is every setting of the command ledger.
type LedgerConfig struct {
	Database
	// RedisURL is that of the workers.
	RedisURL string `env:"REDIS_URL,required,notEmpty"`
	// StreamPrefix and StreamShards must be those of the workers.
	StreamPrefix string `env:"TOUCHLINE_STREAM_PREFIX" envDefault:"touchline"`
	StreamShards int    `env:"TOUCHLINE_STREAM_SHARDS" envDefault:"4"`
}

// QuarantineConfig is every setting of the command quarantine, which needs no Redis.
type QuarantineConfig struct {
	Database
	// IdentityKey must be that of the workers: it seals what is in quarantine.
	IdentityKey config.Key `env:"TOUCHLINE_IDENTITY_KEY,required"`
}

// Tokens is what signs and checks bearer tokens.
type Tokens struct {
	// JWTKeys are "kid=base64[,kid=base64…]", 32 bytes or more each; the first
	// signs, all are accepted.
	JWTKeys string `env:"TOUCHLINE_JWT_KEYS,required,notEmpty"`
	// TokenLife is how long a new token is valid.
	TokenLife time.Duration `env:"TOUCHLINE_TOKEN_LIFE" envDefault:"720h"`
}

// FromEnv reads the settings of one process from an environment and checks them. The
// error names every fault there is, and no secret.
func FromEnv[T interface{ Validate() error }](environ map[string]string) (T, error) {
	cfg, err := config.Read[T](environ)
	if err != nil {
		return cfg, err
	}
	return cfg, cfg.Validate()
}

// Validate finds nothing: a URL is checked by its use.
func (d Database) Validate() error { return nil }

// Validate checks what a type cannot say.
func (s Shared) Validate() error {
	return errors.Join(
		within("TOUCHLINE_STREAM_SHARDS", s.StreamShards, 1, 1024),
		// Less, and a derivation that waits for a connection would hold another.
		within("TOUCHLINE_DATABASE_CONNS", s.DatabaseConns, 8, 1000),
	)
}

// Validate checks what a type cannot say.
func (b Builds) Validate() error { return within("TOUCHLINE_BUILD_DISK_BYTES", b.BuildDisk, 0, 1<<40) }

// Validate checks what a type cannot say.
func (w WorkerConfig) Validate() error {
	return errors.Join(w.Shared.Validate(), w.Builds.Validate(),
		within("TOUCHLINE_BATCH_SIZE", w.BatchSize, 1, 10_000),
		// Every shard, every derivation and the chores may hold one.
		within("TOUCHLINE_DERIVE_SMALL", w.DeriveSmall, 0, 1<<30),
		within("TOUCHLINE_DERIVE_PARALLEL", w.DeriveParallel, 1, max(1, w.DatabaseConns-w.StreamShards-2)),
	)
}

// Validate checks what a type cannot say.
func (c APIConfig) Validate() error {
	return errors.Join(c.Shared.Validate(), c.Tokens.Validate(), within("TOUCHLINE_EXPLAIN_FACTS", c.ExplainFacts, 1000, 10_000_000))
}

// Validate checks what a type cannot say.
func (c RecomputeConfig) Validate() error {
	// One holds the lock while others read.
	return errors.Join(c.Builds.Validate(), within("TOUCHLINE_DATABASE_CONNS", c.DatabaseConns, 4, 1000))
}

// Validate checks what a type cannot say.
func (c LedgerConfig) Validate() error {
	return within("TOUCHLINE_STREAM_SHARDS", c.StreamShards, 1, 1024)
}

// Validate checks the keys, without quoting them.
func (t Tokens) Validate() error {
	_, err := token.ParseKeyring(t.JWTKeys)
	if err != nil {
		err = fmt.Errorf("TOUCHLINE_JWT_KEYS: %w", err)
	}
	if t.TokenLife < time.Minute {
		err = errors.Join(err, errors.New("TOUCHLINE_TOKEN_LIFE must be at least 1m"))
	}
	return err
}

func within[T int | int64](name string, value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("%s must be %d to %d", name, low, high)
	}
	return nil
}
