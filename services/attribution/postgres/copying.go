package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/internal/hit"
)

// copying is rows in the binary format of COPY. pgx looks up for each value how to encode it,
// which was a tenth of consume's time and an eighth of a build's.
type copying struct {
	buf     []byte
	columns uint16
	rows    int64
	fault   error // the first
}

// copyPiece is about how many bytes are sent by one COPY where rows may be any number: what
// one change of a large person writes may be a gigabyte.
const copyPiece = 4 << 20

// Of the format: what is before the first row and behind the last.
const copyHeader, copyTrailer = 19, 2

// newCopy makes room for so many bytes of values in so many rows.
func newCopy(columns, size, rows int) *copying {
	return newCopyOf(columns, size+rows*(2+4*columns))
}

// newCopyPiece is newCopy of rows that are sent by the piece.
func newCopyPiece(columns, size, rows int) *copying {
	const over = copyPiece / 64 // of the row that makes it full
	return newCopyOf(columns, min(size+rows*(2+4*columns), copyPiece+over))
}

func newCopyOf(columns, size int) *copying {
	c := &copying{columns: uint16(columns), buf: make([]byte, 0, copyHeader+size+copyTrailer)}
	c.buf = append(c.buf, "PGCOPY\n\377\r\n\000"...)
	c.buf = append(c.buf, make([]byte, 8)...) // no flags, no more header
	return c
}

// row begins one. Its values follow.
func (c *copying) row() {
	c.rows++
	c.buf = binary.BigEndian.AppendUint16(c.buf, c.columns)
}

// value begins one of so many bytes, which follow.
func (c *copying) value(size int) { c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(size)) }

func (c *copying) null() { c.buf = binary.BigEndian.AppendUint32(c.buf, math.MaxUint32) }

func (c *copying) uuid(v uuid.UUID) {
	c.value(len(v))
	c.buf = append(c.buf, v[:]...)
}

// uuidOrNone is null where there is none.
func (c *copying) uuidOrNone(v uuid.UUID) {
	if v == uuid.Nil {
		c.null()
		return
	}
	c.uuid(v)
}

// uuids of none is an empty array, never null.
func (c *copying) uuids(list []uuid.UUID) {
	c.array(pgtype.UUIDOID, len(list), 20*len(list))
	for _, v := range list {
		c.uuid(v)
	}
}

func (c *copying) text(v string) {
	c.value(len(v))
	c.buf = append(c.buf, v...)
}

// textOrNone is null where it is empty.
func (c *copying) textOrNone(v string) {
	if v == "" {
		c.null()
		return
	}
	c.text(v)
}

// texts of none is an empty array, never null.
func (c *copying) texts(list []string) {
	size := 4 * len(list)
	for _, v := range list {
		size += len(v)
	}
	c.array(pgtype.TextOID, len(list), size)
	for _, v := range list {
		c.text(v)
	}
}

// array begins one of values that have so many bytes with their lengths.
func (c *copying) array(element uint32, values, size int) {
	c.value(20 + size)
	c.arrayHead(element, values)
}

func (c *copying) arrayHead(element uint32, values int) {
	for _, word := range []uint32{1, 0, element, uint32(values), 1} {
		c.buf = binary.BigEndian.AppendUint32(c.buf, word)
	}
}

func (c *copying) bool(v bool) {
	c.value(1)
	if v {
		c.buf = append(c.buf, 1)
	} else {
		c.buf = append(c.buf, 0)
	}
}

func (c *copying) int2(v int16) {
	c.value(2)
	c.buf = binary.BigEndian.AppendUint16(c.buf, uint16(v))
}

func (c *copying) int4(v int32) {
	c.value(4)
	c.buf = binary.BigEndian.AppendUint32(c.buf, uint32(v))
}

func (c *copying) int8(v int64) {
	c.value(8)
	c.buf = appendInt64(c.buf, v)
}

func (c *copying) int8s(list []int64) {
	c.array(pgtype.Int8OID, len(list), 12*len(list))
	for _, v := range list {
		c.int8(v)
	}
}

func (c *copying) instant(at hit.Instant) { c.int8(int64(at - wireEpoch)) }

// instantOrNone is null where it is not known.
func (c *copying) instantOrNone(at hit.Instant) {
	if at == 0 {
		c.null()
		return
	}
	c.instant(at)
}

// numeric is a decimal.
func (c *copying) numeric(text string) {
	c.sized(func() {
		var err error
		if c.buf, err = appendNumeric(c.buf, text); err != nil && c.fault == nil {
			c.fault = err
		}
	})
}

// numericOrNone is null where the text is empty.
func (c *copying) numericOrNone(text string) {
	if text == "" {
		c.null()
		return
	}
	c.numeric(text)
}

// numericsOrNone is null where there is no list.
func (c *copying) numericsOrNone(texts []string) {
	if texts == nil {
		c.null()
		return
	}
	c.sized(func() {
		c.arrayHead(pgtype.NumericOID, len(texts))
		for _, text := range texts {
			c.numeric(text)
		}
	})
}

// sized writes what add adds behind its length.
func (c *copying) sized(add func()) {
	c.value(0)
	begin := len(c.buf)
	add()
	binary.BigEndian.PutUint32(c.buf[begin-4:], uint32(len(c.buf)-begin))
}

// full says that there is enough for a piece.
func (c *copying) full() bool { return len(c.buf) >= copyPiece }

// reset makes it one without rows.
func (c *copying) reset() { c.buf, c.rows = c.buf[:copyHeader], 0 }

// send ends the rows and writes them.
func (c *copying) send(ctx context.Context, t *Tx, statement string) (int64, error) {
	if c.fault != nil {
		return 0, c.fault
	}
	c.buf = binary.BigEndian.AppendUint16(c.buf, 0xffff)
	tag, err := t.tx.Conn().PgConn().CopyFrom(ctx, bytes.NewReader(c.buf), statement)
	if err == nil && tag.RowsAffected() != c.rows {
		err = fmt.Errorf("%d of %d rows were written", tag.RowsAffected(), c.rows)
	}
	return tag.RowsAffected(), err
}
