package app

import (
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"
)

// screen writes for people: lines that stay, and one line of progress that is
// written over where the output is a terminal and written every ten seconds where
// it is not. Safe for concurrent use.
type screen struct {
	mu    sync.Mutex
	out   io.Writer
	tty   bool
	width int // of the progress on the terminal at this moment
	last  time.Time
}

const quietEvery = 10 * time.Second

func newScreen(out io.Writer) *screen { return &screen{out: out, tty: terminal(out)} }

// say writes a line that stays.
func (s *screen) say(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wipe()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// progress replaces the line of progress.
func (s *screen) progress(now time.Time, line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tty {
		s.wipe()
		fmt.Fprint(s.out, line)
		s.width = utf8.RuneCountInString(line)
		return
	}
	if now.Sub(s.last) >= quietEvery {
		s.last = now
		fmt.Fprintln(s.out, line)
	}
}

// wipe removes the line of progress from the terminal.
func (s *screen) wipe() {
	if s.width > 0 {
		fmt.Fprintf(s.out, "\r%*s\r", s.width, "")
		s.width = 0
	}
}
