package derive

import (
	"bytes"
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// build derives the next facts of a building version, in order of their keys, with
// everything connected to them. A crash costs no more than the step it interrupts.
func (s *step) build(ctx context.Context, v Version) error {
	keys, err := s.tx.Walk(ctx, v.Cursor, s.cfg.WalkRows)
	if err != nil {
		return err
	}
	advance := Build{Version: v.Number, Start: !v.Started, Walked: len(keys), Cursor: v.Cursor, At: s.cfg.Now()}
	if len(keys) > 0 {
		refs, err := s.tx.Refs(ctx, keys)
		if err != nil {
			return err
		}
		found, err := closure(ctx, s.tx, refs, []Version{v})
		if err != nil {
			return fmt.Errorf("gather facts: %w", err)
		}
		if found.facts, err = s.tx.Load(ctx, mapKeys(found.keys)); err != nil {
			return fmt.Errorf("load facts: %w", err)
		}
		if err := s.rewrite(ctx, v, found.beyond(v)); err != nil {
			return err
		}
		advance.Cursor = keys[len(keys)-1]
	}
	advance.Publish = len(keys) < s.cfg.WalkRows
	s.done.Swap, err = s.tx.Advance(ctx, advance)
	return err
}

// beyond leaves out the components that a step before has derived: those with a fact at
// or before the cursor. Such a component was derived whole when that fact was walked,
// and whenever one of its facts was touched since, which every version concludes from;
// so was one that came about when a touched fact joined two, and what is left of one
// that fell apart. Without this each component would be derived as often as it has
// facts in different steps.
func (g gathered) beyond(v Version) gathered {
	if v.Cursor == uuid.Nil {
		return g
	}
	rest := gathered{refs: make(map[uuid.UUID]bool), keys: make(map[uuid.UUID]bool)}
	for _, component := range components(g.facts, v, len(g.facts)) {
		if walked(component, v.Cursor) {
			continue
		}
		for i := range component {
			rest.keys[component[i].Key()] = true
			for _, r := range fact.Refs(&component[i]) {
				rest.refs[r.Value] = true
			}
		}
		rest.facts = append(rest.facts, component...)
	}
	return rest
}

func walked(facts []hit.Fact, cursor uuid.UUID) bool {
	for i := range facts {
		if key := facts[i].Key(); bytes.Compare(key[:], cursor[:]) <= 0 {
			return true
		}
	}
	return false
}
