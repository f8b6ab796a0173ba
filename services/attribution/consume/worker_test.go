package consume

import (
	"os"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/failpoint"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/stream"
)

// TestWorkerProcess is no test: the kill tests run it as a process.
func TestWorkerProcess(t *testing.T) {
	t.Parallel()
	if os.Getenv(envURL) == "" {
		t.Skip("runs only as the process that TestConsumer_killed kills")
	}
	options, err := redis.ParseURL(os.Getenv(redistest.Env))
	if err != nil {
		t.Fatal(err)
	}
	pool, err := postgres.Open(t.Context(), os.Getenv(envURL), postgres.RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		database: &database{pool: pool}, client: redis.NewClient(options),
		stream: stream.Config{Prefix: os.Getenv(envPrefix), Shards: 2, Logger: quiet()},
	}
	c := r.consumer(t, func(cfg *Config, _ *Parts) { cfg.Failpoints = failpoint.FromEnv(os.Getenv) })
	t.Fatal(c.Run(t.Context())) // until the failpoint ends the process
}
