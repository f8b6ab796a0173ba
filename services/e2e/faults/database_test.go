//go:build linux

package faults

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// tmpfs is a small disk of its own for the case, and false where nobody lets us mount one.
func tmpfs(t *testing.T, size string) (dir string, ok bool) {
	t.Helper()
	dir, err := os.MkdirTemp(suite.dir, "disk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Logf("SKIPPED: a full disk needs the right to mount a tmpfs: %v", err)
		return "", false
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 2) }) // MNT_DETACH: its user may still live
	if suite.account != nil {
		if err := os.Chown(dir, int(suite.account.Uid), int(suite.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, true
}

// fill takes all that is left of a disk, until the returned function gives it back.
func fill(t *testing.T, dir string) (free func()) {
	t.Helper()
	path := filepath.Join(dir, "filler")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int{1 << 16, 1 << 12, 1} {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
	}
	return func() {
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
	}
}

// do runs statements as the database's owner.
func (s *scene) do(conn *pgx.Conn, statements ...string) {
	s.t.Helper()
	for _, statement := range statements {
		if _, err := conn.Exec(s.t.Context(), statement); err != nil {
			s.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// trouble plays a fault of PostgreSQL that comes and goes: the edge must not notice, and
// nothing may end in quarantine. proof is a text that the server logs when it fires.
func (s *scene) trouble(begin func() (end func()), proof string) {
	s.t.Helper()
	l := s.load(pace{rate: 50})
	l.more(20)
	end := begin()
	eventually(s.t, "PostgreSQL says "+proof, func() bool { return s.postgres.said(proof) >= 3 })
	l.more(20)
	end()
	s.ended()
	s.fired(s.postgres.said(proof), proof)
	l.more(10)
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}

func TestF11_diskFull(t *testing.T) {
	t.Parallel()
	disk, ok := tmpfs(t, "6m")
	if !ok {
		t.Skip("no tmpfs")
	}
	s := newScene(t, "F11", "PostgreSQL: disk full", options{})
	s.do(s.database(), "create tablespace tight location '"+disk+"'", "alter table fact set tablespace tight", "alter index fact_pkey set tablespace tight")
	s.trouble(func() func() { return fill(t, disk) }, "No space left on device")
}

func TestF11_statementTimeout(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F11", "PostgreSQL: statement_timeout behind a lock", options{})
	conn := s.database()
	s.trouble(func() func() {
		s.do(conn, "alter role touchline set statement_timeout = '300ms'",
			"select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = 'touchline'",
			"begin", "lock table fact in access exclusive mode")
		return func() {
			s.do(conn, "commit", "alter role touchline reset statement_timeout",
				"select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and usename = 'touchline'")
		}
	}, "canceling statement due to statement timeout")
}

func TestF11_lock(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F11", "PostgreSQL: a lock is held for 3 s (long tier: 60 s)", options{postgres: []string{"log_lock_waits=on", "deadlock_timeout=200ms"}})
	conn := s.database()
	s.trouble(func() func() {
		s.do(conn, "begin", "lock table fact in access exclusive mode")
		pause(tier(3000, 60_000))
		return func() { s.do(conn, "commit") }
	}, "still waiting for")
}

func TestF11_readOnly(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F11", "PostgreSQL: read-only, as after a failover", options{})
	conn := s.database()
	s.do(conn, "set default_transaction_read_only = off")
	s.trouble(func() func() {
		s.do(conn, "alter system set default_transaction_read_only = on", "select pg_reload_conf()")
		return func() {
			s.do(conn, "alter system reset default_transaction_read_only", "select pg_reload_conf()")
		}
	}, "in a read-only transaction")
}

func TestF11_tooManyConnections(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F11", "PostgreSQL: max_connections", options{postgres: []string{"max_connections=40"}})
	conn := s.database()
	s.trouble(func() func() {
		s.do(conn, "set application_name = 'ours'")
		var held []*pgx.Conn
		// As the others' go, ours take their place.
		eventually(t, "all connections are ours", func() bool {
			for {
				other, err := pgx.Connect(t.Context(), databaseURL(s.postgresPort)+"&application_name=ours")
				if err != nil {
					break
				}
				held = append(held, other)
			}
			s.do(conn, "select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and application_name <> 'ours'")
			return len(held) >= 39
		})
		return func() {
			for _, one := range held {
				_ = one.Close(t.Context())
			}
		}
	}, "too many clients already")
}
