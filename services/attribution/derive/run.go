package derive

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// firstLook is how far around a span the end of a run is looked for at first, and
// lookFactor by how much farther each time after; both guessed.
const (
	firstLook  hit.Instant = 2 * 3600 * 1_000_000
	lookFactor             = 6
)

// runs widens spans of devices to where, on either side, nothing happens on the device
// for longer than a session's pause. As nothing includes page views, no session
// reaches across an end. It returns the runs, at most one a span, and the keys of all facts in
// them.
func (p *patch) runs(ctx context.Context, spans []RefSpan) (runs []RefSpan, facts []uuid.UUID, err error) {
	for look := firstLook; len(spans) > 0; look *= lookFactor {
		wide := make([]RefSpan, len(spans))
		for i, s := range spans {
			wide[i] = RefSpan{Ref: s.Ref, From: s.From - look, To: s.To + look}
		}
		moments, err := p.tx.Within(ctx, wide, p.most+1)
		if err != nil {
			return nil, nil, fmt.Errorf("read what happened on devices: %w", err)
		}
		if len(moments) > p.most {
			return nil, nil, refusedSize
		}
		byDevice := momentsOf(moments)
		var open []RefSpan
		for i, s := range spans {
			run, found, ended := runOf(s, wide[i], byDevice[s.Ref])
			if !ended {
				open = append(open, s)
				continue
			}
			runs, facts = append(runs, run), append(facts, found...)
		}
		spans = open
	}
	return runs, facts, nil
}

// momentsOf sorts each device's moments by time.
func momentsOf(moments []Moment) map[uuid.UUID][]Moment {
	byDevice := make(map[uuid.UUID][]Moment)
	for _, m := range moments {
		byDevice[m.Ref] = append(byDevice[m.Ref], m)
	}
	for _, list := range byDevice {
		slices.SortFunc(list, func(a, b Moment) int { return cmp.Compare(a.At, b.At) })
	}
	return byDevice
}

// runOf returns the run around a span, by all that happened within wide, and whether
// both ends of it are in sight.
func runOf(s, wide RefSpan, moments []Moment) (run RefSpan, facts []uuid.UUID, ended bool) {
	run = s
	for _, m := range slices.Backward(moments) {
		if m.At < run.From && run.From-m.At <= touch.Pause {
			run.From = m.At
		}
	}
	for _, m := range moments {
		if m.At > run.To && m.At-run.To <= touch.Pause {
			run.To = m.At
		}
	}
	for _, m := range moments {
		if m.At >= run.From && m.At <= run.To {
			facts = append(facts, m.Fact)
		}
	}
	return run, facts, run.From-wide.From > touch.Pause && wide.To-run.To > touch.Pause
}
