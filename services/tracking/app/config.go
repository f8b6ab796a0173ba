// Package app is the tracking service as a program: its settings, and the one place
// where its parts meet.
package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/touchline/touchline/services/internal/config"
)

// Config is every setting, each from the environment variable of its tag. README.md
// has the table; a test holds it to this struct.
type Config struct {
	// Addr is what the public edge listens on, "host:port".
	Addr string `env:"TOUCHLINE_ADDR" envDefault:":8080"`
	// AdminAddr is what health, readiness, metrics and profiles listen on. It must
	// not be public.
	AdminAddr string `env:"TOUCHLINE_ADMIN_ADDR" envDefault:":9090"`
	// TrackingURL is where browsers reach the edge, such as https://t.example.com.
	// SDKs that load their settings here are told to send there. Default: not told.
	TrackingURL string `env:"TOUCHLINE_TRACKING_URL"`

	// RedisURL is redis://…, rediss://…, or with ?addr=… of several nodes a cluster.
	RedisURL string `env:"REDIS_URL,required,notEmpty"`
	// RedisEmbedded says that Redis is one that answers no CONFIG, such as the one
	// that make run brings along: it is not checked for eviction and durability.
	RedisEmbedded bool `env:"TOUCHLINE_REDIS_EMBEDDED" envDefault:"false"`
	// StreamPrefix and StreamShards must be those of the attribution service.
	StreamPrefix string `env:"TOUCHLINE_STREAM_PREFIX" envDefault:"touchline"`
	StreamShards int    `env:"TOUCHLINE_STREAM_SHARDS" envDefault:"4"`

	// RedisTimeout is how long hits wait for Redis before they go to the spool, or
	// without one are refused.
	RedisTimeout time.Duration `env:"TOUCHLINE_REDIS_TIMEOUT" envDefault:"1s"`
	// SpoolDir is a directory on local disk, of this process alone, that keeps hits
	// while Redis does not take them. Default: none; then they are refused (503).
	SpoolDir string `env:"TOUCHLINE_SPOOL_DIR"`
	// SpoolMaxBytes and SpoolMaxAge say when the spool is full: then hits are refused.
	SpoolMaxBytes int64         `env:"TOUCHLINE_SPOOL_MAX_BYTES" envDefault:"1073741824"`
	SpoolMaxAge   time.Duration `env:"TOUCHLINE_SPOOL_MAX_AGE" envDefault:"24h"`

	// RegistryKey (base64 of 32 bytes) opens the source registry; click tokens are
	// made under a key derived from it. It must be that of the attribution service.
	RegistryKey config.Key `env:"TOUCHLINE_REGISTRY_KEY,required"`
	// RegistrySnapshot is a file that keeps the registry, sealed, so that the edge
	// starts while Redis is away. Default: none is kept.
	RegistrySnapshot string `env:"TOUCHLINE_REGISTRY_SNAPSHOT"`

	// The paths of the pixel, for sites that serve it as their own.
	PixelScriptPath string `env:"TOUCHLINE_PIXEL_SCRIPT_PATH" envDefault:"/p.js"`
	PixelEventPath  string `env:"TOUCHLINE_PIXEL_EVENT_PATH" envDefault:"/e"`
	PixelGIFPath    string `env:"TOUCHLINE_PIXEL_GIF_PATH" envDefault:"/e.gif"`

	// Sizes in bytes after decompression. An item over its limit is refused alone, a
	// body over its limit is 413.
	MaxItem    int   `env:"TOUCHLINE_MAX_ITEM_BYTES" envDefault:"32768"`
	MaxBody    int64 `env:"TOUCHLINE_MAX_BODY_BYTES" envDefault:"512000"`
	MaxWebhook int64 `env:"TOUCHLINE_MAX_WEBHOOK_BYTES" envDefault:"4194304"`

	// SourceRate is how many items a second one source may send on average; bursts
	// may be twice that. 0 is no limit.
	SourceRate int `env:"TOUCHLINE_SOURCE_RATE" envDefault:"20000"`
	// MaxMemory bounds the bytes of the bodies that are in memory at one time, MaxConns
	// the connections, MaxPeerConns those of one address, proxies apart. 0 is no limit.
	MaxMemory    int64 `env:"TOUCHLINE_MAX_MEMORY_BYTES" envDefault:"67108864"`
	MaxConns     int   `env:"TOUCHLINE_MAX_CONNECTIONS" envDefault:"10000"`
	MaxPeerConns int   `env:"TOUCHLINE_MAX_PEER_CONNECTIONS" envDefault:"1000"`

	// TrustedProxies are the networks whose X-Forwarded-For is believed, as CIDR,
	// separated by commas. Default: none.
	TrustedProxies []netip.Prefix `env:"TOUCHLINE_TRUSTED_PROXIES"`
	// Drain is how long requests may take to finish when the service stops.
	Drain time.Duration `env:"TOUCHLINE_DRAIN" envDefault:"20s"`
	// LogLevel is debug, info, warn or error.
	LogLevel slog.Level `env:"TOUCHLINE_LOG_LEVEL" envDefault:"info"`

	// Failpoint ends the process at a named place; for tests.
	Failpoint string `env:"TOUCHLINE_FAILPOINT"`

	// Listening, when set, is told the bound addresses once both ports are open.
	Listening func(public, admin string) `env:"-"`
	// Logger is where the service logs; default [NewLogger].
	Logger *slog.Logger `env:"-"`
}

// FromEnv reads the settings from an environment and checks them. The error names
// every fault there is, and no secret.
func FromEnv(environ map[string]string) (Config, error) {
	cfg, err := config.Read[Config](environ)
	return cfg, errors.Join(err, cfg.validate(err == nil))
}

// validate checks what a type can't say. Of settings that could not be read it checks
// nothing.
func (c *Config) validate(read bool) error {
	if !read {
		return nil
	}
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	for name, path := range map[string]string{
		"TOUCHLINE_PIXEL_SCRIPT_PATH": c.PixelScriptPath,
		"TOUCHLINE_PIXEL_EVENT_PATH":  c.PixelEventPath,
		"TOUCHLINE_PIXEL_GIF_PATH":    c.PixelGIFPath,
	} {
		plain := strings.HasPrefix(path, "/") && len(path) > 1 && !strings.HasSuffix(path, "/") && !strings.ContainsAny(path, ":*?#")
		fault(!plain, "%s must begin with a slash, end without one and have none of : * ? #", name)
	}
	fault(c.PixelScriptPath == c.PixelEventPath || c.PixelScriptPath == c.PixelGIFPath || c.PixelEventPath == c.PixelGIFPath,
		"TOUCHLINE_PIXEL_SCRIPT_PATH, TOUCHLINE_PIXEL_EVENT_PATH and TOUCHLINE_PIXEL_GIF_PATH must be three paths")
	fault(c.StreamShards < 1 || c.StreamShards > 1024, "TOUCHLINE_STREAM_SHARDS must be 1 to 1024")
	fault(c.SourceRate < 0, "TOUCHLINE_SOURCE_RATE must not be negative")
	fault(c.MaxMemory != 0 && c.MaxMemory < c.MaxWebhook, "TOUCHLINE_MAX_MEMORY_BYTES must be 0 or at least TOUCHLINE_MAX_WEBHOOK_BYTES")
	fault(c.MaxConns < 0 || c.MaxPeerConns < 0, "TOUCHLINE_MAX_CONNECTIONS and TOUCHLINE_MAX_PEER_CONNECTIONS must not be negative")
	fault(c.RedisTimeout < 10*time.Millisecond || c.RedisTimeout > time.Minute, "TOUCHLINE_REDIS_TIMEOUT must be 10ms to 1m")
	fault(c.SpoolMaxBytes < 1<<20, "TOUCHLINE_SPOOL_MAX_BYTES must be at least 1048576")
	fault(c.SpoolMaxAge < time.Minute, "TOUCHLINE_SPOOL_MAX_AGE must be at least 1m")
	fault(c.MaxItem < 1024, "TOUCHLINE_MAX_ITEM_BYTES must be at least 1024")
	fault(c.MaxBody < int64(c.MaxItem), "TOUCHLINE_MAX_BODY_BYTES must be at least TOUCHLINE_MAX_ITEM_BYTES")
	fault(c.MaxWebhook < 3<<20, "TOUCHLINE_MAX_WEBHOOK_BYTES must be at least 3145728: Meta sends as much")
	if c.TrackingURL != "" {
		u, err := url.Parse(c.TrackingURL)
		fault(err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https", "TOUCHLINE_TRACKING_URL must be an http or https URL")
	}
	return errors.Join(faults...)
}
