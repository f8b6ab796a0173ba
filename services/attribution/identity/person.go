package identity

import (
	"cmp"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
)

// SharedAbove is how many distinct identifiers of one kind an identifier may be
// linked with directly before it is taken for somebody's stand-in: a shop's own
// phone typed in for every guest.
const SharedAbove = 20

// Assignment says to which person a strong identifier belongs.
type Assignment struct {
	Identifier hit.Identifier
	Person     uuid.UUID
	Shared     bool // linked with more than 20 distinct identifiers of one kind
}

// People says who is who.
type People struct {
	workspace   uuid.UUID
	assignments []Assignment
	links       []Link
	persons     map[hit.Identifier]uuid.UUID
	alone       bool // an identifier without an assignment is a person of its own
}

// Facts is what [Resolve] concludes from.
type Facts struct {
	Workspace uuid.UUID
	Stated    []Statement // every fact that names somebody
	Links     []Link      // of one pair as many as there are
	Aliases   [][2]hit.Identifier
}

// Resolve joins identifiers into persons.
func Resolve(f Facts) *People {
	p := &People{workspace: f.Workspace, links: Best(f.Links), persons: map[hit.Identifier]uuid.UUID{}}
	shared := findShared(p.links)
	u := newUnion(f.Aliases)
	for i := range p.links {
		l := &p.links[i]
		switch {
		case shared[l.A] || shared[l.B]:
			l.State = Shared
		case u.join(l.A, l.B):
			l.State = Joined
		default:
			l.State = Refused
		}
	}
	p.assign(f.Stated, u, shared)
	return p
}

// Best keeps the link of each pair that is tried first: once two identifiers were
// refused, every later link of the pair is refused too. The others change nothing.
func Best(links []Link) []Link {
	sorted := slices.Clone(links)
	slices.SortFunc(sorted, Link.Compare)
	seen := make(map[[2]hit.Identifier]bool, len(sorted))
	kept := sorted[:0]
	for _, l := range sorted {
		if pair := l.Pair(); !seen[pair] {
			seen[pair] = true
			kept = append(kept, l)
		}
	}
	return kept
}

// findShared returns the identifiers with more than [SharedAbove] neighbours of one
// kind. Every pair comes once.
func findShared(links []Link) map[hit.Identifier]bool {
	type side struct {
		id   hit.Identifier
		kind hit.IdentifierKind
	}
	neighbours := map[side]int{}
	shared := map[hit.Identifier]bool{}
	count := func(id, neighbour hit.Identifier) {
		s := side{id, neighbour.Kind}
		if neighbours[s]++; neighbours[s] > SharedAbove {
			shared[id] = true
		}
	}
	for _, l := range links {
		count(l.A, l.B)
		count(l.B, l.A)
	}
	return shared
}

// assign gives every identifier stated its person, named after the earliest stated
// identifier of the component.
func (p *People) assign(stated []Statement, u *union, shared map[hit.Identifier]bool) {
	all := earliest(stated)
	slices.SortFunc(all, func(a, b said) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.fact, b.fact), Compare(a.id, b.id))
	})
	names := map[hit.Identifier]uuid.UUID{} // by root of the component
	for _, s := range all {
		id := plain(s.id)
		root := u.root(id)
		if _, named := names[root]; !named {
			names[root] = p.name(id)
		}
		p.persons[id] = names[root]
		p.assignments = append(p.assignments, Assignment{Identifier: id, Person: names[root], Shared: shared[id]})
	}
	slices.SortFunc(p.assignments, func(a, b Assignment) int { return Compare(a.Identifier, b.Identifier) })
}

// name is the id of the person whose earliest stated identifier is id: by its
// digest, which covers the kind.
func (p *People) name(id hit.Identifier) uuid.UUID {
	digest := fact.IdentifierRef(id).Value
	return uuid.NewSHA1(p.workspace, digest[:])
}

// Person returns the person of a strong identifier; [uuid.Nil] when nothing stated
// it.
func (p *People) Person(id hit.Identifier) uuid.UUID {
	person, stated := p.persons[plain(id)]
	if !stated && p.alone {
		return p.name(id)
	}
	return person
}

// Anonymous returns the person that a device is when nobody ever claimed it.
func (p *People) Anonymous(device hit.Identifier) uuid.UUID { return p.name(device) }

// Assignments lists every strong identifier with its person, by kind and value.
func (p *People) Assignments() []Assignment { return p.assignments }

// Links lists the best link of each pair, in the order they were tried.
func (p *People) Links() []Link { return p.links }
