package stream

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Question is what to read of the books for one workspace.
type Question struct {
	Workspace uuid.UUID
	Sources   []uuid.UUID // of whose hits
	Consumers []uuid.UUID // whose settled batches
}

// WorkspaceBooks is what the books of one shard said of a workspace at one instant.
type WorkspaceBooks struct {
	ShardBooks                      // of what was asked; Appended and Announced are empty
	Hours      map[HourField]Hourly // by hour of receipt, of all sources
	// Since is the first hour of which every hit was counted by hour: what was received
	// before is missing from Hourly.Accepted. Zero: nothing was ever counted.
	Since time.Time
}

// HourField is one source and one hour of receipt.
type HourField struct {
	Source uuid.UUID
	Hour   time.Time // its begin, UTC
}

// Hourly is what is counted of one source and hour of receipt.
type Hourly struct {
	Accepted int64 // kept for two days
	InFlight int64
	Spooled  int64
}

// ReadWorkspace returns what the books of all shards, in their order, say of one
// workspace. Unlike [ReadBooks] it does not read what they say of all others. Each
// shard's are of one instant.
func ReadWorkspace(ctx context.Context, client redis.UniversalClient, cfg Config, ask Question) ([]WorkspaceBooks, error) {
	cfg = cfg.withDefaults()
	fields := []string{"hours"}
	for _, source := range ask.Sources {
		for _, kind := range []string{"accepted:", "inflight:", "spooled:"} {
			fields = append(fields, kind+ask.Workspace.String()+"/"+source.String())
		}
	}
	for _, consumer := range ask.Consumers {
		fields = append(fields, "settled:"+consumer.String())
	}
	books := make([]WorkspaceBooks, cfg.Shards)
	for shard := range books {
		var some *redis.SliceCmd
		var hours *redis.MapStringStringCmd
		_, err := client.TxPipelined(ctx, func(pipe redis.Pipeliner) error {
			some = pipe.HMGet(ctx, cfg.booksKey(shard), fields...)
			hours = pipe.HGetAll(ctx, cfg.hoursKey(shard)+":"+ask.Workspace.String())
			return nil
		})
		if err == nil {
			books[shard], err = newWorkspaceBooks(shard, fields, some.Val(), hours.Val())
		}
		if err != nil {
			return nil, fmt.Errorf("read the books of shard %d for workspace %s: %w", shard, ask.Workspace, err)
		}
	}
	return books, nil
}

func newWorkspaceBooks(shard int, fields []string, values []any, hours map[string]string) (WorkspaceBooks, error) {
	there := map[string]string{}
	for n, value := range values {
		if text, ok := value.(string); ok {
			there[fields[n]] = text
		}
	}
	b := WorkspaceBooks{Hours: map[HourField]Hourly{}}
	var err error
	if b.ShardBooks, err = newShardBooks(shard, there); err != nil {
		return b, err
	}
	if since, err := strconv.ParseInt(there["hours"], 10, 64); err == nil {
		b.Since = time.Unix(since*3600, 0).UTC()
	}
	for name, text := range hours {
		kind, rest, _ := strings.Cut(name, ":")
		source, digits, _ := strings.Cut(rest, "/")
		id, err := uuid.Parse(source)
		hour, err2 := strconv.ParseInt(digits, 10, 64)
		n, err3 := strconv.ParseInt(text, 10, 64)
		if err != nil || err2 != nil || err3 != nil {
			return b, fmt.Errorf("field %s by hour: %q", name, text)
		}
		at := HourField{Source: id, Hour: time.Unix(hour*3600, 0).UTC()}
		h := b.Hours[at]
		switch kind {
		case "accepted":
			h.Accepted += n
		case "inflight":
			h.InFlight += n
		case "spooled":
			h.Spooled += n
		}
		b.Hours[at] = h
	}
	return b, nil
}

// Marks are the last settled batches, a row for each consumer and shard, in the columns
// that queries take. Never nil.
type Marks struct {
	Consumers []uuid.UUID
	Shards    []int32
	Batches   []int64
}

// SettledMarks lists what the shards say is settled.
func SettledMarks(books []ShardBooks) Marks {
	m := Marks{Consumers: []uuid.UUID{}, Shards: []int32{}, Batches: []int64{}}
	for _, b := range books {
		for consumer, batch := range b.Settled {
			m.Consumers = append(m.Consumers, consumer)
			m.Shards = append(m.Shards, int32(b.Shard))
			m.Batches = append(m.Batches, batch)
		}
	}
	return m
}
