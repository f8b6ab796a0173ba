// Package app is `make run`: servers, migration, both services, a demo workspace,
// a made-up week, live traffic and a shop, on one machine.
//
// It drives the services as an operator would, by their binaries, environment and
// HTTP interfaces, and imports none of their code. Called by cmd/devstack.
package app

import (
	"io"
	"os"
	"path/filepath"
)

// Options say how to run.
type Options struct {
	Dir       string // keeps everything between starts; ".local"
	Bin       string // holds the binaries tracking and attribution
	NoDemo    bool   // workspace and sources only, no hits, no shop
	NoTraffic bool   // the week, but no live traffic after it
	Workers   int    // worker processes beside each other; 0 means 1
	Embedded  bool   // no programs of this machine as servers

	DatabaseURL, RedisURL string // servers that exist already; "" means private ones

	Out io.Writer // for people
}

func (o Options) path(name string) string { return filepath.Join(o.Dir, name) }

// terminal reports whether f is one, where a line can be written over.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
