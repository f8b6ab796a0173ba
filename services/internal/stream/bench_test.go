package stream

import (
	"context"
	"testing"

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
