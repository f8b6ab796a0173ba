package derive

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// refusal says why a change has to be derived whole.
type refusal string

func (r refusal) Error() string { return "not by reach: " + string(r) }

// The refusals. The names are labels of a metric.
const (
	refusedPolicy   refusal = "policy"   // a version is being built, or several are in force
	refusedSize     refusal = "size"     // it reaches too much
	refusedReplaced refusal = "replaced" // a copy took the place of another
	refusedAlias    refusal = "alias"    // user_ids came to count as one
	refusedLink     refusal = "link"     // identifiers were joined, or may have been, or the link that joined them went
	refusedShared   refusal = "shared"   // an identifier came to be shared
	refusedName     refusal = "name"     // a person may have an earlier name
	refusedClaim    refusal = "claim"    // a device may have changed hands
	refusedOnce     refusal = "once"     // a definition counts once within a time
	refusedPending  refusal = "pending"  // it takes facts that wait in the queue
)

// patch is a set of facts that is complete by content: whatever shares a message,
// token, order or event with one of them is among them. Identifiers and devices are
// walls.
type patch struct {
	tx    Tx
	most  int // facts; more are refused
	keys  map[uuid.UUID]bool
	loose map[uuid.UUID]bool // facts that are there without what shares their content
	refs  map[uuid.UUID]bool // walked
	facts map[uuid.UUID]*hit.Fact
}

func newPatch(tx Tx, most int) *patch {
	return &patch{tx: tx, most: most, keys: make(map[uuid.UUID]bool), loose: make(map[uuid.UUID]bool), refs: make(map[uuid.UUID]bool), facts: make(map[uuid.UUID]*hit.Fact)}
}

// grow adds facts with all that shares their content.
func (p *patch) grow(ctx context.Context, facts []uuid.UUID) error {
	for {
		var fresh []uuid.UUID
		for _, key := range facts {
			if !p.keys[key] {
				p.keys[key] = true
				fresh = append(fresh, key)
			}
		}
		if len(fresh) == 0 {
			return nil
		}
		if len(p.keys) > p.most {
			return refusedSize
		}
		carried, err := p.tx.Carry(ctx, fresh)
		if err != nil {
			return fmt.Errorf("read references: %w", err)
		}
		var refs []uuid.UUID
		for _, c := range carried {
			if c.Ref.Kind >= fact.RefMessage {
				refs = append(refs, c.Ref.Value)
			}
		}
		if facts, err = p.meet(ctx, refs); err != nil {
			return err
		}
	}
}

// growFrom adds all facts that carry one of refs, and theirs.
func (p *patch) growFrom(ctx context.Context, refs []uuid.UUID) error {
	facts, err := p.meet(ctx, refs)
	if err != nil {
		return err
	}
	return p.grow(ctx, facts)
}

// add adds facts alone and returns those that were not there.
func (p *patch) add(facts []uuid.UUID) (fresh []uuid.UUID) {
	for _, key := range facts {
		if !p.keys[key] && !p.loose[key] {
			p.loose[key] = true
			fresh = append(fresh, key)
		}
	}
	return fresh
}

func (p *patch) meet(ctx context.Context, refs []uuid.UUID) (facts []uuid.UUID, err error) {
	var walk []uuid.UUID
	for _, r := range refs {
		if !p.refs[r] {
			p.refs[r] = true
			walk = append(walk, r)
		}
	}
	if len(walk) == 0 {
		return nil, nil
	}
	met, err := p.tx.Meet(ctx, walk, p.most+1)
	if err != nil {
		return nil, fmt.Errorf("read facts of references: %w", err)
	}
	distinct := make(map[uuid.UUID]bool, len(met))
	for _, m := range met {
		if !distinct[m.Fact] {
			distinct[m.Fact] = true
			facts = append(facts, m.Fact)
		}
	}
	if len(facts) > p.most { // cut off, perhaps
		return nil, refusedSize
	}
	return facts, nil
}

// load returns the facts, each read once.
func (p *patch) load(ctx context.Context) ([]hit.Fact, error) {
	var missing []uuid.UUID
	for key := range p.keys {
		if p.facts[key] == nil {
			missing = append(missing, key)
		}
	}
	for key := range p.loose {
		if p.facts[key] == nil && !p.keys[key] {
			missing = append(missing, key)
		}
	}
	if len(p.facts)+len(missing) > p.most {
		return nil, refusedSize
	}
	loaded, err := p.tx.Load(ctx, missing)
	if err != nil {
		return nil, fmt.Errorf("load facts: %w", err)
	}
	for i := range loaded {
		p.facts[loaded[i].Key()] = &loaded[i]
	}
	all := make([]hit.Fact, 0, len(p.facts))
	for _, f := range p.facts {
		all = append(all, *f)
	}
	return all, nil
}
