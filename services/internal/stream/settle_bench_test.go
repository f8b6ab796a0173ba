package stream

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/redistest"
)

// BenchmarkSettle is the worker's side: entries are read and settled, 500 at a time. Beside
// the time it tells the CPU time of Redis, in microseconds an entry.
func BenchmarkSettle(b *testing.B) {
	client, prefix := redistest.New(b)
	cfg := Config{Prefix: prefix, Shards: 1}
	w := newWriter(b, client, cfg, uuid.New())
	r := NewReader(client, cfg, "bench", uuid.New())
	hits := newHits(1)
	for len(hits) < 500 {
		hits = append(hits, hits[0])
	}
	var number int64
	var read, settled float64
	for b.Loop() {
		b.StopTimer()
		if _, err := w.Append(context.Background(), hits); err != nil {
			b.Fatal(err)
		}
		began := redisTime(b, client)
		b.StartTimer()
		entries, err := r.Read(context.Background(), 0, 500, 0)
		if err != nil || len(entries) != 500 {
			b.Fatal(len(entries), err)
		}
		b.StopTimer()
		between := redisTime(b, client)
		b.StartTimer()
		number++
		if err := r.Settle(context.Background(), batch(r, number, entries)); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		read, settled = read+between-began, settled+redisTime(b, client)-between
		b.StartTimer()
	}
	b.ReportMetric(read/float64(number*500), "µs-redis-read/entry")
	b.ReportMetric(settled/float64(number*500), "µs-redis-settle/entry")
}

// redisTime is the CPU time that Redis took since its start, in microseconds.
func redisTime(tb testing.TB, client redis.UniversalClient) float64 {
	tb.Helper()
	info, err := client.Info(tb.Context(), "cpu").Result()
	if err != nil {
		tb.Fatal(err)
	}
	var sum float64
	for line := range strings.Lines(info) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		if name == "used_cpu_user" || name == "used_cpu_sys" {
			seconds, err := strconv.ParseFloat(value, 64)
			if err != nil {
				tb.Fatal(err)
			}
			sum += 1e6 * seconds
		}
	}
	return sum
}
