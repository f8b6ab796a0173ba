package derive

import (
	"context"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Store is the database as derive sees it. Package postgres implements it.
type Store interface {
	// Workspaces lists those with touched facts or a policy to build, in any order.
	Workspaces(ctx context.Context) ([]uuid.UUID, error)

	// Exclusive takes the workspace's lock and runs fn while holding it; it does not
	// wait: false means that another process has it. The lock ends with the process
	// that held it, however that died.
	Exclusive(ctx context.Context, workspace uuid.UUID, fn func(Session) error) (bool, error)

	// Load is [Facts.Load], of one instant after the call, whoever has the lock: it neither
	// waits for a transaction nor for a connection that others have. It fails rather.
	Load(ctx context.Context, workspace uuid.UUID, facts []uuid.UUID) ([]hit.Fact, error)

	// Names is what the version's identity version holds of the identifiers with these digests,
	// and of these devices, all as of one instant, as Load reads it: persons, links and claims.
	Names(ctx context.Context, workspace uuid.UUID, v Version, digests, devices []uuid.UUID) (Current, error)

	// Stock reads the facts with these keys, one at least and ascending, to be taken later, of one
	// instant after the call, as Load does: those that there is room for, in whatever order. place
	// says which of keys one is, below 0: none. With an error it returns what had come, if anything had.
	Stock(ctx context.Context, workspace uuid.UUID, keys []uuid.UUID, place func(fact uuid.UUID) int32) (Stock, error)
}

// Stock is facts that were read together. Safe for concurrent use.
type Stock interface {
	// Take puts the facts with these keys where into has place for them, which is as long as
	// keys, and returns the places of those that it does not have, ascending.
	Take(keys []uuid.UUID, into []hit.Fact) (missing []int, err error)
	// Close gives back the room that they take, when those who are taking some have them. After
	// it there are none.
	Close()
}

// Session is the time during which one process alone draws a workspace's
// conclusions.
type Session interface {
	// Snapshot runs fn in one REPEATABLE READ transaction that begins now, after the
	// lock was taken, and so sees all that the lock's last holder wrote. It commits
	// when fn returns nil. After a serialization failure fn runs again, in a new
	// transaction: fn must keep no state between runs.
	Snapshot(ctx context.Context, fn func(Tx) error) error
}

// Tx is one such transaction, bound to its workspace.
type Tx interface {
	Queue
	Facts
	Table
	Near
	Names
	Holders
	Rows
	Backlog
}

// Queue is what waits to be concluded from.
type Queue interface {
	// Workspace returns what derivations need to know of the workspace. A workspace
	// that is gone has no versions.
	Workspace(ctx context.Context) (Workspace, error)
	// Touched returns up to most rows, oldest first.
	Touched(ctx context.Context, most int) ([]Touched, error)
	// Behind returns those rows of facts, in any order, that are among the next up to most
	// rows behind a place in the queue.
	Behind(ctx context.Context, place int64, facts []uuid.UUID, most int) ([]Touched, error)
	// Finish deletes exactly these rows and moves their terms into the ledger.
	Finish(ctx context.Context, rows []Touched) error
	// Lead notes that the process of that name derives now, while a version is being built.
	Lead(ctx context.Context, version int, leader uuid.UUID) error
	// Advance records how far a build has come. When it is complete it is compared with
	// the live version and takes its place, or is discarded if it only was to check; the
	// swap says which. Nothing may be touched then but what this transaction finished.
	Advance(ctx context.Context, build Build) (*Swap, error)
}

// Facts finds stored facts.
type Facts interface {
	// ByRef returns the keys of all facts that carry one of refs.
	ByRef(ctx context.Context, refs []uuid.UUID) ([]uuid.UUID, error)
	// Refs returns all references of the facts with these keys, each once.
	Refs(ctx context.Context, facts []uuid.UUID) ([]uuid.UUID, error)
	// Load returns the facts with these keys, in the order of the keys, which are all
	// different. Those that are not there are left out.
	Load(ctx context.Context, facts []uuid.UUID) ([]hit.Fact, error)
	// Walk returns up to most keys greater than after, ascending.
	Walk(ctx context.Context, after uuid.UUID, most int) ([]uuid.UUID, error)
	// Carriers tells which facts carry which references, all there are; those of one
	// reference one after the other.
	Carriers(ctx context.Context, each func(ref, fact uuid.UUID)) error
}

// Table is what has been concluded so far.
type Table interface {
	// Fresh says what a version holds nothing of.
	Fresh(ctx context.Context, version Version) (Fresh, error)
	// Credits returns the credits of these rows, as far as rollups need them: keyed
	// by conversion, in order of rank.
	Credits(ctx context.Context, version int, rows []ConversionRow) (map[ConversionKey][]credit.Credit, error)
	// Revisions returns the highest revision that each conversion ever had.
	Revisions(ctx context.Context, version int, keys []ConversionKey) (map[ConversionKey]int, error)
	// Apply writes the changes of one version.
	Apply(ctx context.Context, version Version, changes Changes, at time.Time) error
}

// Workspace is what a derivation needs to know of its workspace.
type Workspace struct {
	Currency string // ISO 4217, of values that state none
	Versions []Version
}

// Version is a policy that is in force or being built.
type Version struct {
	Number   int
	Identity int // the identity version that the policy shares with others like it
	Policy   *policy.Policy
	Rules    *timeline.Rules // of Policy
	// Blocked holds the digests of all identifiers that the policy's block list
	// names: they are as good as absent.
	Blocked  map[uuid.UUID]bool
	Building bool
	Started  bool          // the build knows its total
	Cursor   uuid.UUID     // the last fact that the build has walked
	Leader   uuid.UUID     // the process that derived last, of those that derived since the build began; nil: none
	Idle     time.Duration // since it did
}

// Fresh says what a version holds nothing of, or not on certain references: nothing is
// asked of it, and all that is written is new.
type Fresh struct {
	Rows    bool // conversions and messages
	Persons bool // persons, links and claims
}

// Touched is one hit that changed a fact since conclusions were last drawn.
type Touched struct {
	Seq      int64
	Fact     uuid.UUID   // key of the fact
	OldRefs  []uuid.UUID // what a replaced copy withdraws
	NewRefs  []uuid.UUID
	Source   uuid.UUID
	Hour     time.Time // of receipt, UTC
	Term     string    // stored (the first copy of its fact), duplicate or conflict
	Consumer uuid.UUID
	Shard    int32
	Batch    int64
}

// Build is a step of a version's build.
type Build struct {
	Version   int
	Start     bool // count the facts to walk
	Walked    int
	Cursor    uuid.UUID
	Publish   bool // it is complete
	Unchanged bool // nothing has been concluded in its transaction
	Alone     bool // nothing else is done in its transaction: should the server lose it, it is done again
	At        time.Time
}

// Swap is the end of a build.
type Swap struct {
	Version     int
	Against     int   // the version that was live
	Recompute   bool  // the live policy from nothing; else a new one
	Live        bool  // Version is in force now; else it is discarded
	Differences int64 // rows in which the two differ
}

// ConversionKey names a conversion within a version.
type ConversionKey struct {
	Definition string
	ID         string
}

// ConversionRow is a current row of the conversion table, without its credits.
type ConversionRow struct {
	Key      ConversionKey
	Revision int
	EventAt  hit.Instant
	Currency string
	Models   []string
	Hash     uuid.UUID
	Anchor   uuid.UUID // the reference that its copies share
	Person   uuid.UUID // [uuid.Nil]: nobody
	Refund   bool
}

// Current is what a version holds on some references.
type Current struct {
	Conversions []ConversionRow
	Messages    []touch.Message
	Persons     []identity.Assignment
	Links       []identity.Link
	Claims      []identity.Claim
	Fresh       Fresh // of what it is known that there is none
}

// Changes turns what a version holds into what follows from the facts.
type Changes struct {
	Supersede []ConversionKey
	Insert    []ConversionChange

	MessageDelete []touch.Message
	MessageUpsert []touch.Message
	PersonDelete  []identity.Assignment
	PersonUpsert  []identity.Assignment
	LinkDelete    []identity.Link
	LinkUpsert    []identity.Link
	ClaimDelete   []identity.Claim
	ClaimUpsert   []identity.Claim

	Credits  []CreditSum
	Messages []MessageSum

	Fresh Fresh // what there was nothing of: nothing that is written is there

	// Split says that messages and their sums may be written in a transaction of their own,
	// which commits first: it may have taken place when this one does not. Whatever else this
	// one writes must not touch the same rows.
	Split bool
}

// ConversionChange is a conversion to write, with its credits.
type ConversionChange struct {
	credit.Conversion
	Revision int
	Hash     uuid.UUID
}
