package spool

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func open(t testing.TB, dir string, cfg Config) *Spool {
	t.Helper()
	cfg.Logger = quiet()
	s, err := Open(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func logOf(t testing.TB, s *Spool, name string) *Log {
	t.Helper()
	l, err := s.Log(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// all reads a log from its start.
func all(t testing.TB, l *Log) []string {
	t.Helper()
	var records []string
	for at := l.Start(); ; {
		payload, next, err := l.Read(at)
		if errors.Is(err, io.EOF) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records, at = append(records, string(payload)), next
	}
}

func appendAll(t testing.TB, l *Log, records ...string) {
	t.Helper()
	for _, r := range records {
		if err := l.Append([]byte(r)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLog_SurvivesTheProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Config{Segment: 64})
	want := []string{"one", "", strings.Repeat("two", 100), "three"}
	appendAll(t, logOf(t, s, "a"), want...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir, Config{})
	logs := again.Logs()
	if len(logs) != 1 || logs[0].Name() != "a" {
		t.Fatalf("found %d logs", len(logs))
	}
	if got := all(t, logs[0]); !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	appendAll(t, logs[0], "four")
	if got := all(t, logs[0]); !slices.Equal(got, append(want, "four")) {
		t.Errorf("read %q after one more", got)
	}
}

func TestSpool_HasOneOwner(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := open(t, dir, Config{})
	if _, err := Open(dir, Config{}); !errors.Is(err, ErrOwned) {
		t.Fatalf("second owner: %v, want ErrOwned", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, Config{})
}

// The last record torn at every byte of it: those before it are there, and the log
// goes on.
func TestLog_TornAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Config{})
	appendAll(t, logOf(t, s, "a"), "first", "second", "the last one")
	path := logOf(t, s, "a").path(1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := len(whole) - frameSize - len("the last one")
	for cut := last; cut < len(whole); cut++ {
		torn := filepath.Join(t.TempDir(), "a")
		if err := os.MkdirAll(torn, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(torn, filepath.Base(path)), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		l := logOf(t, open(t, filepath.Dir(torn), Config{}), "a")
		if got := all(t, l); !slices.Equal(got, []string{"first", "second"}) {
			t.Fatalf("cut at %d of %d: read %q", cut, len(whole), got)
		}
		appendAll(t, l, "next")
		if got := all(t, l); !slices.Equal(got, []string{"first", "second", "next"}) {
			t.Fatalf("cut at %d of %d: read %q after one more", cut, len(whole), got)
		}
	}
}

// A byte that the disk changed ends what is read of its segment, whatever byte it is,
// and never yields a record that was not written.
func TestLog_DamagedAnywhere(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Config{Segment: 50})
	want := []string{"first record", "second record", "third record", "fourth record"}
	appendAll(t, logOf(t, s, "a"), want...)
	path := logOf(t, s, "a").path(1)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		damaged := slices.Clone(whole)
		damaged[i] ^= 0x40
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		got := all(t, logOf(t, s, "a"))
		if n := len(got); n < 2 || !slices.Equal(got[n-2:], want[2:]) {
			t.Errorf("byte %d: read %q, want the next segment's at the end", i, got)
		}
		for _, r := range got {
			if !slices.Contains(want, r) {
				t.Errorf("byte %d: %q was never written", i, r)
			}
		}
	}
}

func TestSpool_Limits(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	s := open(t, t.TempDir(), Config{MaxBytes: 100, MaxAge: time.Hour, Now: func() time.Time { return now }})
	l := logOf(t, s, "a")
	appendAll(t, l, strings.Repeat("x", 60))
	if err := l.Append(make([]byte, 20)); !errors.Is(err, ErrFull) {
		t.Errorf("over its bytes: %v, want ErrFull", err)
	}
	if err := logOf(t, s, "b").Append(make([]byte, 20)); !errors.Is(err, ErrFull) {
		t.Errorf("another log of the same spool: %v, want ErrFull", err)
	}
	appendAll(t, l, "x")
	now = now.Add(time.Hour + 1)
	if err := l.Append([]byte("y")); !errors.Is(err, ErrFull) {
		t.Errorf("over its age: %v, want ErrFull", err)
	}
	drain(t, l)
	appendAll(t, l, "z")
	if got := all(t, l); !slices.Equal(got, []string{"z"}) {
		t.Errorf("read %q", got)
	}
}

func drain(t testing.TB, l *Log) {
	t.Helper()
	for !l.Empty() {
		_, next, err := l.Read(l.Start())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Drop(next); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLog_DrainedLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir, Config{Segment: 40})
	l := logOf(t, s, "a")
	appendAll(t, l, "one", "two", "three", "four", "five", "six")
	if err := s.Remove(l); err == nil {
		t.Error("a log with records was removed")
	}
	drain(t, l)
	if has := s.Stats(); has != (Stats{}) {
		t.Errorf("stats %+v of a drained spool", has)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "a", "*"+suffix))
	if err != nil || len(segments) > 0 {
		t.Errorf("%d segments are left, %v", len(segments), err)
	}
	if err := s.Remove(l); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "a")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

// Appends, reads, drops and restarts in any order: a log is a queue. A restart may
// bring back what was dropped, never lose what was not.
func TestLog_IsAQueue(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		cfg := Config{Segment: int64(rapid.IntRange(30, 120).Draw(t, "segment")), Logger: quiet()}
		dir := filepath.Join(root, fmt.Sprint(n))
		s, err := Open(dir, cfg)
		if err != nil {
			t.Fatal(err)
		}
		l, err := s.Log("a")
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		next := 0
		t.Repeat(map[string]func(*rapid.T){
			"append": func(t *rapid.T) {
				r := fmt.Sprint(next) + strings.Repeat("x", rapid.IntRange(0, 50).Draw(t, "more"))
				next++
				if err := l.Append([]byte(r)); err != nil {
					t.Fatal(err)
				}
				want = append(want, r)
			},
			"drop": func(t *rapid.T) {
				if len(want) == 0 {
					t.Skip("nothing to drop")
				}
				behind := l.Start()
				for range rapid.IntRange(1, len(want)).Draw(t, "records") { // over segments, too
					payload, next, err := l.Read(behind)
					if err != nil || string(payload) != want[0] {
						t.Fatalf("read %q, %v, want %q", payload, err, want[0])
					}
					behind, want = next, want[1:]
				}
				if err := l.Drop(behind); err != nil {
					t.Fatal(err)
				}
			},
			"restart": func(t *rapid.T) {
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				if s, err = Open(dir, cfg); err != nil {
					t.Fatal(err)
				}
				if l, err = s.Log("a"); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if l.Empty() != (len(want) == 0) {
					t.Fatalf("empty %t with %d records", l.Empty(), len(want))
				}
				at := l.Start()
				for _, w := range want {
					payload, behind, err := l.Read(at)
					if err != nil || string(payload) != w {
						t.Fatalf("read %q, %v, want %q", payload, err, w)
					}
					at = behind
				}
				if _, _, err := l.Read(at); !errors.Is(err, io.EOF) {
					t.Fatalf("read behind the end: %v", err)
				}
			},
		})
		_ = s.Close()
	})
}

func TestLog_RefusesOddNames(t *testing.T) {
	t.Parallel()
	s := open(t, t.TempDir(), Config{})
	for _, name := range []string{"", "..", ".a", "a/b", "/"} {
		if _, err := s.Log(name); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
}
