package identity

import "github.com/touchline/touchline/services/internal/hit"

// union is a forest of identifiers in which no tree holds two different user_ids.
type union struct {
	parent map[hit.Identifier]hit.Identifier
	size   map[hit.Identifier]int
	user   map[hit.Identifier]hit.Identifier // root: the user_id in its tree, as its aliases' root
	alias  *union                            // user_ids that count as one; nil in itself
}

// newUnion begins with every identifier alone. Aliases name pairs of user_ids that
// count as one.
func newUnion(aliases [][2]hit.Identifier) *union {
	names := emptyUnion()
	for _, pair := range aliases {
		names.join(plain(pair[0]), plain(pair[1]))
	}
	u := emptyUnion()
	u.alias = names
	return u
}

func emptyUnion() *union {
	return &union{
		parent: map[hit.Identifier]hit.Identifier{},
		size:   map[hit.Identifier]int{},
		user:   map[hit.Identifier]hit.Identifier{},
	}
}

// root returns the identifier that stands for the tree of id.
func (u *union) root(id hit.Identifier) hit.Identifier {
	for {
		parent, known := u.parent[id]
		if !known {
			return id
		}
		if above, known := u.parent[parent]; known {
			u.parent[id] = above // halve the path
		}
		id = parent
	}
}

// owner returns the user_id that the tree of root holds.
func (u *union) owner(root hit.Identifier) (hit.Identifier, bool) {
	if owner, known := u.user[root]; known {
		return owner, true
	}
	if u.alias != nil && root.Kind == hit.UserID {
		return u.alias.root(root), true
	}
	return hit.Identifier{}, false
}

// join puts a and b into one tree, or returns false when that would put two
// user_ids together.
func (u *union) join(a, b hit.Identifier) bool {
	a, b = u.root(a), u.root(b)
	if a == b {
		return true
	}
	ownerA, ownedA := u.owner(a)
	ownerB, ownedB := u.owner(b)
	if ownedA && ownedB && ownerA != ownerB {
		return false
	}
	if u.size[a] < u.size[b] {
		a, b = b, a
	}
	u.parent[b] = a
	u.size[a] += u.size[b] + 1
	switch {
	case ownedA:
		u.user[a] = ownerA
	case ownedB:
		u.user[a] = ownerB
	}
	return true
}
