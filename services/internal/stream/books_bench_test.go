package stream

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/redistest"
)

// BenchmarkProbe measures what a search for gaps costs while a million entries wait in
// one shard: a look at all of them, and the comparison that mostly replaces it.
func BenchmarkProbe(b *testing.B) {
	client, prefix := redistest.New(b)
	cfg := Config{Prefix: prefix, Shards: 1}.withDefaults()
	epoch, field := uuid.NewString(), uuid.NewString()+"/"+uuid.NewString()
	const total = 1_000_000
	for n := 0; n < total; {
		pipe := client.Pipeline()
		for range 5000 {
			n++
			pipe.Do(b.Context(), "XADD", cfg.hitsKey(0), "*", "n", n, "e", epoch, "w", field, "t", 1, "h", "payload of some bytes")
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	client.HSet(b.Context(), cfg.booksKey(0), "inflight:"+field, total)
	probe := NewProbe(client, cfg)
	b.Run("Held", func(b *testing.B) {
		for b.Loop() {
			if held, err := probe.Held(b.Context(), 0); err != nil || len(held.Runs) != 1 {
				b.Fatal(len(held.Runs), err)
			}
		}
	})
	b.Run("Excess", func(b *testing.B) {
		for b.Loop() {
			if length, excess, err := probe.Excess(b.Context(), 0); err != nil || length != total || excess != 0 {
				b.Fatal(length, excess, err)
			}
		}
	})
	b.Run("Rebuild", func(b *testing.B) {
		for b.Loop() {
			if _, err := probe.scripts.sow(b.Context(), client, cfg, 0, Seed{looked: "0-0"}); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkReadWorkspace measures Redis' side of one workspace's books among 1,900, beside
// reading all of them.
func BenchmarkReadWorkspace(b *testing.B) {
	client, prefix := redistest.New(b)
	cfg := Config{Prefix: prefix}.withDefaults()
	ask := Question{Consumers: []uuid.UUID{uuid.New(), uuid.New(), uuid.New(), uuid.New()}}
	for range 1900 {
		ask.Workspace, ask.Sources = uuid.New(), []uuid.UUID{uuid.New(), uuid.New()}
		pipe := client.Pipeline()
		for shard := range cfg.Shards {
			for _, source := range ask.Sources {
				field := ask.Workspace.String() + "/" + source.String()
				pipe.HSet(b.Context(), cfg.booksKey(shard), "accepted:"+field, 1000, "inflight:"+field, 10)
				var hours []any
				for hour := range 48 {
					hours = append(hours, fmt.Sprintf("accepted:%s/%d", source, hour), 20)
				}
				pipe.HSet(b.Context(), cfg.hoursKey(shard)+":"+ask.Workspace.String(), hours...)
			}
		}
		if _, err := pipe.Exec(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			if _, err := ReadWorkspace(b.Context(), client, cfg, ask); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if _, err := ReadBooks(b.Context(), client, cfg); err != nil {
				b.Fatal(err)
			}
		}
	})
}
