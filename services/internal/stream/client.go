package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// NewWriterClient returns a client for a [Writer] and for everything else that
// does not block, from a redis:// or rediss:// URL. More than one address,
// redis://host:port?addr=host2:port2, means a Redis Cluster.
//
// It never retries: a write that timed out may have been done, and only the
// caller knows whether doing it twice is harmless. Contexts bound every command.
func NewWriterClient(redisURL string) (redis.UniversalClient, error) {
	// The context of a call is the limit that counts; 10 s is for those without one.
	return newClient(redisURL, 10*time.Second, 32)
}

// NewReaderClient returns a client for blocking reads. It has its own pool, so that
// blocked reads never keep anything else waiting; readers bounds how many of them
// run at a time, usually the number of shards.
func NewReaderClient(redisURL string, readers int) (redis.UniversalClient, error) {
	return newClient(redisURL, 10*time.Second, readers+4)
}

// LogClients sends what go-redis says by itself to log, for all clients of the process:
// by default it writes plain lines to standard error. The level is debug, because
// what matters of it comes back as the error of a call too.
func LogClients(log *slog.Logger) { redis.SetLogger(clientLog{log}) }

// clientLog is the logger that go-redis wants.
type clientLog struct{ log *slog.Logger }

// Printf implements the interface.
func (l clientLog) Printf(ctx context.Context, format string, args ...any) {
	l.log.DebugContext(ctx, "redis client", "says", fmt.Sprintf(format, args...))
}

func newClient(redisURL string, timeout time.Duration, pool int) (redis.UniversalClient, error) {
	quiet := &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	if isCluster(redisURL) {
		opts, err := redis.ParseClusterURL(redisURL)
		if err != nil {
			return nil, withoutSecret("parse the Redis Cluster URL", err)
		}
		opts.MaxRetries, opts.ContextTimeoutEnabled = -1, true
		opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = time.Second, timeout, timeout
		opts.DialerRetries, opts.PoolSize, opts.PoolTimeout = 1, pool, time.Second
		opts.MaintNotificationsConfig, opts.DisableIdentity = quiet, true
		return redis.NewClusterClient(opts), nil
	}
	opts, err := redis.ParseURL(redisURL)
	if err != nil {
		return nil, withoutSecret("parse the Redis URL", err)
	}
	opts.MaxRetries, opts.ContextTimeoutEnabled = -1, true
	opts.DialTimeout, opts.ReadTimeout, opts.WriteTimeout = time.Second, timeout, timeout
	opts.DialerRetries, opts.PoolSize, opts.PoolTimeout = 1, pool, time.Second
	opts.MaintNotificationsConfig, opts.DisableIdentity = quiet, true
	return redis.NewClient(opts), nil
}

func isCluster(redisURL string) bool {
	u, err := url.Parse(redisURL)
	return err == nil && u.Query().Has("addr")
}

// withoutSecret drops the URL, and with it the password, that a [url.Error] quotes.
func withoutSecret(what string, err error) error {
	var quoted *url.Error
	if errors.As(err, &quoted) {
		err = quoted.Err
	}
	return fmt.Errorf("%s: %w", what, err)
}

// Check refuses a Redis that may drop entries by itself ([ErrEvicts]), and returns warnings
// about one that may lose them in a crash. A Redis that does not answer CONFIG GET
// gives [ErrNoConfig]: whether that is acceptable is the caller's to know. Any other error
// leaves the question open.
func Check(ctx context.Context, client redis.UniversalClient) (warnings []string, err error) {
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		return checkNode(ctx, client)
	}
	found := make(chan []string, 1)
	found <- nil
	err = cluster.ForEachMaster(ctx, func(ctx context.Context, node *redis.Client) error {
		more, err := checkNode(ctx, node)
		found <- append(<-found, more...)
		return err
	})
	return <-found, err
}

func checkNode(ctx context.Context, node redis.Cmdable) (warnings []string, err error) {
	settings := map[string]string{}
	for _, name := range []string{"maxmemory-policy", "appendonly", "appendfsync"} {
		answer, err := node.ConfigGet(ctx, name).Result()
		if err != nil && isRefusal(err) {
			return nil, fmt.Errorf("check %s: %w: %w", name, ErrNoConfig, err)
		}
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", name, err)
		}
		settings[name] = strings.ToLower(answer[name])
	}
	if policy := settings["maxmemory-policy"]; policy != "noeviction" {
		return nil, fmt.Errorf("%w when its memory is full: it has maxmemory-policy %s: set noeviction", ErrEvicts, policy)
	}
	switch {
	case settings["appendonly"] != "yes":
		warnings = append(warnings, "redis has appendonly off: acknowledged hits are lost when it stops; set appendonly yes and appendfsync always")
	case settings["appendfsync"] != "always":
		warnings = append(warnings, "redis has appendfsync "+settings["appendfsync"]+": a power cut loses the last second or more; set appendfsync always")
	}
	return warnings, nil
}

// isRefusal tells "no such command" and "not for you" from a server that is loading
// or gone. The texts are those of Redis, of its ACLs and of miniredis.
func isRefusal(err error) bool {
	text := strings.ToLower(err.Error())
	return strings.HasPrefix(text, "err unknown") || strings.HasPrefix(text, "noperm")
}
