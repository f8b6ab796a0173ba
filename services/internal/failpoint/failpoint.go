// Package failpoint ends the process at a named place, as a crash would, so that
// tests can kill an edge or a worker exactly where it hurts. It is compiled into every build
// and does nothing unless the environment sets TOUCHLINE_FAILPOINT to "name" or
// "name:n": then the process exits with 137 at the n-th pass of that place. With
// "name=text" it exits at the first pass with something that contains text.
package failpoint

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// Variable is the name of the environment variable.
const Variable = "TOUCHLINE_FAILPOINT"

// Points counts passes. The nil *Points does nothing.
type Points struct {
	name string
	left atomic.Int64
	exit func(code int)
}

// FromEnv returns what the environment asks for, nil when it asks for nothing.
func FromEnv(getenv func(string) string) *Points {
	name, count, counted := strings.Cut(getenv(Variable), ":")
	if name == "" {
		return nil
	}
	p := &Points{name: name, exit: os.Exit}
	p.left.Store(1)
	if n, err := strconv.ParseInt(count, 10, 64); counted && err == nil && n > 0 {
		p.left.Store(n)
	}
	return p
}

// Pass is called at the place called name.
func (p *Points) Pass(name string) {
	if p == nil || p.name != name {
		return
	}
	if p.left.Add(-1) == 0 {
		p.exit(137)
	}
}

// Meet is called at the place called name with what is worked on there.
func (p *Points) Meet(name string, with []byte) {
	if p == nil {
		return
	}
	place, text, conditional := strings.Cut(p.name, "=")
	if conditional && place == name && bytes.Contains(with, []byte(text)) {
		p.exit(137)
	}
}
