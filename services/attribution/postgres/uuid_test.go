package postgres

import (
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// Ids go to the database and come back as they are, alone, in arrays and when there is
// none.
func TestUUID_thereAndBack(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	one, list := uuid.New(), []uuid.UUID{uuid.New(), uuid.Nil, uuid.New()}
	var gotOne, left uuid.UUID
	var gotList []uuid.UUID
	var none, some *uuid.UUID
	err = pool.pool.QueryRow(t.Context(), "select $1::uuid, $2::uuid[], $3::uuid, $4::uuid, null::uuid", one, list, (*uuid.UUID)(nil), &one).
		Scan(&gotOne, &gotList, &none, &some, &left)
	if err != nil {
		t.Fatal(err)
	}
	if gotOne != one || !slices.Equal(gotList, list) || none != nil || some == nil || *some != one || left != uuid.Nil {
		t.Errorf("%v %v %v %v %v came back", gotOne, gotList, none, some, left)
	}
	var text string
	if err := pool.pool.QueryRow(t.Context(), "select ($1::uuid)::text", one).Scan(&text); err != nil || text != one.String() {
		t.Errorf("the database reads %s as %s: %v", one, text, err)
	}
}

func BenchmarkUUID_encode(b *testing.B) {
	ids := make([]uuid.UUID, 1000)
	for i := range ids {
		ids[i] = uuid.New()
	}
	for name, register := range map[string]func(*pgtype.Map){"pgx": func(*pgtype.Map) {}, "ours": registerUUID} {
		b.Run(name, func(b *testing.B) {
			m := pgtype.NewMap()
			register(m)
			for b.Loop() {
				if _, err := m.Encode(pgtype.UUIDArrayOID, pgtype.BinaryFormatCode, ids, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
