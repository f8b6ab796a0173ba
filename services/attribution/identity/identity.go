// Package identity concludes who is who: which strong identifiers are one person
// and who held a device when (attribution.md section 2). It is pure.
package identity

import (
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// State says what became of a link.
type State string

// The states of links.
const (
	Joined  State = "joined"  // both ends are one person
	Refused State = "refused" // it would have put two user_ids into one person
	Shared  State = "shared"  // an end is linked with too many identifiers of one kind
)

// Link says that two strong identifiers were stated together.
type Link struct {
	A, B     hit.Identifier // A is the one stated as first or primary
	Trust    hit.Trust
	At       hit.Instant
	Fact     string // event, click or message id
	Position int    // of B among the identifiers stated, from 1
	Alias    bool   // both are user_ids that an alias names as one
	State    State
}

// Assignment says to which person a strong identifier belongs.
type Assignment struct {
	Identifier hit.Identifier
	Person     uuid.UUID
	Shared     bool // linked with more than 20 distinct identifiers of one kind
}

// Claim says who held a device from an instant on.
type Claim struct {
	Device   hit.Identifier
	At       hit.Instant // reaching back counted
	Fact     string      // event or page view id
	Identify bool        // else it is a click claim
	Holder   hit.Identifier
}
