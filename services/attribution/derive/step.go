package derive

import (
	"context"
	"fmt"
	"sync"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// step does one transaction's work and reports whether there may be more.
func (d *Deriver) step(ctx context.Context, tx Tx, workspace uuid.UUID, done *Pass) (bool, error) {
	info, err := tx.Workspace(ctx)
	if err != nil {
		return false, err
	}
	touched, err := tx.Touched(ctx, d.cfg.BatchRows)
	if err != nil {
		return false, err
	}
	if len(touched) > 0 {
		done.Touched = len(touched)
		return true, d.conclude(ctx, tx, scope{workspace, info}, touched, done)
	}
	for _, v := range info.Versions {
		if v.Building {
			return true, d.build(ctx, tx, scope{workspace, info}, v, done)
		}
	}
	return false, nil
}

// scope is the workspace of one transaction.
type scope struct {
	id   uuid.UUID
	info Workspace
}

// conclude derives what touched rows can bear on, in every version.
func (d *Deriver) conclude(ctx context.Context, tx Tx, ws scope, touched []Touched, done *Pass) error {
	var refs []uuid.UUID
	for _, t := range touched {
		refs = append(refs, t.OldRefs...)
		refs = append(refs, t.NewRefs...)
	}
	found, err := closure(ctx, tx, refs, ws.info.Versions)
	if err != nil {
		return fmt.Errorf("gather facts: %w", err)
	}
	for _, v := range ws.info.Versions {
		if err := d.rewrite(ctx, tx, ws, v, found, done); err != nil {
			return err
		}
	}
	return tx.Finish(ctx, touched)
}

// build derives the next facts of a building version, in order of their keys, with
// everything connected to them. What a later step meets again is equal by then and
// writes nothing, so a crash costs no more than the step it interrupts.
func (d *Deriver) build(ctx context.Context, tx Tx, ws scope, v Version, done *Pass) error {
	keys, err := tx.Walk(ctx, v.Cursor, d.cfg.WalkRows)
	if err != nil {
		return err
	}
	advance := Build{Version: v.Number, Start: !v.Started, Walked: len(keys), Cursor: v.Cursor, At: d.cfg.Now()}
	if len(keys) > 0 {
		refs, err := tx.Refs(ctx, keys)
		if err != nil {
			return err
		}
		found, err := closure(ctx, tx, refs, []Version{v})
		if err != nil {
			return fmt.Errorf("gather facts: %w", err)
		}
		if err := d.rewrite(ctx, tx, ws, v, found, done); err != nil {
			return err
		}
		advance.Cursor = keys[len(keys)-1]
	}
	advance.Publish = len(keys) < d.cfg.WalkRows
	return tx.Advance(ctx, advance)
}

// rewrite makes a version hold on found's references exactly what follows from
// found's facts.
func (d *Deriver) rewrite(ctx context.Context, tx Tx, ws scope, v Version, found gathered, done *Pass) error {
	outcome := d.outcome(ws, v, found.facts)
	current, err := tx.Current(ctx, v, mapKeys(found.refs))
	if err != nil {
		return fmt.Errorf("read what version %d holds: %w", v.Number, err)
	}
	changes, err := d.changes(ctx, tx, v, current, outcome)
	if err != nil {
		return err
	}
	done.Facts += len(found.facts)
	done.Changed += len(changes.Insert)
	if err := tx.Apply(ctx, v, changes, d.cfg.Now()); err != nil {
		return fmt.Errorf("write version %d: %w", v.Number, err)
	}
	return nil
}

// changes compares and adds what only the table knows: revisions, and what the
// superseded rows put into the rollups.
func (d *Deriver) changes(ctx context.Context, tx Tx, v Version, current Current, outcome timeline.Outcome) (Changes, error) {
	changes, replaced := diff(current, outcome)
	old, err := tx.Credits(ctx, v.Number, replaced)
	if err != nil {
		return Changes{}, fmt.Errorf("read superseded credits: %w", err)
	}
	keys := make([]ConversionKey, len(changes.Insert))
	for i, c := range changes.Insert {
		keys[i] = ConversionKey{c.Definition, c.ID}
	}
	revisions, err := tx.Revisions(ctx, v.Number, keys)
	if err != nil {
		return Changes{}, fmt.Errorf("read revisions: %w", err)
	}
	for i := range changes.Insert {
		changes.Insert[i].Revision = revisions[keys[i]] + 1
	}
	changes.Credits = creditSums(replaced, old, changes.Insert)
	changes.Messages = messageSums(current.Messages, outcome.Messages)
	return changes, nil
}

// outcome derives groups of components side by side. They share nothing, so their
// outcomes only have to be laid side by side too; but a blocked identifier may be
// in several and belongs to nobody in each.
func (d *Deriver) outcome(ws scope, v Version, facts []hit.Fact) timeline.Outcome {
	groups := components(facts, v, d.cfg.Parts)
	outcomes := make([]timeline.Outcome, len(groups))
	var all sync.WaitGroup
	for i, group := range groups {
		all.Go(func() {
			outcomes[i] = timeline.Derive(timeline.Input{
				Workspace: ws.id, Currency: ws.info.Currency, Policy: v.Policy, Facts: group, Blocked: v.blocked,
			})
		})
	}
	all.Wait()
	var whole timeline.Outcome
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

func (v Version) blocked(id hit.Identifier) bool { return v.Blocked[fact.IdentifierRef(id).Value] }
