package postgres

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// arrays are the types of which we encode arrays, with values that may be hard.
func arrays() map[string][]any {
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)
	return map[string][]any{
		"uuid":        {[]uuid.UUID{uuid.New(), uuid.Nil}, []uuid.UUID{}, []uuid.UUID(nil)},
		"text":        {[]string{"", "a", "å, {\"}", "NULL"}, []string{}, []string(nil)},
		"bool":        {[]bool{true, false}, []bool{}, []bool(nil)},
		"int2":        {[]int16{-32768, -1, 0, 32767}, []int16{}, []int16(nil)},
		"int4":        {[]int32{-1 << 31, -1, 0, 1<<31 - 1}, []int32{}, []int32(nil)},
		"int8":        {[]int64{-1 << 63, -1, 0, 1<<63 - 1}, []int64{}, []int64(nil)},
		"timestamptz": {[]time.Time{at, {}, at.Add(999), time.Unix(0, 0), time.Date(1999, 12, 31, 23, 59, 59, 999999999, time.FixedZone("", 3600))}, []time.Time{}},
		"bytea":       {[][]byte{{}, {0}, nil, bytes.Repeat([]byte{7}, 300)}, [][]byte{}, [][]byte(nil)},
	}
}

// Ours writes byte for byte what pgx writes, behind what is there.
func TestArray_asPgx(t *testing.T) {
	t.Parallel()
	for element, values := range arrays() {
		for _, value := range values {
			ours, theirs := pgtype.NewMap(), pgtype.NewMap()
			registerUUID(ours)
			registerArrays(ours)
			array, _ := theirs.TypeForName("_" + element)
			want, err := theirs.Encode(array.OID, pgtype.BinaryFormatCode, value, []byte("x"))
			got, err2 := ours.Encode(array.OID, pgtype.BinaryFormatCode, value, []byte("x"))
			if err != nil || err2 != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
				t.Errorf("%s %v: %v, %v, want\n%v, %v", element, value, got, err2, want, err)
			}
			if _, is := ours.PlanEncode(array.OID, pgtype.BinaryFormatCode, value).(interface{ SetNext(pgtype.EncodePlan) }); is {
				t.Errorf("%s %T is left to pgx", element, value)
			}
		}
	}
}

// What is no plain slice, and reading, is as before.
func TestArray_thereAndBack(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	one, word := uuid.New(), "a"
	var ids []uuid.UUID
	var words []string
	var some []*string
	var times []time.Time
	at := time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)
	err = pool.pool.QueryRow(t.Context(), "select $1::uuid[], $2::text[], $3::text[], $4::timestamptz[]", []uuid.UUID{one}, []string{word, ""}, []*string{&word, nil}, []time.Time{at}).
		Scan(&ids, &words, &some, &times)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{[]uuid.UUID{one}, []string{word, ""}, []*string{&word, nil}, []time.Time{at}}, []any{ids, words, some, times}); diff != "" {
		t.Errorf("came back (-want +got):\n%s", diff)
	}
}

func BenchmarkArray(b *testing.B) {
	bodies := make([][]byte, 500)
	for i := range bodies {
		bodies[i] = make([]byte, 300)
	}
	for name, register := range map[string]func(*pgtype.Map){"pgx": func(*pgtype.Map) {}, "ours": registerArrays} {
		b.Run(name, func(b *testing.B) {
			m := pgtype.NewMap()
			register(m)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := m.Encode(pgtype.ByteaArrayOID, pgtype.BinaryFormatCode, bodies, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
