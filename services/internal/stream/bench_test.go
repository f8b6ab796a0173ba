package stream

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/redistest"
)

// BenchmarkAppend is the edge's side: single hits of many concurrent requests.
func BenchmarkAppend(b *testing.B) {
	client, prefix := redistest.New(b)
	w := newWriter(b, client, Config{Prefix: prefix}, uuid.New())
	hits := newHits(1)
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := w.Append(context.Background(), hits); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "hits/s")
	if err := w.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// BenchmarkFlush is what flushes of some sizes cost Redis: beside the time it tells the CPU
// time of the server, in microseconds a flush.
func BenchmarkFlush(b *testing.B) {
	client, prefix := redistest.New(b)
	hits := newHits(1)
	for len(hits) < 500 {
		hits = append(hits, hits[0])
	}
	for i, size := range []int{1, 8, 64, 500} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			cfg := Config{Prefix: fmt.Sprint(prefix, i), Shards: 1}.withDefaults()
			to := line{to: NewAppender(client, cfg), cfg: cfg, epoch: uuid.New()}
			c, err := newCall(hits[:size])
			if err != nil {
				b.Fatal(err)
			}
			f := flush{first: 1, fields: c.fields, payloads: c.payloads}
			spent := redisTime(b, client)
			for b.Loop() {
				if err := to.append(b.Context(), f, time.Minute); err != nil {
					b.Fatal(err)
				}
				f.first += int64(size)
			}
			b.ReportMetric((redisTime(b, client)-spent)/float64(b.N), "µs-redis/op")
			client.Del(b.Context(), cfg.hitsKey(0))
		})
	}
}
