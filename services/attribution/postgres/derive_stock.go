package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/internal/hit"
)

// In the order in which they lie in the table: an index only says where to look.
const stockSettings = `select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true),
	set_config('enable_indexscan', 'off', true), set_config('work_mem', '32MB', true), set_config('jit', 'off', true),
	set_config('max_parallel_workers_per_gather', '0', true)`

const stockQuery = `-- name: DeriveStock
select f.fact_id, f.source_id, f.trust, f.occurred_at, f.whole_second, f.received_at, f.flags, f.body
from fact f
where f.workspace_id = $1`

// Hashed, as what is asked for is known when it is planned: by a constant array a quarter less
// than by a subquery. In a case, so that planning does not weigh every key, which took a
// fifth of it all, and uses no index for each.
const stockSomeQuery = stockQuery + ` and case when f.fact_id = any($2::uuid[]) then true end`

// Stock implements [derive.Store].
func (s *DeriveStore) Stock(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID, most int) (derive.Stock, error) {
	held := &stock{most: most, places: make(map[uuid.UUID]stocked, len(facts))}
	err := s.besideOthers(ctx, func(ctx context.Context, tx *Tx) error {
		if _, err := tx.tx.Exec(ctx, stockSettings); err != nil {
			return fmt.Errorf("prepare to read all: %w", err)
		}
		query, args := stockQuery, []any{binaryResults, workspace}
		if facts != nil {
			query, args = stockSomeQuery, append(args, facts)
		}
		return deriveTx{workspace: workspace, queries: tx.Queries, tx: tx.tx}.stream(ctx, query, args, held.add)
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// stockPiece is how much memory is taken at a time.
const stockPiece = 1 << 20

// stock implements [derive.Stock]: facts as they came, to be decoded when they are taken, as
// decoded they are several times as large.
type stock struct {
	most   int // bytes
	full   bool
	pieces [][]byte
	places map[uuid.UUID]stocked
}

// stocked is where a fact is: its columns behind the key, each behind its length.
type stocked struct{ piece, begin int32 }

func (s *stock) add(row [][]byte) error {
	if len(row[0]) != 16 {
		return errWire
	}
	size := 0
	for _, column := range row[1:] {
		size += 4 + len(column)
	}
	last := len(s.pieces) - 1
	if last < 0 || len(s.pieces[last])+size > cap(s.pieces[last]) {
		if s.full = s.full || len(s.pieces)*stockPiece+size > s.most; s.full {
			return nil
		}
		s.pieces = append(s.pieces, make([]byte, 0, max(size, stockPiece)))
		last++
	}
	piece := s.pieces[last]
	s.places[uuid.UUID(row[0])] = stocked{int32(last), int32(len(piece))}
	for _, column := range row[1:] {
		piece = binary.BigEndian.AppendUint32(piece, uint32(len(column)))
		piece = append(piece, column...)
	}
	s.pieces[last] = piece
	return nil
}

// Take implements [derive.Stock].
func (s *stock) Take(keys []uuid.UUID, into []hit.Fact) (missing []int, err error) {
	var faults []error
	row := make([][]byte, 8)
	for i, key := range keys {
		at, there := s.places[key]
		if !there {
			missing = append(missing, i)
			continue
		}
		rest := s.pieces[at.piece][at.begin:]
		for c := 1; c < len(row); c++ {
			end := 4 + binary.BigEndian.Uint32(rest)
			row[c], rest = rest[4:end], rest[end:]
		}
		if err := readFact(row, &into[i]); err != nil {
			faults = append(faults, fmt.Errorf("read stored fact %s: %w", key, err))
		}
	}
	return missing, errors.Join(faults...)
}

// Full implements [derive.Stock].
func (s *stock) Full() bool { return s.full }

// besideOthers reads on a connection of its own, if there is one to spare.
func (s *DeriveStore) besideOthers(ctx context.Context, read func(ctx context.Context, tx *Tx) error) error {
	ctx, stop := context.WithTimeout(ctx, beside)
	defer stop()
	return s.spareConn(ctx, func(conn *pgxpool.Conn) error {
		return runTx(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, read)
	})
}

// spareConn lends a connection, if there is one to spare.
func (s *DeriveStore) spareConn(ctx context.Context, use func(conn *pgxpool.Conn) error) error {
	conn, err := s.acquireSpare(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	return use(conn)
}

// acquireSpare gives a connection, if there is one to spare.
func (s *DeriveStore) acquireSpare(ctx context.Context) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, spare)
	defer cancel()
	conn, err := s.pool.pool.Acquire(waiting)
	if err != nil {
		return nil, fmt.Errorf("%w: no connection to spare: %w", ErrUnavailable, err)
	}
	return conn, nil
}
