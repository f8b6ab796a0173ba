package derive

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// termStored is the term of the first copy of a fact.
const termStored = "stored"

// reach derives only what new facts of large persons can reach, instead of the persons
// whole. Services/attribution/README.md says why that gives the same table. Whatever
// is not sure to is refused.
type reach struct {
	*step
	v     Version
	patch *patch
	fresh map[uuid.UUID]bool // facts that the table may not know of yet

	waiting map[uuid.UUID][]Touched // rows at hand that nothing was concluded from yet, by fact; with the ones to conclude from
	behind  int64                   // the last row at hand when the queue has more, else 0

	change   *timeline.Change
	devices  map[hit.Identifier]bool // on which facts of the patch happened, loose ones aside
	wholly   map[hit.Identifier]bool // of them, those all of whose facts are in the patch
	current  Current                 // what is replaced
	outcome  timeline.Outcome        // by what
	assigned assigned
	before   timeline.Who
	after    timeline.Who
}

// reach writes what follows from touched rows of large persons. Waiting are all rows at
// hand, by fact, that nothing was concluded from yet; behind is the last row at hand
// when the queue has more, else 0. A [refusal] means that nothing was written.
func (s *step) reach(ctx context.Context, touched []Touched, waiting map[uuid.UUID][]Touched, behind int64) error {
	if len(s.info.Versions) != 1 || s.info.Versions[0].Building {
		return refusedPolicy
	}
	r := &reach{
		step: s, v: s.info.Versions[0], patch: newPatch(s.tx, s.cfg.Reach), fresh: make(map[uuid.UUID]bool), waiting: waiting, behind: behind,
		devices: make(map[hit.Identifier]bool), wholly: make(map[hit.Identifier]bool), assigned: make(assigned),
	}
	stretches, err := r.gather(ctx, touched)
	if err != nil {
		return err
	}
	if err := r.identify(ctx, stretches); err != nil {
		return err
	}
	return r.conclude(ctx)
}

// gather reads what is new with all that shares its content, and what happened around
// it on the same devices.
func (r *reach) gather(ctx context.Context, touched []Touched) ([]identity.Stretch, error) {
	if err := r.refresh(touched); err != nil {
		return nil, err
	}
	if err := r.patch.grow(ctx, mapKeys(r.fresh)); err != nil {
		return nil, err
	}
	facts, err := r.patch.load(ctx)
	if err != nil {
		return nil, err
	}
	for key := range r.fresh {
		if r.patch.facts[key] == nil {
			return nil, refusedReplaced // it is gone
		}
	}
	stretches, err := r.around(ctx, facts)
	if err != nil {
		return nil, err
	}
	if facts, err = r.patch.load(ctx); err != nil {
		return nil, err
	}
	rows, err := pending(ctx, r, r.patch.keys)
	if err != nil {
		return nil, err
	}
	if err := r.refresh(rows); err != nil {
		return nil, err
	}
	r.noteDevices(facts)
	r.change = timeline.Compare(r.input(facts), r.fresh)
	return stretches, nil
}

// pending returns the rows of facts that nothing was concluded from yet and that are
// not to be now, at hand or behind in the queue.
func pending[V any](ctx context.Context, r *reach, facts map[uuid.UUID]V) (rows []Touched, err error) {
	if r.behind > 0 {
		if rows, err = r.tx.Pending(ctx, r.behind, mapKeys(facts)); err != nil {
			return nil, fmt.Errorf("read what else is touched: %w", err)
		}
	}
	for key := range facts {
		if !r.fresh[key] {
			rows = append(rows, r.waiting[key]...)
		}
	}
	return rows, nil
}

// refresh adds the facts of touched rows to the fresh ones. What a replaced copy said
// is not known any more; that its fact waits for its turn does not help, as what came
// before it in the queue may have been derived with that copy.
func (r *reach) refresh(touched []Touched) error {
	for _, t := range touched {
		if t.Term != termStored {
			return refusedReplaced
		}
		r.fresh[t.Fact] = true
	}
	return nil
}

// around adds, of each device of facts, all that happened on it when that is little,
// else the runs around the facts, which it returns.
func (r *reach) around(ctx context.Context, facts []hit.Fact) ([]identity.Stretch, error) {
	at := make(map[uuid.UUID][]hit.Instant)
	var refs, add []uuid.UUID
	for i := range facts {
		if f := &facts[i]; f.Device != nil && !r.v.blocked(*f.Device) {
			ref := fact.IdentifierRef(*f.Device).Value
			if at[ref] == nil {
				refs = append(refs, ref)
			}
			at[ref] = append(at[ref], f.At)
		}
	}
	if len(refs) == 0 {
		return nil, nil
	}
	met, err := r.tx.Meet(ctx, refs, r.cfg.Device+1)
	if err != nil {
		return nil, fmt.Errorf("read what happened on devices: %w", err)
	}
	all := make(map[uuid.UUID][]uuid.UUID)
	for _, m := range met {
		all[m.Ref.Value] = append(all[m.Ref.Value], m.Fact)
	}
	var spans []RefSpan
	for _, ref := range refs {
		if len(all[ref]) <= r.cfg.Device {
			r.wholly[deviceOf(ref)] = true
			add = append(add, all[ref]...)
			continue
		}
		for _, instant := range at[ref] {
			spans = append(spans, RefSpan{Ref: ref, From: instant, To: instant})
		}
	}
	runs, found, err := r.patch.runs(ctx, spans)
	if err != nil {
		return nil, err
	}
	return stretchesOf(runs), r.patch.grow(ctx, append(add, found...))
}

func (r *reach) noteDevices(facts []hit.Fact) {
	for i := range facts {
		if f := &facts[i]; f.Device != nil && !r.v.blocked(*f.Device) {
			r.devices[hit.Identifier{Kind: f.Device.Kind, Value: f.Device.Value}] = true
		}
	}
}

func (r *reach) input(facts []hit.Fact) timeline.Input {
	return timeline.Input{
		Workspace: r.workspace, Currency: r.info.Currency, Policy: r.v.Policy, Rules: r.v.Rules, Facts: facts, Blocked: r.v.blocked,
	}
}
