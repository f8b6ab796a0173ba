package fact

import (
	"bytes"
	"cmp"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Copy is what decides between two copies of one fact.
type Copy struct {
	At        hit.Instant
	Body      []byte // canonical JSON; nil where only copies of one content meet
	Precision hit.Precision
	Trust     hit.Trust
	Source    uuid.UUID
}

// Compare orders the copies of a fact; the smallest is in force. Attribution.md
// section 1 says: the earliest, then the smallest canonical JSON. The rest, exact
// before whole seconds, the more trusted, the smaller source, decides between copies
// that say the same at the same time.
func (c Copy) Compare(d Copy) int {
	return cmp.Or(
		cmp.Compare(c.At, d.At),
		bytes.Compare(c.Body, d.Body),
		cmp.Compare(c.Precision, d.Precision),
		cmp.Compare(d.Trust, c.Trust),
		bytes.Compare(c.Source[:], d.Source[:]),
	)
}
