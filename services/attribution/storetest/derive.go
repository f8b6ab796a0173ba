package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// errReach says that something is asked for that only reach or a build needs.
var errReach = errors.New("reach and builds are not in memory")

// What the table holds; the rows of one workspace and version.
type (
	conversionKey struct {
		workspace uuid.UUID
		version   int
		key       derive.ConversionKey
		revision  int
	}
	conversionRow struct {
		derive.ConversionChange
		superseded bool
	}
	messageKey struct {
		workspace   uuid.UUID
		version     int
		channel, id string
	}
	personKey struct {
		workspace uuid.UUID
		version   int
		digest    uuid.UUID
	}
	person  struct{ identity.Assignment }
	linkKey struct {
		workspace uuid.UUID
		version   int
		a, b      uuid.UUID
	}
	link     struct{ identity.Link }
	claimKey struct {
		workspace uuid.UUID
		version   int
		device    uuid.UUID
		at        hit.Instant
		fact      string
		identify  bool
	}
	claim struct{ identity.Claim }
)

// Derive is the [derive.Store] of a Conn.
type Derive struct{ Conn }

// Workspaces implements [derive.Store].
func (d Derive) Workspaces(ctx context.Context) (list []uuid.UUID, err error) {
	if err := d.pass(ctx, "look for touched facts", nil); err != nil {
		return nil, err
	}
	d.Memory.mu.Lock()
	defer d.Memory.mu.Unlock()
	for _, row := range d.Memory.touched.rows {
		if !slices.Contains(list, row.WorkspaceID) {
			list = append(list, row.WorkspaceID)
		}
	}
	sortIDs(list)
	return list, nil
}

func sortIDs(list []uuid.UUID) {
	slices.SortFunc(list, func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) })
}

// Exclusive implements [derive.Store].
func (d Derive) Exclusive(ctx context.Context, workspace uuid.UUID, fn func(derive.Session) error) (bool, error) {
	if err := d.pass(ctx, "lock the workspace", nil); err != nil {
		return false, err
	}
	take := func(free, taken bool) bool {
		d.Memory.mu.Lock()
		defer d.Memory.mu.Unlock()
		if d.Memory.writer[workspace] == free {
			return false
		}
		d.Memory.writer[workspace] = taken
		return true
	}
	if !take(true, true) {
		return false, nil
	}
	defer take(false, false)
	return true, fn(session{d.Conn, workspace})
}

// Load implements [derive.Store]; there are no builds.
func (d Derive) Load(context.Context, uuid.UUID, []uuid.UUID) ([]hit.Fact, error) {
	return nil, errReach
}

// Names implements [derive.Store]; there are no builds.
func (d Derive) Names(context.Context, uuid.UUID, derive.Version, []uuid.UUID, []uuid.UUID) (derive.Current, error) {
	return derive.Current{}, errReach
}

// Stock implements [derive.Store]; there are no builds.
func (d Derive) Stock(context.Context, uuid.UUID, []uuid.UUID, func(uuid.UUID) int32) (derive.Stock, error) {
	return nil, errReach
}

// session is the time of one lock.
type session struct {
	conn      Conn
	workspace uuid.UUID
}

// Snapshot implements [derive.Session].
func (s session) Snapshot(ctx context.Context, fn func(derive.Tx) error) error {
	return s.conn.run(ctx, true, func(x *tx) error { return fn(deriveTx{x, s.workspace}) })
}

// deriveTx is a transaction of derive.
type deriveTx struct {
	*tx
	workspace uuid.UUID
}

// locked runs do without asking: what a snapshot reads nothing can come between.
func (t deriveTx) locked(do func()) {
	t.m.mu.Lock()
	defer t.m.mu.Unlock()
	do()
}

// Workspace implements [derive.Queue].
func (t deriveTx) Workspace(context.Context) (info derive.Workspace, err error) {
	t.locked(func() {
		info = t.m.workspaces[t.workspace]
		info.Versions = slices.Clone(info.Versions)
		for i := range info.Versions {
			info.Versions[i].Blocked = t.blocked(info.Versions[i].Policy)
		}
	})
	return info, nil
}

// blocked are the digests of identifiers that a block list names.
func (t deriveTx) blocked(p *policy.Policy) map[uuid.UUID]bool {
	folded, blocked := map[uuid.UUID]bool{}, map[uuid.UUID]bool{}
	for _, term := range p.Blocked() {
		for _, kind := range []hit.IdentifierKind{hit.UserID, hit.Phone, hit.BSUID, hit.Email, hit.Device} {
			folded[t.m.folder.Folded(t.workspace, kind, term)] = true
		}
	}
	for _, k := range t.m.identifiers.keys(t.tx, func(k identifierKey, row *dbsqlc.IdentifierInsertParams) bool {
		return k.workspace == t.workspace && folded[row.Foldeds[0]]
	}) {
		blocked[k.digest] = true
	}
	return blocked
}

func (t deriveTx) queue(match func(k touchedKey, r *touchedRow) bool) (list []derive.Touched) {
	t.locked(func() {
		for _, key := range t.m.touched.keys(t.tx, func(k touchedKey, r *touchedRow) bool { return r.WorkspaceID == t.workspace && match(k, r) }) {
			r := t.m.touched.get(t.tx, key)
			list = append(list, derive.Touched{
				Seq: key.seq, Fact: r.FactID, OldRefs: r.OldRefs, NewRefs: r.NewRefs, Source: r.SourceID, Hour: r.Hour, Term: r.Term,
				Consumer: r.Consumer, Shard: r.Shard, Batch: r.Batch,
			})
		}
	})
	slices.SortFunc(list, func(a, b derive.Touched) int { return cmp.Compare(a.Seq, b.Seq) })
	return list
}

// Touched implements [derive.Queue].
func (t deriveTx) Touched(_ context.Context, most int) ([]derive.Touched, error) {
	list := t.queue(func(touchedKey, *touchedRow) bool { return true })
	return list[:min(most, len(list))], nil
}

// Behind implements [derive.Queue].
func (t deriveTx) Behind(_ context.Context, place int64, facts []uuid.UUID, most int) ([]derive.Touched, error) {
	list := t.queue(func(k touchedKey, _ *touchedRow) bool { return k.seq > place })
	return slices.DeleteFunc(list[:min(most, len(list))], func(r derive.Touched) bool { return !slices.Contains(facts, r.Fact) }), nil
}

// Finish implements [derive.Queue].
func (t deriveTx) Finish(ctx context.Context, rows []derive.Touched) error {
	return t.statement(ctx, "finish", func() error {
		for _, r := range rows {
			key := termKey{t.workspace, batchKey{r.Consumer, r.Shard, r.Batch}, r.Source, r.Hour.UTC()}
			if err := errors.Join(t.addTerms(ctx, key, termOf(r.Term)), lock(ctx, t.tx, touchedKey{r.Seq})); err != nil {
				return err
			}
			if t.m.touched.get(t.tx, touchedKey{r.Seq}) == nil {
				return fmt.Errorf("touched row %d is gone: a second writer is at work", r.Seq)
			}
			t.m.touched.put(t.tx, touchedKey{r.Seq}, nil)
		}
		return nil
	})
}

// Lead implements [derive.Queue]; there are no builds.
func (t deriveTx) Lead(context.Context, int, uuid.UUID) error { return errReach }

// Fresh implements [derive.Table].
func (t deriveTx) Fresh(context.Context, derive.Version) (derive.Fresh, error) {
	return derive.Fresh{}, errReach
}

// Carriers implements [derive.Facts].
func (t deriveTx) Carriers(context.Context, func(ref, fact uuid.UUID)) error { return errReach }

// Advance implements [derive.Queue].
func (t deriveTx) Advance(context.Context, derive.Build) (*derive.Swap, error) { return nil, errReach }

// carried lists references of the workspace that match, oldest first.
func (t deriveTx) carried(match func(k refKey) bool) (list []derive.Carried) {
	t.locked(func() {
		keys := t.m.refs.keys(t.tx, func(k refKey, _ *dbsqlc.FactRefInsertParams) bool { return k.workspace == t.workspace && match(k) })
		slices.SortFunc(keys, func(a, b refKey) int {
			return cmp.Or(t.m.refs.get(t.tx, a).At.Compare(t.m.refs.get(t.tx, b).At), bytes.Compare(a.fact[:], b.fact[:]), bytes.Compare(a.value[:], b.value[:]), cmp.Compare(a.kind, b.kind))
		})
		for _, k := range keys {
			list = append(list, derive.Carried{Ref: fact.Ref{Kind: fact.RefKind(k.kind), Value: k.value}, Fact: k.fact})
		}
	})
	return list
}

func set(ids []uuid.UUID) map[uuid.UUID]bool {
	all := make(map[uuid.UUID]bool, len(ids))
	for _, id := range ids {
		all[id] = true
	}
	return all
}

func sorted(all map[uuid.UUID]bool) []uuid.UUID {
	list := slices.Collect(maps.Keys(all))
	sortIDs(list)
	return list
}

// ByRef implements [derive.Facts].
func (t deriveTx) ByRef(_ context.Context, refs []uuid.UUID) ([]uuid.UUID, error) {
	asked, found := set(refs), map[uuid.UUID]bool{}
	for _, c := range t.carried(func(k refKey) bool { return asked[k.value] }) {
		found[c.Fact] = true
	}
	return sorted(found), nil
}

// Refs implements [derive.Facts].
func (t deriveTx) Refs(_ context.Context, facts []uuid.UUID) ([]uuid.UUID, error) {
	asked, found := set(facts), map[uuid.UUID]bool{}
	for _, c := range t.carried(func(k refKey) bool { return asked[k.fact] }) {
		found[c.Ref.Value] = true
	}
	return sorted(found), nil
}

// Load implements [derive.Facts].
func (t deriveTx) Load(_ context.Context, facts []uuid.UUID) (list []hit.Fact, err error) {
	t.locked(func() {
		for _, id := range facts {
			row := t.m.facts.get(t.tx, factKey{t.workspace, id})
			if row == nil {
				continue
			}
			f, fault := stored(row)
			list, err = append(list, f), errors.Join(err, fault)
		}
	})
	return list, err
}

// stored puts a fact together from its row.
func stored(row *dbsqlc.Fact) (hit.Fact, error) {
	f, err := hit.FromContent(row.Body)
	f.Source, f.Trust = row.SourceID, hit.Trust(row.Trust)
	f.At, f.ReceivedAt = hit.InstantOf(row.OccurredAt), hit.InstantOf(row.ReceivedAt)
	f.Flags, f.Precision = row.Flags, hit.PrecisionExact
	if row.WholeSecond {
		f.Precision = hit.PrecisionSecond
	}
	return f, err
}

// Walk implements [derive.Facts].
func (t deriveTx) Walk(_ context.Context, after uuid.UUID, most int) (list []uuid.UUID, err error) {
	t.locked(func() {
		for _, k := range t.m.facts.keys(t.tx, func(k factKey, _ *dbsqlc.Fact) bool {
			return k.workspace == t.workspace && bytes.Compare(k.fact[:], after[:]) > 0
		}) {
			list = append(list, k.fact)
		}
	})
	sortIDs(list)
	return list[:min(most, len(list))], nil
}

// Meet implements [derive.Near].
func (t deriveTx) Meet(_ context.Context, refs []uuid.UUID, most int) (list []derive.Carried, err error) {
	asked, given := set(refs), map[uuid.UUID]int{}
	for _, c := range t.carried(func(k refKey) bool { return asked[k.value] }) {
		if given[c.Ref.Value]++; given[c.Ref.Value] <= most {
			list = append(list, c)
		}
	}
	return list, nil
}

// Carry implements [derive.Near].
func (t deriveTx) Carry(_ context.Context, facts []uuid.UUID) ([]derive.Carried, error) {
	asked := set(facts)
	return t.carried(func(k refKey) bool { return asked[k.fact] }), nil
}

// Pending implements [derive.Backlog].
func (t deriveTx) Pending(_ context.Context, behind int64, facts []uuid.UUID) (list []derive.Touched, err error) {
	asked := set(facts)
	for _, r := range t.queue(func(k touchedKey, r *touchedRow) bool { return k.seq > behind && asked[r.FactID] }) {
		list = append(list, derive.Touched{Fact: r.Fact, Term: r.Term})
	}
	return list, nil
}

// Replaced implements [derive.Backlog].
func (t deriveTx) Replaced(_ context.Context, behind int64, facts []uuid.UUID) (list []derive.Touched, err error) {
	asked := set(facts)
	for _, r := range t.queue(func(k touchedKey, r *touchedRow) bool {
		return k.seq > behind && asked[r.FactID] && len(r.OldRefs) > 0
	}) {
		list = append(list, derive.Touched{Fact: r.Fact, OldRefs: r.OldRefs})
	}
	return list, nil
}

// The rest of [derive.Near], [derive.Names], [derive.Holders] and [derive.Rows] is what
// only reach asks for.

func (t deriveTx) Within(context.Context, []derive.RefSpan, int) ([]derive.Moment, error) {
	return nil, errReach
}

func (t deriveTx) Inbound(context.Context, []derive.RefSpan, int) ([]uuid.UUID, error) {
	return nil, errReach
}

func (t deriveTx) PersonsOf(context.Context, derive.Version, []uuid.UUID, int) ([]identity.Assignment, error) {
	return nil, errReach
}

func (t deriveTx) LinkPairs(context.Context, derive.Version, [][2]uuid.UUID) ([]identity.Link, error) {
	return nil, errReach
}

func (t deriveTx) DevicesOf(context.Context, derive.Version, []derive.RefSpan, int) ([]derive.RefSpan, error) {
	return nil, errReach
}

func (t deriveTx) Bought(context.Context, derive.Version, []timeline.Span, int) ([]uuid.UUID, error) {
	return nil, errReach
}

func (t deriveTx) Messaged(context.Context, derive.Version, []timeline.Span, int) ([]derive.Messaged, error) {
	return nil, errReach
}

// Table is what a workspace's version holds, every list sorted.
type Table struct {
	Conversions []credit.Conversion
	Messages    []touch.Message
	Persons     []identity.Assignment
	Links       []identity.Link
	Claims      []identity.Claim
}

// Table returns the rows in force of all workspaces, and the facts they should follow from.
func (m *Memory) Table() (Table, []hit.Fact, error) {
	x := m.begin(Conn{Memory: m}, true)
	defer x.end()
	m.mu.Lock()
	defer m.mu.Unlock()
	var held Table
	for _, row := range m.conversions.rows {
		if !row.superseded {
			held.Conversions = append(held.Conversions, row.Conversion)
		}
	}
	for _, row := range m.messages.rows {
		held.Messages = append(held.Messages, *row)
	}
	for _, row := range m.persons.rows {
		held.Persons = append(held.Persons, row.Assignment)
	}
	for _, row := range m.links.rows {
		held.Links = append(held.Links, row.Link)
	}
	for _, row := range m.claims.rows {
		held.Claims = append(held.Claims, row.Claim)
	}
	var facts []hit.Fact
	var faults []error
	for _, row := range m.facts.rows {
		f, err := stored(row)
		facts, faults = append(facts, f), append(faults, err)
	}
	slices.SortFunc(facts, func(a, b hit.Fact) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return held.Sorted(), facts, errors.Join(faults...)
}

// Sorted puts every list into one order.
func (t Table) Sorted() Table {
	slices.SortFunc(t.Conversions, func(a, b credit.Conversion) int {
		return cmp.Or(cmp.Compare(a.Definition, b.Definition), cmp.Compare(a.ID, b.ID))
	})
	slices.SortFunc(t.Messages, func(a, b touch.Message) int {
		return cmp.Or(cmp.Compare(a.Channel, b.Channel), cmp.Compare(a.ID, b.ID))
	})
	byText(t.Persons)
	byText(t.Links)
	byText(t.Claims)
	return t
}

func byText[T any](list []T) {
	slices.SortFunc(list, func(a, b T) int { return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
}
