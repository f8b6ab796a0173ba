// Package spool keeps records on local disk while they cannot go where they belong:
// append-only logs, fsynced before an append returns, checksummed, in segments that
// are deleted once their records have gone.
//
// A [Spool] is a directory that one process owns. Each [Log] in it is a folder of
// segments. What a process leaves behind is found by the next one.
//
// On disk a segment is an 8 byte magic, the time it was begun (8 bytes, microseconds
// since 1970, big endian) and records: length (4 bytes, big endian), CRC-32C over
// length and payload (4 bytes), payload. A record that a crash tore is the last one
// of its segment; it was never acknowledged, and opening the log cuts it off.
package spool

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

// The errors that callers branch on.
var (
	// ErrFull says that the spool may not or cannot grow: its limit of bytes or age is
	// reached, or the disk is full. The record was not kept.
	ErrFull = errors.New("spool is full")
	// ErrOwned says that another process has the directory.
	ErrOwned = errors.New("spool belongs to another process")
	// ErrBroken says that the disk failed in a way that leaves open what it holds. The
	// log takes nothing more until it is opened again; what it has can be read.
	ErrBroken = errors.New("spool is broken")
)

// Config bounds a spool. Zero values mean the defaults.
type Config struct {
	MaxBytes int64            // of all logs together; default 1 GiB
	MaxAge   time.Duration    // of the oldest record kept, beyond which none is added; default 24 h
	Segment  int64            // bytes after which a log begins its next segment; default 16 MiB
	Now      func() time.Time // the clock; default time.Now
	Logger   *slog.Logger     // default slog.Default
}

func (c Config) withDefaults() Config {
	c.MaxBytes = cmp.Or(c.MaxBytes, 1<<30)
	c.MaxAge = cmp.Or(c.MaxAge, 24*time.Hour)
	c.Segment = cmp.Or(c.Segment, 16<<20)
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c
}

// Spool is a directory of logs. It is safe for concurrent use.
type Spool struct {
	dir  string
	cfg  Config
	lock *os.File

	mu   sync.Mutex
	logs map[string]*Log
}

// Open takes a directory for this process, makes it if need be, and opens the logs
// that are in it. Its error is [ErrOwned] when another process has it.
func Open(dir string, cfg Config) (*Spool, error) {
	cfg = cfg.withDefaults()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the spool: %w", err)
	}
	s := &Spool{dir: dir, cfg: cfg, lock: lock, logs: map[string]*Log{}}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", dir, ErrOwned), lock.Close())
	}
	if err := s.find(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// find opens what former processes left.
func (s *Spool) find() error {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return fmt.Errorf("read the spool: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		l, err := s.openLog(e.Name())
		if err != nil {
			return err
		}
		s.logs[e.Name()] = l
	}
	return nil
}

// Log returns the log of a name, which is one path element; it is made on its first
// append.
func (s *Spool) Log(name string) (*Log, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l, open := s.logs[name]; open {
		return l, nil
	}
	l, err := s.openLog(name)
	if err != nil {
		return nil, err
	}
	s.logs[name] = l
	return l, nil
}

// Logs returns the open logs by name: right after [Open] those that former processes
// left.
func (s *Spool) Logs() []*Log {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := make([]*Log, 0, len(s.logs))
	for _, l := range s.logs {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *Log) int { return cmp.Compare(a.name, b.name) })
	return all
}

// Stats is what a spool holds.
type Stats struct {
	Bytes  int64     // on disk
	Oldest time.Time // when the oldest segment with records was begun; zero: there are none
}

// Stats adds up all logs.
func (s *Spool) Stats() Stats {
	var all Stats
	for _, l := range s.Logs() {
		one := l.stats()
		all.Bytes += one.Bytes
		if !one.Oldest.IsZero() && (all.Oldest.IsZero() || one.Oldest.Before(all.Oldest)) {
			all.Oldest = one.Oldest
		}
	}
	return all
}

// admit says whether a log may grow by size bytes.
func (s *Spool) admit(size int64) error {
	has := s.Stats()
	if has.Bytes+size > s.cfg.MaxBytes {
		return fmt.Errorf("%d bytes are spooled, %d are allowed: %w", has.Bytes, s.cfg.MaxBytes, ErrFull)
	}
	if age := s.cfg.Now().Sub(has.Oldest); !has.Oldest.IsZero() && age > s.cfg.MaxAge {
		return fmt.Errorf("the oldest record has waited %s, %s are allowed: %w", age.Round(time.Second), s.cfg.MaxAge, ErrFull)
	}
	return nil
}

// Remove deletes a log that is empty.
func (s *Spool) Remove(l *Log) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !l.Empty() {
		return fmt.Errorf("remove log %s: it holds records", l.name)
	}
	if err := l.remove(); err != nil {
		return err
	}
	delete(s.logs, l.name)
	return nil
}

// Close gives the directory back. The logs must not be used any more.
func (s *Spool) Close() error {
	for _, l := range s.Logs() {
		l.close()
	}
	return s.lock.Close()
}
