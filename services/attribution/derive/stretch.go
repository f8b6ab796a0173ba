package derive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// partFacts is about how many facts of a stretch are derived together, whole components;
// measured: sorting and looking up among few costs less than among many.
const partFacts = 256

// basis is what facts are derived by.
type basis struct {
	version   Version
	workspace uuid.UUID
	currency  string
	parts     int // how many groups are derived side by side
}

// equal reports whether the same follows from the same facts. A version's policy never
// changes; who is blocked does, as identifiers get known.
func (b basis) equal(o basis) bool {
	return b.version.Number == o.version.Number && b.version.Identity == o.version.Identity &&
		b.currency == o.currency && maps.Equal(b.version.Blocked, o.version.Blocked)
}

// loader is [Store.Load] of a workspace, or [Facts.Load].
type loader func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error)

// drafter makes a draft where the version holds no rows.
type drafter func(timeline.Outcome) *draft

// stretch is what one step of a planned build walks: whole components, read and derived.
//
// The stretch after the one that is being written is read ahead, on another connection. A
// fact that changes leaves a touched row in the same transaction. So when it was read
// before the snapshot of the step that writes it began, that step's process has seen to
// all rows of changes that were read, and noted the components; those are left out.
type stretch struct {
	with       basis
	to         progress
	keys       []uuid.UUID
	components []component
	facts      []hit.Fact
	parts      []part  // of facts
	draft      *draft  // of all parts; nil: not made
	drafted    drafter // nil: the version holds rows on them
	wanted     *wanted // what to take in stock first; nil: nothing
	stock      *stock  // what is; nil: nothing. Valid after derived

	loaded, derived chan struct{} // closed when it has been; nil: it is not being read ahead
	stop            context.CancelFunc
	err             error // valid after derived
}

// part is some components of a stretch, derived together.
type part struct {
	facts      []hit.Fact
	components []component // their ends are places in facts
	outcome    timeline.Outcome
}

// start reads and derives in the background.
func (a *stretch) start(ctx context.Context, read loader) {
	ctx, a.stop = context.WithCancel(ctx)
	a.loaded, a.derived = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(a.derived)
		defer a.stop()
		defer a.survive()
		func() {
			defer close(a.loaded)
			a.err = a.load(ctx, read)
		}()
		if a.err == nil {
			a.err = ctx.Err()
		}
		if a.err == nil {
			a.err = a.derive()
		}
	}()
}

// survive turns a panic into an error: in a goroutine of its own it would end the process,
// and with it the other workspaces.
func (a *stretch) survive() {
	if fault := recover(); fault != nil {
		a.err = fmt.Errorf("reading ahead broke: %v\n%s", fault, debug.Stack())
	}
}

// settle waits until a stretch that is read ahead has been read: for transactions that
// begin later it is of the past. It may be nil.
func (a *stretch) settle() {
	if a != nil {
		<-a.loaded
	}
}

// abandon ends what is going on in the background. It may be nil.
func (a *stretch) abandon() {
	if a != nil {
		a.stop()
	}
}

// supplied is what its facts are taken of, being read since before it; nil: there is no such.
func (a *stretch) supplied() *supply {
	if a == nil || a.wanted == nil {
		return nil
	}
	return a.wanted.supply
}

// ready waits for a stretch that was read ahead and reports whether it is what would be
// read and derived now. What went wrong in the background is tried again.
func (a *stretch) ready(with basis) bool {
	if a == nil {
		return false
	}
	<-a.derived
	return a.err == nil && a.with.equal(with)
}

// load reads the facts and cuts them into parts.
func (a *stretch) load(ctx context.Context, read loader) error {
	if len(a.keys) == 0 {
		return nil
	}
	facts, err := read(ctx, a.keys)
	if err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	if len(facts) != len(a.keys) {
		return gone(len(facts), len(a.keys))
	}
	a.facts, a.parts = facts, partsOf(facts, a.components)
	return nil
}

// gone is the error of so many facts where others were asked for too.
func gone(there, asked int) error {
	return fmt.Errorf("%d of %d facts are gone", asked-there, asked)
}

// partsOf cuts facts, component by component.
func partsOf(facts []hit.Fact, components []component) (parts []part) {
	begin, first := 0, 0
	for i, c := range components {
		if c.end-begin < partFacts && i < len(components)-1 {
			continue
		}
		p := part{facts: facts[begin:c.end], components: slices.Clone(components[first : i+1])}
		for j := range p.components {
			p.components[j].end -= begin
		}
		parts = append(parts, p)
		begin, first = c.end, i+1
	}
	return parts
}

// derive concludes from the parts.
func (a *stretch) derive() error {
	groups := make([][]hit.Fact, len(a.parts))
	for i := range a.parts {
		groups[i] = a.parts[i].facts
	}
	outcomes, err := a.with.derive(groups)
	if err != nil {
		return fmt.Errorf("derive version %d: %w", a.with.version.Number, err)
	}
	for i := range outcomes {
		a.parts[i].outcome = outcomes[i]
	}
	if a.drafted != nil {
		a.draft = a.drafted(joined(outcomes))
	}
	return nil
}

// rest is the stretch without the components that were noted; parts that had some are
// derived again. The stretch stays as it is.
func (a *stretch) rest(noted func(first int32) bool) (gathered, error) {
	found := gathered{facts: a.facts}
	var again []int
	parts := slices.Clone(a.parts)
	for i := range parts {
		if slices.ContainsFunc(parts[i].components, func(c component) bool { return noted(c.first) }) {
			parts[i] = parts[i].without(noted)
			again = append(again, i)
		}
	}
	if len(again) == 0 && a.draft != nil {
		found.draft, found.outcome = a.draft, &a.draft.outcome
		return found, nil
	}
	groups := make([][]hit.Fact, len(again))
	for i, of := range again {
		groups[i] = parts[of].facts
	}
	outcomes, err := a.with.derive(groups)
	if err != nil {
		return found, fmt.Errorf("derive version %d: %w", a.with.version.Number, err)
	}
	for i, of := range again {
		parts[of].outcome = outcomes[i]
	}
	if len(again) > 0 {
		found.facts = nil
		for i := range parts {
			found.facts = append(found.facts, parts[i].facts...)
		}
	}
	all := make([]timeline.Outcome, len(parts))
	for i := range parts {
		all[i] = parts[i].outcome
	}
	whole := joined(all)
	found.outcome = &whole
	return found, nil
}

func (p part) without(noted func(first int32) bool) part {
	var left part
	begin := 0
	for _, c := range p.components {
		if !noted(c.first) {
			left.facts = append(left.facts, p.facts[begin:c.end]...)
			left.components = append(left.components, component{c.first, len(left.facts)})
		}
		begin = c.end
	}
	return left
}

// derive concludes from groups of components, side by side. They share nothing but blocked
// identifiers.
func (b basis) derive(groups [][]hit.Fact) ([]timeline.Outcome, error) {
	outcomes, faults := make([]timeline.Outcome, len(groups)), make([]error, len(groups))
	var next atomic.Int32
	var all sync.WaitGroup
	for range min(b.parts, len(groups)) {
		all.Go(func() {
			for i := next.Add(1) - 1; int(i) < len(groups); i = next.Add(1) - 1 {
				outcomes[i], faults[i] = b.deriveWhole(groups[i])
			}
		})
	}
	all.Wait()
	return outcomes, errors.Join(faults...)
}

// deriveWhole turns a panic into an error: in a goroutine of its own it would end the
// process, and with it the other workspaces.
func (b basis) deriveWhole(facts []hit.Fact) (outcome timeline.Outcome, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("derivation broke: %v\n%s", fault, debug.Stack())
		}
	}()
	return timeline.Derive(timeline.Input{
		Workspace: b.workspace, Currency: b.currency, Policy: b.version.Policy, Rules: b.version.Rules, Facts: facts, Blocked: b.version.blocked,
	}), nil
}

// joined lays outcomes of groups that share nothing side by side. But a blocked identifier
// may be in several and belongs to nobody in each.
func joined(outcomes []timeline.Outcome) timeline.Outcome {
	var conversions, messages, persons int
	for i := range outcomes {
		conversions += len(outcomes[i].Conversions)
		messages += len(outcomes[i].Messages)
		persons += len(outcomes[i].Persons)
	}
	var whole timeline.Outcome
	whole.Conversions = slices.Grow(whole.Conversions, conversions)
	whole.Messages = slices.Grow(whole.Messages, messages)
	whole.Persons = slices.Grow(whole.Persons, persons)
	for _, o := range outcomes {
		whole.Conversions = append(whole.Conversions, o.Conversions...)
		whole.Messages = append(whole.Messages, o.Messages...)
		whole.Persons = append(whole.Persons, o.Persons...)
		whole.Links = append(whole.Links, o.Links...)
		whole.Claims = append(whole.Claims, o.Claims...)
	}
	whole.Persons = compactPersons(whole.Persons)
	return whole
}

func compactPersons(persons []identity.Assignment) []identity.Assignment {
	seen := make(map[hit.Identifier]bool, len(persons))
	kept := persons[:0]
	for _, p := range persons {
		if !seen[p.Identifier] {
			seen[p.Identifier] = true
			kept = append(kept, p)
		}
	}
	return kept
}
