package consume

import (
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// term is what a hit counts as in the books.
type term string

// The terms, as the database spells them.
const (
	termStored    term = "stored"    // the first copy of a fact
	termDuplicate term = "duplicate" // a copy that says what another one said
	termConflict  term = "conflict"  // a copy that says something else
	termRejected  term = "rejected"  // in quarantine
)

// statement is one copy of a fact.
type statement struct {
	source      uuid.UUID
	trust       int16
	at          hit.Instant
	wholeSecond bool
	receivedAt  hit.Instant
	flags       []string // sorted, without repetition
	content     uuid.UUID
	body        []byte
	refs        []fact.Ref // nil when read from the database, where fact_ref has them
}

// copy is what decides between this statement and another.
func (s *statement) copy() fact.Copy {
	c := fact.Copy{At: s.at, Body: s.body, Trust: hit.Trust(s.trust), Source: s.source}
	if s.wholeSecond {
		c.Precision = hit.PrecisionSecond
	}
	return c
}

// compare orders the copies of a fact; the smallest is in force.
func compare(a, b *statement) int { return a.copy().Compare(b.copy()) }

// compareAlike orders copies of one content, of which one may be without its body.
func compareAlike(a, b *statement) int {
	c, d := a.copy(), b.copy()
	c.Body, d.Body = nil, nil
	return c.Compare(d)
}

// record is a fact: the copy in force and all other contents that were stated. The
// zero record is a fact that nobody has stated.
//
// What it holds after any number of merges depends on the set of copies alone; only
// the time of receipt of an other content may be too early, that of a copy with
// another content.
type record struct {
	exists  bool
	current statement
	others  map[uuid.UUID]statement // by content, the earliest of each; without body as long as it is as found in the database
}

// merge adds a copy. It returns what the copy counts as, and whether the copy in
// force changed. Of all copies of a fact exactly one is stored and one for each
// further content is a conflict, whatever their order.
func (r *record) merge(s statement) (counts term, changed bool) {
	if !r.exists {
		r.exists, r.current, r.others = true, s, make(map[uuid.UUID]statement)
		return termStored, true
	}
	counts = termDuplicate
	if _, seen := r.others[s.content]; !seen && s.content != r.current.content {
		counts = termConflict
	}
	before := r.current
	switch order := compare(&s, &r.current); {
	case order < 0:
		r.displace(s.content)
		r.current = s
	case order > 0:
		r.add(s)
	default:
		r.current.flags = union(before.flags, s.flags)
	}
	r.current.receivedAt = min(before.receivedAt, s.receivedAt)
	changed = compare(&before, &r.current) != 0 || before.receivedAt != r.current.receivedAt ||
		!slices.Equal(before.flags, r.current.flags)
	return counts, changed
}

// displace makes the copy in force an other one, unless the new content is its own.
func (r *record) displace(content uuid.UUID) {
	if content == r.current.content {
		return
	}
	delete(r.others, content)
	r.others[r.current.content] = r.current
}

// add notes a copy that is not in force.
func (r *record) add(s statement) {
	if s.content == r.current.content {
		return
	}
	known, ok := r.others[s.content]
	earlier := !ok || compareAlike(&s, &known) < 0
	if !earlier && s.receivedAt >= known.receivedAt {
		return // nothing to write
	}
	best := known
	if earlier {
		best = s
	}
	if ok {
		best.receivedAt = min(s.receivedAt, known.receivedAt)
	}
	best.body = s.body
	r.others[s.content] = best
}

// clone returns a copy whose merges leave r alone.
func (r *record) clone() *record {
	c := *r
	c.others = make(map[uuid.UUID]statement, len(r.others))
	for content, o := range r.others {
		c.others[content] = o
	}
	return &c
}

// union merges two sorted lists without repetition.
func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}
