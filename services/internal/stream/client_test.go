package stream

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	miniserver "github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// configured starts a Redis that answers CONFIG GET with settings.
func configured(t *testing.T, settings map[string]string) redis.UniversalClient {
	t.Helper()
	m := miniredis.RunT(t)
	m.Server().SetPreHook(func(c *miniserver.Peer, cmd string, args ...string) bool {
		if !strings.EqualFold(cmd, "CONFIG") || settings == nil {
			return false
		}
		c.WriteMapLen(1)
		c.WriteBulk(args[1])
		c.WriteBulk(settings[args[1]])
		return true
	})
	client, err := NewReaderClient("redis://"+m.Addr(), 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// The logger is the process's: lines of other tests may come in between.
func TestLogClients(t *testing.T) {
	t.Parallel()
	lines := make(chan string, 1000)
	LogClients(slog.New(slog.NewJSONHandler(lineWriter(lines), &slog.HandlerOptions{Level: slog.LevelDebug})))
	client, err := NewWriterClient("redis://127.0.0.1:1") // nothing listens there
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if client.Ping(t.Context()).Err() == nil {
		t.Fatal("something listens on port 1")
	}
	select {
	case line := <-lines:
		if !strings.Contains(line, `"msg":"redis client"`) || !strings.Contains(line, `"level":"DEBUG"`) {
			t.Errorf("logged %s", line)
		}
	case <-time.After(5 * time.Second):
		t.Error("the client's own words did not reach the log")
	}
}

// lineWriter passes on what is written as long as somebody has room for it.
type lineWriter chan<- string

func (w lineWriter) Write(p []byte) (int, error) {
	select {
	case w <- string(p):
	default:
	}
	return len(p), nil
}

func TestCheck(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		policy, aof, fsync string
		warnings           []string
		refused            bool
	}{
		"safe":          {policy: "noeviction", aof: "yes", fsync: "always"},
		"one second":    {policy: "noeviction", aof: "yes", fsync: "everysec", warnings: []string{"appendfsync"}},
		"memory only":   {policy: "noeviction", aof: "no", fsync: "always", warnings: []string{"appendonly"}},
		"evicts by LRU": {policy: "allkeys-lru", aof: "yes", fsync: "always", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			warnings, err := Check(t.Context(), configured(t, map[string]string{
				"maxmemory-policy": c.policy, "appendonly": c.aof, "appendfsync": c.fsync,
			}))
			if (err != nil) != c.refused {
				t.Errorf("error %v, want refused %t", err, c.refused)
			}
			if !slices.EqualFunc(warnings, c.warnings, strings.Contains) {
				t.Errorf("warnings %q, want about %q", warnings, c.warnings)
			}
		})
	}
}

func TestCheck_ServerWithoutConfig(t *testing.T) {
	t.Parallel()
	if _, err := Check(t.Context(), configured(t, nil)); !errors.Is(err, ErrNoConfig) {
		t.Errorf("error %v, want ErrNoConfig", err)
	}
}

func TestCheck_ServerAway(t *testing.T) {
	t.Parallel()
	client, err := NewWriterClient("redis://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := Check(t.Context(), client); err == nil || errors.Is(err, ErrNoConfig) {
		t.Errorf("error %v, want one that is not about CONFIG", err)
	}
}

func TestNewWriterClient(t *testing.T) {
	t.Parallel()
	client, err := NewWriterClient("redis://:word@localhost:6379/2?max_retries=7")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	node, ok := client.(*redis.Client)
	if !ok {
		t.Fatalf("%T for one address", client)
	}
	// go-redis turns -1 into "none".
	if o := node.Options(); o.MaxRetries != 0 || !o.ContextTimeoutEnabled || o.DB != 2 || o.Password != "word" {
		t.Errorf("options %+v", o)
	}
	cluster, err := NewWriterClient("redis://localhost:6379?addr=localhost:6380")
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	if _, ok := cluster.(*redis.ClusterClient); !ok {
		t.Errorf("%T for two addresses", cluster)
	}
}

func TestNewWriterClient_ErrorKeepsThePassword(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"redis://:hunter2@local host", "http://:hunter2@localhost"} {
		_, err := NewWriterClient(bad)
		if err == nil {
			t.Errorf("%s was taken", bad)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error has the password: %v", err)
		}
	}
}
