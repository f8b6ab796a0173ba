package recompute

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
)

const (
	barWidth   = 30
	lineEvery  = 5 * time.Second        // of plain lines
	frameEvery = 100 * time.Millisecond // of a terminal
)

// Bar shows how far a build has come: a line that is drawn over on a terminal, plain
// lines now and then elsewhere.
type Bar struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	workspace uuid.UUID
	version   int
	begun     time.Time // when this build was first shown
	from      int64     // facts walked by then
	shown     time.Time
	open      bool // the terminal's line is not ended
}

// NewBar returns a Bar on w.
func NewBar(w io.Writer, terminal bool, now func() time.Time) *Bar {
	return &Bar{w: w, terminal: terminal, now: now}
}

// Show draws a build, when it is another one, when it ended, or when the last time was
// a while ago.
func (b *Bar) Show(workspace uuid.UUID, build postgres.Build) {
	now := b.now()
	fresh := workspace != b.workspace || build.Version != b.version
	if fresh {
		b.Close()
		b.workspace, b.version, b.begun, b.from = workspace, build.Version, now, build.Done
	}
	every := lineEvery
	if b.terminal {
		every = frameEvery
	}
	if !fresh && build.State == postgres.PolicyBuilding && now.Sub(b.shown) < every {
		return
	}
	b.shown = now
	line := fmt.Sprintf("%s %s", title(workspace, build), b.state(build, now.Sub(b.begun)))
	if !b.terminal {
		fmt.Fprintln(b.w, line)
		return
	}
	fmt.Fprint(b.w, "\r\x1b[K"+line)
	b.open = true
}

// Close ends the line of a terminal, so that others can write below it.
func (b *Bar) Close() {
	if b.open {
		fmt.Fprintln(b.w)
		b.open = false
	}
}

func title(workspace uuid.UUID, build postgres.Build) string {
	what := "recompute"
	switch {
	case !build.Recompute:
		what = "first the new policy"
	case build.Check:
		what = "check"
	}
	return fmt.Sprintf("%s: %s, version %d", workspace, what, build.Version)
}

// state is the bar with the facts walked, how many a second, and the time left by that.
func (b *Bar) state(build postgres.Build, took time.Duration) string {
	share := 1.0
	if build.Total > 0 {
		share = min(float64(build.Done)/float64(build.Total), 1)
	}
	full := int(share * barWidth)
	drawn := fmt.Sprintf("[%s%s] %3.0f %%, %d of %d facts", strings.Repeat("#", full), strings.Repeat("-", barWidth-full),
		100*share, build.Done, max(build.Total, build.Done))
	switch {
	case build.State == postgres.PolicyDiscarded && !build.Check:
		return drawn + ", given up"
	case build.State != postgres.PolicyBuilding:
		return fmt.Sprintf("%s, compared, %s", drawn, took.Round(time.Second))
	case build.Done >= build.Total:
		return drawn + ", about to compare"
	}
	walked := build.Done - b.from
	if walked <= 0 || took <= 0 {
		return drawn
	}
	rate := float64(walked) / took.Seconds()
	left := time.Duration(float64(build.Total-build.Done) / rate * float64(time.Second))
	return fmt.Sprintf("%s, %.0f/s, %s left", drawn, rate, left.Round(time.Second))
}
