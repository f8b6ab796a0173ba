package system

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// stream is the key of a shard's hits.
func (s *System) stream(shard int) string {
	return fmt.Sprintf("{%s:%d}:hits", s.Prefix, shard)
}

// InStreams is how many hits wait in Redis.
func (s *System) InStreams(ctx context.Context) (int64, error) {
	var sum int64
	for shard := range Shards {
		n, err := s.Redis.XLen(ctx, s.stream(shard)).Result()
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

// EmptyStreams throws away what waits in Redis: hits that only the edge was measured by.
func (s *System) EmptyStreams(ctx context.Context) error {
	for shard := range Shards {
		if err := s.Redis.XTrimMaxLen(ctx, s.stream(shard), 0).Err(); err != nil {
			return err
		}
	}
	return nil
}

// Count is the one number that a query answers.
func (s *System) Count(ctx context.Context, query string, args ...any) (n int64, err error) {
	err = s.Conn.QueryRow(ctx, query, args...).Scan(&n)
	return n, err
}

// Consumed waits until all hits are facts in Postgres.
func (s *System) Consumed(ctx context.Context) error {
	return s.until(ctx, func() (bool, error) {
		left, err := s.InStreams(ctx)
		return left == 0, err
	})
}

// Derived waits until everything has been concluded from all facts there are.
func (s *System) Derived(ctx context.Context) error {
	return s.until(ctx, func() (bool, error) {
		left, err := s.Count(ctx, "select count(*) from (select 1 from touched order by workspace_id desc, seq desc limit 1) x")
		return left == 0, err
	})
}

// Settled waits until nothing is under way.
func (s *System) Settled(ctx context.Context) error {
	if err := s.Consumed(ctx); err != nil {
		return err
	}
	return s.Derived(ctx)
}

// until polls, each 10 ms, or less often where looking takes long, as it passes all that is
// deleted and not yet vacuumed: what is measured pays for it.
func (s *System) until(ctx context.Context, holds func() (bool, error)) error {
	if s.Worker == nil {
		return errors.New("no worker runs: nothing would ever be done")
	}
	for {
		begun := time.Now()
		done, err := holds()
		if done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-s.Worker.ended:
			return fmt.Errorf("the worker ended: %w; see its log in %s", s.Worker.err, s.Dir)
		case <-time.After(min(max(10*time.Millisecond, 20*time.Since(begun)), 50*time.Millisecond)):
		}
	}
}

// Hold keeps every worker from drawing conclusions, so that consume is measured alone: it
// takes the lock of the one writer of the workspace. Release gives it back.
func (s *System) Hold(ctx context.Context) (release func(context.Context) error, err error) {
	key, err := s.lock()
	if err != nil {
		return nil, err
	}
	if _, err := s.Conn.Exec(ctx, "select pg_advisory_lock(hashtextextended(current_schema(), $1))", key); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := s.Conn.Exec(ctx, "select pg_advisory_unlock(hashtextextended(current_schema(), $1))", key)
		return err
	}, nil
}

// lock is the key of the workspace's lock, as services/attribution/postgres/lock.go makes
// it. Were it another one, conclusions would be drawn all the same, and whoever holds it
// sees that (see consume in package main).
func (s *System) lock() (int64, error) {
	id, err := hex.DecodeString(strings.ReplaceAll(s.Workspace, "-", ""))
	if err != nil {
		return 0, err
	}
	sum := sha256.Sum256(append([]byte("touchline workspace\x00"), id...))
	return int64(binary.BigEndian.Uint64(sum[:])), nil
}
