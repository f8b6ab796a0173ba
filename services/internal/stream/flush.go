package stream

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
)

// flush is hits of one epoch and shard with consecutive numbers.
type flush struct {
	first    int64
	fields   []string // account of each hit, "workspace/source/hour"
	payloads []string
}

// newFlush numbers the hits of calls.
func newFlush(first int64, calls []*call) flush {
	f := flush{first: first}
	for _, one := range calls {
		f.fields = append(f.fields, one.fields...)
		f.payloads = append(f.payloads, one.payloads...)
	}
	return f
}

// last is the number of the last hit; first - 1 when there is none.
func (f flush) last() int64 { return f.first + int64(len(f.payloads)) - 1 }

func (f flush) bytes() int {
	n := 0
	for i := range f.payloads {
		n += len(f.fields[i]) + len(f.payloads[i])
	}
	return n
}

// encode writes a flush as a record of the spool: a version, the first number, then
// field and payload of each hit, lengths first.
func (f flush) encode() []byte {
	record := make([]byte, 1, 16+f.bytes()+8*len(f.payloads))
	record[0] = flushVersion
	record = binary.AppendUvarint(record, uint64(f.first))
	for i := range f.payloads {
		for _, text := range []string{f.fields[i], f.payloads[i]} {
			record = binary.AppendUvarint(record, uint64(len(text)))
			record = append(record, text...)
		}
	}
	return record
}

const flushVersion = 1

var errFlush = errors.New("not a flush")

// decodeFlush reads what encode wrote.
func decodeFlush(record []byte) (flush, error) {
	if len(record) == 0 || record[0] != flushVersion {
		return flush{}, fmt.Errorf("%w: unknown version", errFlush)
	}
	record = record[1:]
	first, n := binary.Uvarint(record)
	if n <= 0 || first == 0 || first > 1<<62 {
		return flush{}, fmt.Errorf("%w: bad number", errFlush)
	}
	f := flush{first: int64(first)}
	for record = record[n:]; len(record) > 0; {
		var pair [2]string
		for i := range pair {
			length, n := binary.Uvarint(record)
			if n <= 0 || length > uint64(len(record)-n) {
				return flush{}, fmt.Errorf("%w: cut short", errFlush)
			}
			pair[i] = string(record[n : n+int(length)])
			record = record[n+int(length):]
		}
		f.fields, f.payloads = append(f.fields, pair[0]), append(f.payloads, pair[1])
	}
	return f, nil
}

// line is the way of one epoch's hits into one shard.
type line struct {
	to    Appender
	cfg   Config
	shard int
	epoch uuid.UUID
}

// append sends a flush once. It returns nil when Redis has it, by this call or an
// earlier one. After an error Redis may have it or not.
func (l line) append(ctx context.Context, f flush, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return l.to.Append(ctx, l.run(f.first, f.last()), f.fields, f.payloads)
}

func (l line) run(first, last int64) Run {
	return Run{Epoch: l.epoch, Shard: l.shard, First: first, Last: last}
}

// bookTime is how long a question to the books may take: it is small, so that more
// time would not help.
const bookTime = time.Second

// appended returns the largest number that Redis has.
func (l line) appended(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, bookTime)
	defer cancel()
	return l.to.Appended(ctx, l.epoch, l.shard)
}

// announce tells the books of hits from first to last that are on disk. It returns
// false when the books are not in step: then the hits count when they are appended.
func (l line) announce(ctx context.Context, first, last int64, counts map[string]int64) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, bookTime)
	defer cancel()
	return l.to.Announce(ctx, l.run(first, last), counts)
}
