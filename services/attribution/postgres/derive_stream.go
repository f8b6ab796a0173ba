package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/internal/hit"
)

// What a derivation reads most of is read row by row as it arrives, from the bytes of the
// wire: while the server goes on, and without lists that are thrown away.

// binaryResults asks for all columns in the binary format.
var binaryResults = pgx.QueryResultFormats{pgx.BinaryFormatCode}

// In order of the key of fact_ref, and nothing but that.
const carriersQuery = `-- name: DeriveCarriers
select value, fact_id from fact_ref where workspace_id = $1 order by value, at, fact_id`

// Carriers implements [derive.Facts].
func (t deriveTx) Carriers(ctx context.Context, each func(ref, fact uuid.UUID)) error {
	return t.stream(ctx, carriersQuery, []any{binaryResults, t.workspace}, func(row [][]byte) error {
		if len(row[0]) != 16 || len(row[1]) != 16 {
			return errWire
		}
		each(uuid.UUID(row[0]), uuid.UUID(row[1]))
		return nil
	})
}

// errWire says that a column has not the length that its type has.
var errWire = errors.New("the server's answer is not what was asked for")

// stream calls each with the columns of every row; they are valid until it returns.
func (t deriveTx) stream(ctx context.Context, query string, args []any, each func(row [][]byte) error) error {
	// Without a description of the result the server would send text.
	switch t.tx.Conn().Config().DefaultQueryExecMode {
	case pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol:
		args = append([]any{pgx.QueryExecModeDescribeExec}, args...)
	}
	rows, err := t.tx.Query(ctx, query, args...)
	if err != nil {
		return interpret(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows.RawValues()); err != nil {
			return err
		}
	}
	return interpret(rows.Err())
}

// One after the other by the key, whatever the planner believes of the table.
const factsQuery = `-- name: DeriveFactList
select r.*
from (select unnest($2::uuid[]) as value) as w
cross join lateral (
  select f.fact_id, f.source_id, f.trust, f.occurred_at, f.whole_second, f.received_at, f.flags, f.body
  from fact f
  where f.workspace_id = $1 and f.fact_id between w.value and w.value
  order by f.fact_id
) as r`

// Load implements [derive.Facts].
func (t deriveTx) Load(ctx context.Context, facts []uuid.UUID) ([]hit.Fact, error) {
	place := make(map[uuid.UUID]int32, len(facts))
	for i, key := range facts {
		place[key] = int32(i)
	}
	list, there := make([]hit.Fact, len(facts)), 0
	found := make([]bool, len(facts))
	var faults []error
	err := t.stream(ctx, factsQuery, []any{binaryResults, t.workspace, facts}, func(row [][]byte) error {
		if len(row[0]) != 16 {
			return errWire
		}
		i, asked := place[uuid.UUID(row[0])]
		if !asked {
			return errWire
		}
		if err := readFact(row, &list[i]); err != nil {
			faults = append(faults, fmt.Errorf("read stored fact %s: %w", uuid.UUID(row[0]), err))
		}
		if !found[i] { // one that is asked for twice comes twice
			there++
		}
		found[i] = true
		return nil
	})
	if there < len(facts) {
		kept := list[:0]
		for i := range list {
			if found[i] {
				kept = append(kept, list[i])
			}
		}
		list = kept
	}
	return list, errors.Join(err, errors.Join(faults...))
}

// readFact puts a fact together again from its body and its other columns.
func readFact(row [][]byte, f *hit.Fact) (err error) {
	source, trust, at, whole, received := row[1], row[2], row[3], row[4], row[5]
	if len(source) != 16 || len(trust) != 2 || len(at) != 8 || len(whole) != 1 || len(received) != 8 {
		return errWire
	}
	if err = hit.ReadContent(row[7], f); err != nil {
		return err
	}
	f.Source, f.Trust, f.Precision = uuid.UUID(source), hit.Trust(binary.BigEndian.Uint16(trust)), hit.PrecisionExact
	if whole[0] != 0 {
		f.Precision = hit.PrecisionSecond
	}
	f.At, f.ReceivedAt = wireInstant(at), wireInstant(received)
	f.Flags, err = wireTexts(row[6])
	return err
}

// wireEpoch is the start of 2000, from which the server counts microseconds.
const wireEpoch hit.Instant = 946_684_800_000_000

func wireInstant(raw []byte) hit.Instant {
	return hit.Instant(binary.BigEndian.Uint64(raw)) + wireEpoch
}

// texts reads arrays that are not empty.
var texts = pgtype.NewMap()

// wireTexts reads an array of texts; most are empty.
func wireTexts(raw []byte) (list []string, err error) {
	if len(raw) >= 4 && binary.BigEndian.Uint32(raw) == 0 { // dimensions
		return []string{}, nil
	}
	err = texts.Scan(pgtype.TextArrayOID, pgtype.BinaryFormatCode, raw, &list)
	return list, err
}
