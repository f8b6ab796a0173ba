package derive

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// step is the work of one transaction.
type step struct {
	cfg       Config
	tx        Tx
	name      uuid.UUID // of the process
	workspace uuid.UUID
	info      Workspace
	plan      *plan                   // of the version that is being built, not changed; nil: none yet
	ahead     *stretch                // of plan: read for this step, then for the next one; nil: nothing is
	late      *stretch                // of plan: it was being read as the transaction began, and is not to be written in it; nil: none
	beside    reader                  // of facts, beside the transaction; without a loader nothing is read ahead
	crowded   bool                    // as many builds of other workspaces as may be are read ahead
	concluded map[int32]bool          // of plan: components concluded from in this transaction
	walked    progress                // in this transaction
	read      map[uuid.UUID]*hit.Fact // in this transaction, of those that may be asked for again
	split     bool                    // messages may have been written, whatever becomes of this transaction
	done      Pass
}

// abandon ends what is going on in the background since the step began, but for what goes on
// for a plan that was there before.
func (s *step) abandon(known *plan) {
	if known == nil || s.ahead != known.ahead {
		s.ahead.abandon()
	}
	if s.plan != known {
		s.plan.abandon()
	}
}

// run does the work and reports whether there may be more.
func (s *step) run(ctx context.Context) (more bool, err error) {
	more, err = s.work(ctx)
	if err == nil && s.plan != nil && s.done.Swap == nil {
		// Last, so that others count from here for how long the build has been left alone.
		err = s.tx.Lead(ctx, s.plan.version, s.name)
	}
	return more, err
}

func (s *step) work(ctx context.Context) (more bool, err error) {
	if s.info, err = s.tx.Workspace(ctx); err != nil {
		return false, err
	}
	building := slices.IndexFunc(s.info.Versions, func(v Version) bool { return v.Building })
	if building < 0 {
		s.plan = nil
	} else {
		if ours, err := s.lead(ctx, s.info.Versions[building]); err != nil || !ours {
			return false, err
		}
	}
	touched, err := s.tx.Touched(ctx, s.cfg.BatchRows)
	if err != nil {
		return false, err
	}
	if len(touched) > 0 {
		s.done.Touched = len(touched)
		if err := s.conclude(ctx, touched); err != nil || len(touched) == s.cfg.BatchRows {
			return true, err
		}
	}
	// Nothing is touched any more, as far as this snapshot sees. A build goes on in the
	// same transaction: in one of its own it would find facts that have arrived since,
	// and where they keep arriving it would never come to its end.
	if building >= 0 && s.ahead != nil && s.ahead == s.late {
		return true, nil // when it has been read
	}
	if building >= 0 {
		return true, s.build(ctx, s.info.Versions[building])
	}
	return len(touched) > 0, nil
}

// conclude derives what touched rows can bear on: small persons whole, of large ones
// what the change can reach. When that cannot be told, those whole too.
func (s *step) conclude(ctx context.Context, touched []Touched) error {
	behind := int64(0)
	if len(touched) == s.cfg.BatchRows { // there may be more in the queue
		behind = touched[len(touched)-1].Seq
	}
	rest, err := s.apart(ctx, touched)
	if err != nil {
		return fmt.Errorf("conclude apart: %w", err)
	}
	found, large, err := s.look(ctx, rest, behind)
	if err != nil {
		return fmt.Errorf("gather facts: %w", err)
	}
	if len(large) > 0 {
		if err := s.concludeLarge(ctx, large, behind, &found); err != nil {
			return err
		}
	}
	s.note(found.keys)
	for _, v := range s.info.Versions {
		if err := s.rewrite(ctx, v, found); err != nil {
			return err
		}
	}
	if touched, err = s.taken(ctx, touched, found.keys, behind); err != nil {
		return fmt.Errorf("read what else is touched: %w", err)
	}
	return s.tx.Finish(ctx, touched)
}

// lookAhead is how far behind the rows at hand, in multiples of their number, those are
// looked for that have been concluded from too; a guess.
const lookAhead = 5

// taken adds to the rows at hand those behind them whose facts are in whole components that
// were derived just now: as of this snapshot they have been concluded from too, and
// deriving the same again when their turn comes would change nothing. What they say was
// withdrawn is among what was looked at (see [Backlog]).
func (s *step) taken(ctx context.Context, touched []Touched, whole map[uuid.UUID]bool, behind int64) ([]Touched, error) {
	if behind == 0 || len(whole) == 0 {
		return touched, nil
	}
	more, err := s.tx.Behind(ctx, behind, mapKeys(whole), lookAhead*s.cfg.BatchRows)
	s.done.Touched += len(more)
	return slices.Concat(touched, more), err
}

// load returns facts in any order, those that were read before as they are.
func (s *step) load(ctx context.Context, keys []uuid.UUID) ([]*hit.Fact, error) {
	list := make([]*hit.Fact, 0, len(keys))
	var missing []uuid.UUID
	for _, key := range keys {
		if f := s.read[key]; f != nil {
			list = append(list, f)
		} else {
			missing = append(missing, key)
		}
	}
	if len(missing) == 0 {
		return list, nil
	}
	facts, err := s.tx.Load(ctx, missing)
	for i := range facts {
		list = append(list, &facts[i])
	}
	return list, err
}

// concludeLarge derives large persons by reach, or adds all that bears on them to
// found. Where one of several is refused they are tried in halves.
func (s *step) concludeLarge(ctx context.Context, large [][]Touched, behind int64, found *gathered) error {
	waiting := make(map[uuid.UUID][]Touched)
	for _, group := range large {
		for _, t := range group {
			waiting[t.Fact] = append(waiting[t.Fact], t)
		}
	}
	var refs []uuid.UUID
	for parts := [][][]Touched{large}; len(parts) > 0; parts = parts[1:] {
		part := parts[0]
		rows := slices.Concat(part...)
		err := s.reach(ctx, rows, waiting, behind)
		var why refusal
		switch {
		case err == nil:
			s.done.Reached += len(rows)
			for _, t := range rows {
				delete(waiting, t.Fact)
			}
		case !errors.As(err, &why):
			return err
		case len(part) > 1:
			parts = append(parts, part[:len(part)/2], part[len(part)/2:])
		default:
			s.done.refuse(why, len(rows))
			for _, t := range rows {
				refs = append(append(refs, t.OldRefs...), t.NewRefs...)
			}
		}
	}
	if len(refs) == 0 {
		return nil
	}
	whole, err := s.whole(ctx, refs, behind)
	if err != nil {
		return fmt.Errorf("gather facts: %w", err)
	}
	more := slices.DeleteFunc(mapKeys(whole.keys), func(key uuid.UUID) bool { return found.keys[key] })
	facts, err := s.load(ctx, more)
	if err != nil {
		return fmt.Errorf("load facts: %w", err)
	}
	for _, f := range facts {
		found.facts = append(found.facts, *f)
	}
	found.parts = nil // they may hang together with others
	maps.Copy(found.keys, whole.keys)
	for r, kind := range whole.refs {
		if found.refs[r] == 0 {
			found.refs[r] = kind
		}
	}
	return nil
}

// whole is the closure over refs and over what facts in it carried before copies of them
// were replaced, as rows behind a place in the queue say.
func (s *step) whole(ctx context.Context, refs []uuid.UUID, behind int64) (gathered, error) {
	for {
		found, err := closure(ctx, s.tx, refs, s.info.Versions)
		if err != nil || behind == 0 {
			return found, err
		}
		replaced, err := s.tx.Replaced(ctx, behind, mapKeys(found.keys))
		if err != nil {
			return found, err
		}
		missing := found.lacking(replaced)
		if len(missing) == 0 {
			return found, nil
		}
		refs = append(refs, missing...)
	}
}

// lacking returns the references among what replaced copies carried that g lacks.
func (g *gathered) lacking(replaced []Touched) []uuid.UUID {
	var missing []uuid.UUID
	for _, t := range replaced {
		for _, r := range t.OldRefs {
			if _, known := g.refs[r]; !known {
				missing = append(missing, r)
			}
		}
	}
	return missing
}

// rewrite makes a version hold on found's references exactly what follows from
// found's facts.
func (s *step) rewrite(ctx context.Context, v Version, found gathered) error {
	size := max(found.size, len(found.facts))
	if size == 0 && len(found.refs) == 0 {
		return nil
	}
	if found.outcome == nil {
		outcome, err := s.outcome(v, found)
		if err != nil {
			return fmt.Errorf("derive version %d: %w", v.Number, err)
		}
		found.outcome = &outcome
	}
	changes, err := s.turning(ctx, v, &found)
	if err != nil {
		return err
	}
	s.done.Facts += size
	s.done.Changed += len(changes.Insert)
	changes.Split = found.split && changes.Fresh.Rows
	s.split = s.split || changes.Split
	if err := s.tx.Apply(ctx, v, changes, s.cfg.Now()); err != nil {
		return fmt.Errorf("write version %d: %w", v.Number, err)
	}
	return nil
}

// turning says what turns what a version holds on found's references into its outcome.
func (s *step) turning(ctx context.Context, v Version, found *gathered) (Changes, error) {
	drafted := found.draft != nil && found.fresh.Rows
	if drafted && found.draft.changes != nil {
		return *found.draft.changes, nil
	}
	current, err := s.current(ctx, v, found)
	if err != nil {
		return Changes{}, fmt.Errorf("read what version %d holds: %w", v.Number, err)
	}
	if drafted {
		return found.draft.names(current), nil
	}
	return s.changes(ctx, v, current, *found.outcome)
}

// current reads what a version holds that hangs on references of found, where it may hold
// something: each table is asked for those that it can hang on.
func (s *step) current(ctx context.Context, v Version, found *gathered) (c Current, err error) {
	c.Fresh = found.fresh
	if c.Fresh.Rows && c.Fresh.Persons {
		return c, nil
	}
	h := found.on
	if h == nil {
		all := found.held()
		h = &all
	}
	var faults [5]error
	if !c.Fresh.Rows {
		c.Conversions, faults[0] = s.tx.Conversions(ctx, v, h.conversions)
		c.Messages, faults[1] = s.tx.Messages(ctx, v, h.messages)
	}
	if !c.Fresh.Persons {
		c.Persons, faults[2] = s.tx.Persons(ctx, v, h.strong)
		c.Links, faults[3] = s.tx.Links(ctx, v, h.strong)
		c.Claims, faults[4] = s.tx.Claims(ctx, v, h.devices)
	}
	return c, errors.Join(faults[:]...)
}

// changes compares and adds what only the table knows: revisions, and what the
// superseded rows put into the rollups.
func (s *step) changes(ctx context.Context, v Version, current Current, outcome timeline.Outcome) (Changes, error) {
	changes, replaced := diff(current, outcome)
	changes.Fresh = current.Fresh
	old, err := s.tx.Credits(ctx, v.Number, replaced)
	if err != nil {
		return Changes{}, fmt.Errorf("read superseded credits: %w", err)
	}
	keys := make([]ConversionKey, len(changes.Insert))
	for i, c := range changes.Insert {
		keys[i] = ConversionKey{c.Definition, c.ID}
	}
	var revisions map[ConversionKey]int
	if !current.Fresh.Rows {
		if revisions, err = s.tx.Revisions(ctx, v.Number, keys); err != nil {
			return Changes{}, fmt.Errorf("read revisions: %w", err)
		}
	}
	for i := range changes.Insert {
		changes.Insert[i].Revision = revisions[keys[i]] + 1
	}
	changes.Credits = creditSums(replaced, old, changes.Insert)
	changes.Messages = messageSums(current.Messages, outcome.Messages)
	return changes, nil
}

// outcome derives components side by side.
func (s *step) outcome(v Version, found gathered) (timeline.Outcome, error) {
	with := basis{version: v, workspace: s.workspace, currency: s.info.Currency, parts: s.cfg.Parts}
	groups := found.parts
	if groups == nil {
		groups = components(found.facts, v, s.cfg.Parts)
	}
	outcomes, err := with.derive(groups)
	return joined(outcomes), err
}

func (v Version) blocked(id hit.Identifier) bool {
	return len(v.Blocked) > 0 && v.Blocked[fact.IdentifierRef(id).Value]
}
