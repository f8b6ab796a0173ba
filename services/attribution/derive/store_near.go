package derive

import (
	"context"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Near finds facts a few at a time. Where a number is given, a list is cut off behind
// as many rows of each reference or span: as many rows as that may not be all.
type Near interface {
	// Meet returns which facts carry refs, each reference's in order of time. The
	// references' kinds are not told.
	Meet(ctx context.Context, refs []uuid.UUID, most int) ([]Carried, error)
	// Carry returns which references facts carry.
	Carry(ctx context.Context, facts []uuid.UUID) ([]Carried, error)
	// Within returns which facts carry a reference in a span, each span's in order of
	// time.
	Within(ctx context.Context, spans []RefSpan, most int) ([]Moment, error)
	// Inbound returns the keys of the inbound messages among them, each once.
	Inbound(ctx context.Context, spans []RefSpan, most int) ([]uuid.UUID, error)
}

// Names is who is who as concluded so far.
type Names interface {
	// Persons returns the persons of identifiers, by their digests.
	Persons(ctx context.Context, v Version, digests []uuid.UUID) ([]identity.Assignment, error)
	// PersonsOf returns up to most identifiers of each person.
	PersonsOf(ctx context.Context, v Version, persons []uuid.UUID, most int) ([]identity.Assignment, error)
	// Links returns all links of identifiers, by their digests. The ends are of unknown
	// kind.
	Links(ctx context.Context, v Version, digests []uuid.UUID) ([]identity.Link, error)
	// LinkPairs returns the links between two ends each, whichever was stated first.
	// The ends are of unknown kind.
	LinkPairs(ctx context.Context, v Version, pairs [][2]uuid.UUID) ([]identity.Link, error)
}

// Holders is who held which device, as concluded so far.
type Holders interface {
	// Claims returns the claims on devices, by their digests. Holders are of unknown
	// kind.
	Claims(ctx context.Context, v Version, devices []uuid.UUID) ([]identity.Claim, error)
	// DevicesOf returns, for each span of a holder, up to most devices that it ever held
	// and that did something in the span.
	DevicesOf(ctx context.Context, v Version, holders []RefSpan, most int) ([]RefSpan, error)
}

// Rows are those of the table.
type Rows interface {
	// Conversions returns the current ones of anchors, refunds too.
	Conversions(ctx context.Context, v Version, anchors []uuid.UUID) ([]ConversionRow, error)
	// Messages returns those of anchors.
	Messages(ctx context.Context, v Version, anchors []uuid.UUID) ([]touch.Message, error)
	// Bought returns the anchors of current conversions, without refunds, that befell
	// persons in spans, up to most of each span.
	Bought(ctx context.Context, v Version, spans []timeline.Span, most int) ([]uuid.UUID, error)
	// Messaged returns the messages to persons that were engaged with, or may have been,
	// at some time in a span, up to most of each span.
	Messaged(ctx context.Context, v Version, spans []timeline.Span, most int) ([]Messaged, error)
}

// Backlog is what is not at hand of the queue.
type Backlog interface {
	// Pending returns which of facts have touched rows behind a place in the queue, with
	// the rows' terms.
	Pending(ctx context.Context, behind int64, facts []uuid.UUID) ([]Touched, error)
	// Replaced returns those of which the rows there say that they replaced a copy, with
	// the references that the copy carried.
	Replaced(ctx context.Context, behind int64, facts []uuid.UUID) ([]Touched, error)
}

// Carried says that a fact carries a reference.
type Carried struct {
	Ref  fact.Ref
	Fact uuid.UUID
}

// RefSpan is a span of time, both ends inclusive, of a reference's facts.
type RefSpan struct {
	Ref      uuid.UUID
	From, To hit.Instant
}

// Moment is when a fact that carries a reference happened.
type Moment struct {
	Ref  uuid.UUID
	Fact uuid.UUID
	At   hit.Instant
}

// Messaged is a message to a person.
type Messaged struct {
	Anchor uuid.UUID
	Person uuid.UUID
	SentAt hit.Instant // 0: never
}
