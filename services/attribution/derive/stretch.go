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
	"time"

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

// chunkFacts is about how many facts of a stretch are in memory at a time, being read and
// derived: they take several times as much as what follows from them.
const chunkFacts = 4096

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
	fresh      Fresh
	parts      []part  // of keys
	held       held    // of all parts
	draft      *draft  // of all parts; nil: not made
	drafted    drafter // nil: the version holds rows on them
	chunks     bool    // read and derive some at a time

	derived chan struct{} // closed when it has been; nil: it is not being read ahead
	stop    context.CancelFunc
	err     error // valid after derived
}

// part is some components of a stretch, derived together.
type part struct {
	begin, end int         // places in the stretch's keys
	components []component // their ends are counted from begin
	outcome    timeline.Outcome
	held       held
}

// start reads and derives in the background.
func (a *stretch) start(ctx context.Context, read loader, from reader) {
	ctx, a.stop = context.WithCancel(ctx)
	a.derived = make(chan struct{})
	go func() {
		defer close(a.derived)
		defer a.stop()
		defer a.survive()
		if a.err = a.conclude(ctx, read); a.err == nil {
			a.addNames(ctx, from)
			a.err = ctx.Err()
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

// settle waits, no longer than that, until a stretch that is read ahead has been read and
// derived, and reports whether it has: for transactions that begin later it is of the past. It
// may be nil. Who waits holds the lock of the workspace, and all facts may still be being read.
func (a *stretch) settle(ctx context.Context, most time.Duration) bool {
	if a == nil {
		return true
	}
	select {
	case <-a.derived:
		return true
	default:
	}
	limit := time.NewTimer(most)
	defer limit.Stop()
	select {
	case <-a.derived:
		return true
	case <-limit.C:
	case <-ctx.Done():
	}
	return false
}

// abandon ends what is going on in the background. It may be nil.
func (a *stretch) abandon() {
	if a != nil {
		a.stop()
	}
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

// conclude reads the facts and derives them, chunk by chunk.
func (a *stretch) conclude(ctx context.Context, read loader) error {
	a.parts = partsOf(a.components)
	most := chunkFacts
	if !a.chunks {
		most = len(a.keys)
	}
	for from := 0; from < len(a.parts); {
		if err := ctx.Err(); err != nil {
			return err
		}
		to := from + 1
		for to < len(a.parts) && a.parts[to].end-a.parts[from].begin <= most {
			to++
		}
		chunk := a.parts[from:to]
		facts, err := readAll(ctx, read, a.keys[chunk[0].begin:chunk[len(chunk)-1].end])
		if err != nil {
			return err
		}
		groups := make([][]hit.Fact, len(chunk))
		for i, p := range chunk {
			groups[i] = facts[p.begin-chunk[0].begin : p.end-chunk[0].begin]
		}
		if err := a.deriveParts(chunk, groups); err != nil {
			return err
		}
		from = to
	}
	a.held = heldOf(a.parts)
	if a.drafted != nil {
		a.draft = a.drafted(joined(outcomesOf(a.parts)))
	}
	return nil
}

// addNames adds to the draft what is to be written of persons, links and claims.
//
// What is held of them is read as early as the facts are, and that is as good for the same
// reason: only who concludes from a component changes what is held of its identifiers, and
// notes it. Blocked identifiers are in several components, but nothing is concluded of them and
// nothing written: what is held of one is deleted, which finds nothing the second time. Where it
// cannot be read, the step that writes asks.
func (a *stretch) addNames(ctx context.Context, from reader) {
	if a.draft == nil {
		return
	}
	current := Current{Fresh: a.fresh}
	if !a.fresh.Persons {
		if from.names == nil {
			return
		}
		var err error
		if current, err = from.names(ctx, a.with.version, a.held.strong, a.held.devices); err != nil {
			return
		}
		current.Fresh = a.fresh
	}
	changes := a.draft.names(current)
	a.draft.changes = &changes
}

// readAll reads all the facts with these keys.
func readAll(ctx context.Context, read loader, keys []uuid.UUID) ([]hit.Fact, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	facts, err := read(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("load facts: %w", err)
	}
	if len(facts) != len(keys) {
		return nil, gone(len(facts), len(keys))
	}
	return facts, nil
}

// gone is the error of so many facts where others were asked for too.
func gone(there, asked int) error {
	return fmt.Errorf("%d of %d facts are gone", asked-there, asked)
}

// deriveParts notes what follows from each part's facts.
func (a *stretch) deriveParts(parts []part, groups [][]hit.Fact) error {
	outcomes, err := a.with.derive(groups)
	if err != nil {
		return fmt.Errorf("derive version %d: %w", a.with.version.Number, err)
	}
	for i := range parts {
		parts[i].outcome = outcomes[i]
		if !a.fresh.Rows || !a.fresh.Persons {
			parts[i].held = (&gathered{facts: groups[i], fresh: a.fresh}).held()
		}
	}
	return nil
}

// partsOf cuts a stretch's facts, component by component.
func partsOf(components []component) (parts []part) {
	begin, first := 0, 0
	for i, c := range components {
		if c.end-begin < partFacts && i < len(components)-1 {
			continue
		}
		p := part{begin: begin, end: c.end, components: slices.Clone(components[first : i+1])}
		for j := range p.components {
			p.components[j].end -= begin
		}
		parts = append(parts, p)
		begin, first = c.end, i+1
	}
	return parts
}

func outcomesOf(parts []part) []timeline.Outcome {
	outcomes := make([]timeline.Outcome, len(parts))
	for i := range parts {
		outcomes[i] = parts[i].outcome
	}
	return outcomes
}

// heldOf is where a version may hold something on any of the parts.
func heldOf(parts []part) (all held) {
	for n, list := range all.lists() {
		listed := make(map[uuid.UUID]bool) // blocked identifiers are in several
		for i := range parts {
			fresh := slices.DeleteFunc(slices.Clone(*parts[i].held.lists()[n]), func(ref uuid.UUID) bool { return listed[ref] })
			for _, ref := range fresh {
				listed[ref] = true
			}
			*list = append(*list, fresh...)
		}
	}
	return all
}

// rest is the stretch without the components that were noted; parts that had some are read and
// derived again. The stretch stays as it is.
func (a *stretch) rest(ctx context.Context, read loader, noted func(first int32) bool) (gathered, error) {
	found := gathered{size: len(a.keys), fresh: a.fresh}
	var again []int
	for i := range a.parts {
		if slices.ContainsFunc(a.parts[i].components, func(c component) bool { return noted(c.first) }) {
			again = append(again, i)
		}
	}
	if len(again) == 0 && a.draft != nil {
		found.draft, found.outcome, found.on = a.draft, &a.draft.outcome, &a.held
		return found, nil
	}
	parts := slices.Clone(a.parts)
	left, err := a.again(ctx, read, parts, again, noted)
	if err != nil {
		return found, err
	}
	found.size -= left
	outcome, on := joined(outcomesOf(parts)), heldOf(parts)
	found.outcome, found.on = &outcome, &on
	return found, nil
}

// again derives some of parts anew, without the components that were noted, and returns how
// many facts these have.
func (a *stretch) again(ctx context.Context, read loader, parts []part, which []int, noted func(first int32) bool) (without int, err error) {
	for len(which) > 0 {
		var keys []uuid.UUID
		var ends []int // of each part's keys
		for _, i := range which {
			if len(keys) > chunkFacts {
				break
			}
			left := parts[i].without(a.keys, noted)
			without += parts[i].end - parts[i].begin - len(left)
			keys = append(keys, left...)
			ends = append(ends, len(keys))
		}
		facts, err := readAll(ctx, read, keys)
		if err != nil {
			return 0, err
		}
		some, groups, begin := make([]part, len(ends)), make([][]hit.Fact, len(ends)), 0
		for n, end := range ends {
			groups[n], begin = facts[begin:end], end
		}
		if err := a.deriveParts(some, groups); err != nil {
			return 0, err
		}
		for n := range some {
			parts[which[n]] = some[n]
		}
		which = which[len(ends):]
	}
	return without, nil
}

// without returns the keys of the part's facts but for those of components that were noted.
func (p part) without(keys []uuid.UUID, noted func(first int32) bool) (left []uuid.UUID) {
	begin := p.begin
	for _, c := range p.components {
		if !noted(c.first) {
			left = append(left, keys[begin:p.begin+c.end]...)
		}
		begin = p.begin + c.end
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
