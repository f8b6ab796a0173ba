package app

import (
	"bytes"
	"testing"
	"time"
)

func TestScreen_OneLineOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &screen{out: &out, tty: true}
	now := time.Now()
	s.progress(now, "abc")
	s.progress(now, "de")
	s.say("done")
	if got, want := out.String(), "abc\r   \rde\r  \rdone\n"; got != want {
		t.Errorf("wrote %q, want %q", got, want)
	}
}

func TestScreen_SeldomElsewhere(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := newScreen(&out)
	start := time.Now()
	for second := range 25 {
		s.progress(start.Add(time.Duration(second)*time.Second), "alive")
	}
	if got, want := out.String(), "alive\nalive\nalive\n"; got != want {
		t.Errorf("25 s of progress wrote %q, want %q", got, want)
	}
}
