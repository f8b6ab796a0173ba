package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
)

// Entry is one hit in a stream.
type Entry struct {
	ID      string // the stream's, "milliseconds-counter"; say nothing about time from it
	Shard   int
	Field   string    // "workspace/source", as in the books
	Hour    time.Time // of receipt, UTC, as the books count it; zero when the entry does not say
	Receipt hit.Receipt
	Payload []byte // of [hit.Encode]; may be anything when somebody else wrote to the stream
	// Deliveries counts how often the entry was handed out, this time included. One
	// that kills its worker is recognised by it.
	Deliveries int64
}

// Account names the entry in a [Batch]. stored says that the batch is the one that stores
// the hit: it counts the entry down even when somebody deleted it meanwhile.
func (e Entry) Account(stored bool) string {
	account := e.Field
	if !e.Hour.IsZero() {
		account += "/" + strconv.FormatInt(hourOf(e.Hour), 10)
	}
	if stored {
		account += "!"
	}
	return account
}

// hourOf is hours since 1970; never less than 0.
func hourOf(at time.Time) int64 { return max(at.Unix(), 0) / 3600 }

// Reader hands out the entries of the streams to one consumer of a group. It is
// safe for concurrent use; calls of one shard should come from one goroutine.
type Reader struct {
	client   redis.UniversalClient
	cfg      Config
	group    string
	consumer uuid.UUID
	scripts  scripts
	log      *slog.Logger
	lost     atomic.Int64

	mu      sync.Mutex
	cursors []cursor
}

// cursor is where a reader stands in one shard.
type cursor struct {
	last    string // id of the last entry that Read returned
	pending bool   // own pending entries behind last may exist
	claim   string // where the next Claim goes on
}

// NewReader returns a reader. The client should come from [NewReaderClient]. A
// consumer that starts again under its name gets first what it had not settled.
func NewReader(client redis.UniversalClient, cfg Config, group string, consumer uuid.UUID) *Reader {
	cfg = cfg.withDefaults()
	r := &Reader{
		client: client, cfg: cfg, group: group, consumer: consumer, scripts: newScripts(),
		log:     cfg.Logger.With("group", group, "consumer", consumer.String()),
		cursors: make([]cursor, cfg.Shards),
	}
	for i := range r.cursors {
		r.cursors[i] = cursor{last: "0-0", pending: true, claim: "0-0"}
	}
	return r
}

// Consumer returns the name of the reader, to be put into [Batch.Consumer].
func (r *Reader) Consumer() uuid.UUID { return r.consumer }

// Lost returns how many entries vanished without having been settled, since the
// reader started: somebody deleted or trimmed them. Each is a lost hit.
func (r *Reader) Lost() int64 { return r.lost.Load() }

// Read returns up to limit entries of a shard, oldest first, and waits at most block
// for the first; no entry within it is no error. block 0 does not wait.
//
// After a start it returns what this consumer had been given before and has not
// settled, and after a failed call what Redis may have handed out in it. A missing
// group or stream is created, at its beginning: what is read twice for that is a
// known receipt to the caller. Cancelling ctx may take up to block.
func (r *Reader) Read(ctx context.Context, shard int, limit int64, block time.Duration) ([]Entry, error) {
	if err := r.cfg.checkShard(shard); err != nil {
		return nil, err
	}
	at := r.cursor(shard)
	if at.pending {
		entries, err := r.readFrom(ctx, shard, at.last, limit, -1)
		if err != nil || len(entries) > 0 {
			return entries, err
		}
		r.move(shard, func(c *cursor) { c.pending = false })
	}
	if block <= 0 {
		block = -1 // Redis takes 0 for "for ever"
	}
	return r.readFrom(ctx, shard, ">", limit, block)
}

// readFrom is one XREADGROUP, repeated once when the group had to be created.
func (r *Reader) readFrom(ctx context.Context, shard int, from string, limit int64, block time.Duration) ([]Entry, error) {
	args := &redis.XReadGroupArgs{
		Group: r.group, Consumer: r.consumer.String(),
		Streams: []string{r.cfg.hitsKey(shard), from}, Count: limit, Block: block,
	}
	streams, err := r.client.XReadGroup(ctx, args).Result()
	if isNoGroup(err) {
		if err = r.createGroup(ctx, shard); err != nil {
			return nil, err
		}
		streams, err = r.client.XReadGroup(ctx, args).Result()
	}
	if errors.Is(err, redis.Nil) || isUnblocked(err) {
		return nil, nil
	}
	if err != nil {
		// The entries may have been handed to us without our seeing them.
		r.move(shard, func(c *cursor) { c.pending = true })
		return nil, fmt.Errorf("read shard %d: %w", shard, err)
	}
	var messages []redis.XMessage
	for _, s := range streams {
		messages = append(messages, s.Messages...)
	}
	return r.accept(ctx, shard, messages, from == ">")
}

// accept turns messages into entries and moves the cursor behind them.
func (r *Reader) accept(ctx context.Context, shard int, messages []redis.XMessage, fresh bool) ([]Entry, error) {
	entries, gone := r.entries(shard, messages)
	if !fresh {
		if err := r.count(ctx, shard, entries); err != nil {
			return nil, err
		}
	}
	if err := r.bury(ctx, shard, gone); err != nil {
		return nil, err
	}
	if n := len(messages); n > 0 {
		r.move(shard, func(c *cursor) { c.last = messages[n-1].ID })
	}
	if len(entries) == 0 && len(gone) > 0 {
		// Nothing but deleted ones: an empty answer would end the reading of own pending entries.
		return r.readFrom(ctx, shard, r.cursor(shard).last, int64(len(messages)), -1)
	}
	return entries, nil
}

// entries decodes messages; gone are the ids whose payload was deleted.
func (r *Reader) entries(shard int, messages []redis.XMessage) (entries []Entry, gone []string) {
	entries = make([]Entry, 0, len(messages))
	for _, m := range messages {
		if m.Values == nil {
			gone = append(gone, m.ID)
			continue
		}
		entries = append(entries, newEntry(shard, m))
	}
	return entries, gone
}

// newEntry reads the fields of a message. What is not ours, or damaged, becomes an
// entry with a zero receipt: the caller has to put it somewhere and settle it.
func newEntry(shard int, m redis.XMessage) Entry {
	text := func(name string) string {
		s, _ := m.Values[name].(string)
		return s
	}
	e := Entry{ID: m.ID, Shard: shard, Field: text("w"), Payload: []byte(text("h")), Deliveries: 1}
	epoch, err := uuid.Parse(text("e"))
	number, err2 := strconv.ParseInt(text("n"), 10, 64)
	if err == nil && err2 == nil && number > 0 {
		e.Receipt = hit.Receipt{Epoch: epoch, Shard: shard, Number: number}
	}
	if hour, err := strconv.ParseInt(text("t"), 10, 64); err == nil && hour >= 0 && hour < maxHour && len(e.Field) == fieldLen {
		e.Hour = time.Unix(hour*3600, 0).UTC()
	}
	return e
}

// maxHour is the hour that begins in the year 3000: no clock is there yet. fieldLen is
// the length of "workspace/source"; the scripts go by it too.
const (
	maxHour  = 9028872
	fieldLen = 36 + 1 + 36
)

// createGroup makes group and stream, at the beginning: at the end it would skip
// what is there.
func (r *Reader) createGroup(ctx context.Context, shard int) error {
	if err := r.begin(ctx, shard); err != nil {
		return err
	}
	err := r.client.XGroupCreateMkStream(ctx, r.cfg.hitsKey(shard), r.group, "0").Err()
	if err != nil && !strings.HasPrefix(err.Error(), "BUSYGROUP") {
		return fmt.Errorf("create group %s of shard %d: %w", r.group, shard, err)
	}
	r.log.Warn("created a missing consumer group", "shard", shard)
	r.move(shard, func(c *cursor) { c.claim = "0-0" })
	return nil
}

func (r *Reader) cursor(shard int) cursor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cursors[shard]
}

func (r *Reader) move(shard int, change func(*cursor)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.cursors[shard])
}

func isNoGroup(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "NOGROUP")
}

// isUnblocked is the answer to a blocked read whose stream was deleted.
func isUnblocked(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "UNBLOCKED")
}
