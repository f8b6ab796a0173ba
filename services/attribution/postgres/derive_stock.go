package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/stock"
	"github.com/touchline/touchline/services/internal/hit"
)

// In the order in which they lie in the table: an index only says where to look.
const stockSettings = `select set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_seqscan', 'on', true),
	set_config('enable_indexscan', 'off', true), set_config('work_mem', '32MB', true), set_config('jit', 'off', true),
	set_config('max_parallel_workers_per_gather', '0', true)`

const stockQuery = `-- name: DeriveStock
select f.fact_id, f.source_id, f.trust, f.occurred_at, f.whole_second, f.received_at, f.flags, f.body
from fact f
where f.workspace_id = $1 and f.fact_id >= $2`

// stockTime is how long [DeriveStore.Stock] reads: whoever waits for it holds the lock of a
// workspace. What has not come by then is read by its key.
const stockTime = 30 * time.Second

// Stock implements [derive.Store].
func (s *DeriveStore) Stock(ctx context.Context, workspace uuid.UUID, keys []uuid.UUID, place func(fact uuid.UUID) int32) (derive.Stock, error) {
	ctx, stop := context.WithTimeout(ctx, stockTime)
	defer stop()
	rows, handed := s.room.Rows(len(keys)), false
	defer func() { // also after a panic
		if !handed {
			rows.Close()
		}
	}()
	err := s.aside(ctx, s.stockSpare, func(ctx context.Context, tx *Tx) error {
		if _, err := tx.tx.Exec(ctx, stockSettings); err != nil {
			return fmt.Errorf("prepare to read all: %w", err)
		}
		args := []any{binaryResults, workspace, keys[0]}
		return deriveTx{workspace: workspace, queries: tx.Queries, tx: tx.tx}.stream(ctx, stockQuery, args, func(row [][]byte) error {
			if len(row[0]) != 16 {
				return errWire
			}
			rows.Add(place(uuid.UUID(row[0])), row[1:])
			return nil
		})
	})
	rows.End()
	handed = true
	return stocked{rows, place}, err
}

// stocked implements [derive.Stock]: facts as they came, to be decoded when they are taken, as
// decoded they are several times as large.
type stocked struct {
	rows  *stock.Rows
	place func(fact uuid.UUID) int32
}

// Take implements [derive.Stock].
func (s stocked) Take(keys []uuid.UUID, into []hit.Fact) (missing []int, err error) {
	places := make([]int32, len(keys))
	for i, key := range keys {
		places[i] = s.place(key)
	}
	var faults []error
	row := make([][]byte, 1, 8) // without the key
	missing = s.rows.Read(places, func(i int, columns [][]byte) {
		if err := readFact(append(row[:1], columns...), &into[i]); err != nil {
			faults = append(faults, fmt.Errorf("read stored fact %s: %w", keys[i], err))
		}
	})
	return missing, errors.Join(faults...)
}

// Close implements [derive.Stock].
func (s stocked) Close() { s.rows.Close() }

// besideOthers reads on a connection of its own, if there is one to spare.
func (s *DeriveStore) besideOthers(ctx context.Context, read func(ctx context.Context, tx *Tx) error) error {
	ctx, stop := context.WithTimeout(ctx, beside)
	defer stop()
	return s.aside(ctx, s.spare, read)
}

// aside reads on a connection of its own, if there is one to spare by then, all as of one instant.
func (s *DeriveStore) aside(ctx context.Context, wait time.Duration, read func(ctx context.Context, tx *Tx) error) error {
	conn, err := s.acquireWithin(ctx, wait)
	if err != nil {
		return err
	}
	defer conn.Release()
	return runTx(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, read)
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
	return s.acquireWithin(ctx, s.spare)
}

func (s *DeriveStore) acquireWithin(ctx context.Context, wait time.Duration) (*pgxpool.Conn, error) {
	waiting, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	conn, err := s.pool.pool.Acquire(waiting)
	if err != nil {
		return nil, fmt.Errorf("%w: no connection to spare: %w", ErrUnavailable, err)
	}
	return conn, nil
}
