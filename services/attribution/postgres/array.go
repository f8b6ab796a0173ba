package postgres

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// arrayCodec encodes a []T in one go. pgx itself puts each element into an interface and
// looks up how to encode it, and grows its buffer as it goes: half of what a worker
// allocated. Everything else (other Go types, text, reading) is left to pgx.
type arrayCodec[T any] struct {
	*pgtype.ArrayCodec
	size   func(value T) int                       // in bytes; -1 is null
	append func(buf []byte, value T) (with []byte) // appends so many
}

// registerArrays makes m use the codec for the arrays that statements take.
func registerArrays(m *pgtype.Map) {
	registerArray(m, "uuid", fixed[uuid.UUID](16), func(buf []byte, v uuid.UUID) []byte { return append(buf, v[:]...) })
	registerArray(m, "text", func(v string) int { return len(v) }, func(buf []byte, v string) []byte { return append(buf, v...) })
	registerArray(m, "bool", fixed[bool](1), func(buf []byte, v bool) []byte {
		if v {
			return append(buf, 1)
		}
		return append(buf, 0)
	})
	registerArray(m, "int2", fixed[int16](2), func(buf []byte, v int16) []byte { return binary.BigEndian.AppendUint16(buf, uint16(v)) })
	registerArray(m, "int4", fixed[int32](4), func(buf []byte, v int32) []byte { return binary.BigEndian.AppendUint32(buf, uint32(v)) })
	registerArray(m, "int8", fixed[int64](8), appendInt64)
	registerArray(m, "timestamptz", fixed[time.Time](8), appendTime)
	registerArray(m, "bytea", func(v []byte) int {
		if v == nil {
			return -1
		}
		return len(v)
	}, func(buf, v []byte) []byte { return append(buf, v...) })
}

func fixed[T any](size int) func(T) int { return func(T) int { return size } }

func appendInt64(buf []byte, v int64) []byte { return binary.BigEndian.AppendUint64(buf, uint64(v)) }

// epoch is what times in the database are counted from, in microseconds.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func appendTime(buf []byte, v time.Time) []byte { return appendInt64(buf, v.UnixMicro()-epoch) }

func registerArray[T any](m *pgtype.Map, element string, size func(T) int, add func([]byte, T) []byte) {
	of, known := m.TypeForName(element)
	array, known2 := m.TypeForName("_" + element)
	if !known || !known2 {
		panic("pgx does not know arrays of " + element) // a new release of it would
	}
	m.RegisterType(&pgtype.Type{Name: array.Name, OID: array.OID, Codec: arrayCodec[T]{
		ArrayCodec: &pgtype.ArrayCodec{ElementType: of}, size: size, append: add,
	}})
}

// PlanEncode implements [pgtype.Codec].
func (c arrayCodec[T]) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ours := value.([]T); ours && format == pgtype.BinaryFormatCode {
		return arrayPlan[T](c)
	}
	return c.ArrayCodec.PlanEncode(m, oid, format, value)
}

// arrayPlan encodes a []T.
type arrayPlan[T any] arrayCodec[T]

// Encode implements [pgtype.EncodePlan]. Nil is null.
func (p arrayPlan[T]) Encode(value any, buf []byte) ([]byte, error) {
	list := value.([]T) //nolint:forcetypeassert // PlanEncode has looked
	if list == nil {
		return nil, nil
	}
	total, null := 20, uint32(0)
	for _, v := range list {
		size := p.size(v)
		if size < 0 {
			null = 1
		}
		total += 4 + max(size, 0)
	}
	buf = slices.Grow(buf, total)
	for _, word := range []uint32{1, null, p.ElementType.OID, uint32(len(list)), 1} {
		buf = binary.BigEndian.AppendUint32(buf, word)
	}
	for _, v := range list {
		size := p.size(v)
		buf = binary.BigEndian.AppendUint32(buf, uint32(int32(size)))
		if size > 0 {
			buf = p.append(buf, v)
		}
	}
	return buf, nil
}
