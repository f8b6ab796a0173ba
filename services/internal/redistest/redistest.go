// Package redistest gives each test its own corner of a real Redis.
package redistest

import (
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Env names the environment variable with the URL of the Redis that tests may
// write to.
const Env = "TOUCHLINE_TEST_REDIS_URL"

// New returns a client of the test Redis and a key prefix that no other test has.
// Keys that contain the prefix are deleted, and the client closed, when the test
// ends. Without the environment variable the test is skipped.
func New(t testing.TB) (client redis.UniversalClient, prefix string) {
	t.Helper()
	address := os.Getenv(Env)
	if address == "" {
		t.Skipf("skipped: %s is not set, and this test needs a real Redis", Env)
	}
	opts, err := redis.ParseURL(address)
	if err != nil {
		t.Fatalf("%s is not a Redis URL", Env)
	}
	opts.ContextTimeoutEnabled = true
	// A test that is kept waiting must not send a command twice.
	opts.MaxRetries, opts.ReadTimeout = -1, time.Minute
	node := redis.NewClient(opts)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := node.Ping(ctx).Err(); err != nil {
		t.Fatalf("reach the Redis of %s: %v", Env, err)
	}
	prefix = "test-" + uuid.NewString()
	t.Cleanup(func() { clean(t, node, prefix) })
	return node, prefix
}

// clean deletes the keys of one test.
func clean(t testing.TB, client *redis.Client, prefix string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var keys []string
	found := client.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator()
	for found.Next(ctx) {
		keys = append(keys, found.Val())
	}
	err := found.Err()
	for some := range slices.Chunk(keys, 1000) { // there may be some for each workspace
		err = errors.Join(err, client.Unlink(ctx, some...).Err())
	}
	if err != nil {
		t.Errorf("clean up the test Redis: %v", err)
	}
	if err := client.Close(); err != nil {
		t.Errorf("close the test Redis: %v", err)
	}
}
