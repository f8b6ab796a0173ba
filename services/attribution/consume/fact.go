package consume

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

// errVanished says that a fact was deleted while it was being merged; the
// transaction runs again.
var errVanished = errors.New("a fact vanished")

// merger is one fact and the copies of it that a batch brings.
type merger struct {
	workspace, id uuid.UUID
	kind          hit.Kind
	copies        []*item

	found   *record // in the database, nil when the fact is new
	result  *record
	terms   []term // of copies
	changed []bool // of copies: whether it changed the copy in force
}

// merge puts the copies over what was found, in order of the stream.
func (m *merger) merge(found *record) {
	m.found, m.result = found, &record{}
	if found != nil {
		m.result = found.clone()
	}
	m.terms, m.changed = m.terms[:0], m.changed[:0]
	for _, i := range m.copies {
		t, changed := m.result.merge(i.statement)
		m.terms, m.changed = append(m.terms, t), append(m.changed, changed)
	}
}

// moved says whether the fact's references have to be written.
func (m *merger) moved() bool {
	return m.found == nil || m.found.current.content != m.result.current.content || m.found.current.at != m.result.current.at
}

// updated says whether the fact was there and its row is to be written.
func (m *merger) updated() bool {
	return m.found != nil && slices.Contains(m.changed, true)
}

// facts merges the copies into the facts that are stored. Most facts are new, so an
// insert comes first; those it leaves out are there, and are locked and merged.
func (w *writer) facts() error {
	mergers := group(w.fresh)
	if len(mergers) == 0 {
		return nil
	}
	present, err := w.insert(mergers)
	if err != nil {
		return err
	}
	if err := w.load(present); err != nil {
		return err
	}
	if err := w.update(present); err != nil {
		return err
	}
	if err := w.conflicts(mergers); err != nil {
		return err
	}
	withdrawn, err := w.references(mergers)
	if err != nil {
		return err
	}
	for _, m := range mergers {
		w.conclude(m, withdrawn[factKey{m.workspace, m.id}])
	}
	return nil
}

// factKey is a fact's primary key: two workspaces may have facts of one id.
type factKey struct{ workspace, id uuid.UUID }

// group collects the copies of each fact, sorted by key.
func group(items []*item) []*merger {
	byKey := make(map[factKey]*merger)
	var mergers []*merger
	for _, i := range items {
		if i.refused != nil {
			continue
		}
		key := factKey{i.workspace, i.factID}
		m, ok := byKey[key]
		if !ok {
			m = &merger{workspace: i.workspace, id: i.factID, kind: i.kind}
			byKey[key] = m
			mergers = append(mergers, m)
		}
		m.copies = append(m.copies, i)
	}
	slices.SortFunc(mergers, func(a, b *merger) int { return compareKeys(a.workspace, a.id, b.workspace, b.id) })
	return mergers
}

// insert stores facts as if all were new and returns those that were not.
func (w *writer) insert(mergers []*merger) (present []*merger, err error) {
	var rows dbsqlc.FactInsertParams
	for _, m := range mergers {
		m.merge(nil)
		s := &m.result.current
		rows.WorkspaceIds = append(rows.WorkspaceIds, m.workspace)
		rows.FactIds = append(rows.FactIds, m.id)
		rows.Kinds = append(rows.Kinds, string(m.kind))
		rows.SourceIds = append(rows.SourceIds, s.source)
		rows.Trusts = append(rows.Trusts, s.trust)
		rows.OccurredAts = append(rows.OccurredAts, s.at.Time())
		rows.WholeSeconds = append(rows.WholeSeconds, s.wholeSecond)
		rows.ReceivedAts = append(rows.ReceivedAts, s.receivedAt.Time())
		rows.Flags = append(rows.Flags, strings.Join(s.flags, ","))
		rows.Contents = append(rows.Contents, s.content)
		rows.Bodies = append(rows.Bodies, s.body)
	}
	inserted, err := w.tx.FactInsert(w.ctx, rows)
	if err != nil {
		return nil, err
	}
	isNew := make(map[dbsqlc.FactInsertRow]bool, len(inserted))
	for _, key := range inserted {
		isNew[key] = true
	}
	for _, m := range mergers {
		if !isNew[dbsqlc.FactInsertRow{WorkspaceID: m.workspace, FactID: m.id}] {
			present = append(present, m)
		}
	}
	return present, nil
}

// load locks the facts that are stored already and merges over them.
func (w *writer) load(present []*merger) error {
	if len(present) == 0 {
		return nil
	}
	workspaces, ids := keysOf(present)
	facts, err := w.tx.FactLock(w.ctx, workspaces, ids)
	if err != nil {
		return err
	}
	conflicts, err := w.tx.FactConflictList(w.ctx, workspaces, ids)
	if err != nil {
		return err
	}
	found := make(map[factKey]*record, len(facts))
	for _, f := range facts {
		found[factKey{f.WorkspaceID, f.FactID}] = &record{exists: true, others: make(map[uuid.UUID]statement), current: statement{
			source: f.SourceID, trust: f.Trust, at: hit.InstantOf(f.OccurredAt), wholeSecond: f.WholeSecond,
			receivedAt: hit.InstantOf(f.ReceivedAt), flags: f.Flags, content: f.Content, body: f.Body,
		}}
	}
	for _, c := range conflicts {
		if r := found[factKey{c.WorkspaceID, c.FactID}]; r != nil {
			r.others[c.Content] = statement{
				source: c.SourceID, trust: c.Trust, at: hit.InstantOf(c.OccurredAt), wholeSecond: c.WholeSecond,
				receivedAt: hit.InstantOf(c.ReceivedAt), content: c.Content,
			}
		}
	}
	for _, m := range present {
		r := found[factKey{m.workspace, m.id}]
		if r == nil {
			return errors.Join(errVanished, postgres.ErrConflict)
		}
		m.merge(r)
		if err := m.complete(); err != nil {
			return err
		}
	}
	return nil
}

// complete reads the references of a copy that was in the database and stays in
// force although its row changes.
func (m *merger) complete() error {
	s := &m.result.current
	if s.refs != nil || !m.updated() {
		return nil
	}
	f, err := hit.FromContent(s.body)
	if err != nil {
		return fmt.Errorf("fact %s of workspace %s: %w", m.id, m.workspace, err)
	}
	s.refs = fact.Refs(&f)
	return nil
}

// update writes the facts that were there and changed.
func (w *writer) update(present []*merger) error {
	var rows dbsqlc.FactUpdateParams
	for _, m := range present {
		if !m.updated() {
			continue
		}
		s := &m.result.current
		rows.WorkspaceIds = append(rows.WorkspaceIds, m.workspace)
		rows.FactIds = append(rows.FactIds, m.id)
		rows.SourceIds = append(rows.SourceIds, s.source)
		rows.Trusts = append(rows.Trusts, s.trust)
		rows.OccurredAts = append(rows.OccurredAts, s.at.Time())
		rows.WholeSeconds = append(rows.WholeSeconds, s.wholeSecond)
		rows.ReceivedAts = append(rows.ReceivedAts, s.receivedAt.Time())
		rows.Flags = append(rows.Flags, strings.Join(s.flags, ","))
		rows.Contents = append(rows.Contents, s.content)
		rows.Bodies = append(rows.Bodies, s.body)
	}
	if len(rows.FactIds) == 0 {
		return nil
	}
	return w.tx.FactUpdate(w.ctx, rows)
}

// conflicts writes the contents that are not in force.
func (w *writer) conflicts(mergers []*merger) error {
	var gone dbsqlc.FactConflictDeleteParams
	var rows dbsqlc.FactConflictUpsertParams
	for _, m := range mergers {
		var before map[uuid.UUID]statement
		if m.found != nil {
			before = m.found.others
		}
		for content := range before {
			if _, still := m.result.others[content]; !still {
				gone.WorkspaceIds = append(gone.WorkspaceIds, m.workspace)
				gone.FactIds = append(gone.FactIds, m.id)
				gone.Contents = append(gone.Contents, content)
			}
		}
		for content, o := range m.result.others {
			if o.body == nil { // as it was found
				continue
			}
			rows.WorkspaceIds = append(rows.WorkspaceIds, m.workspace)
			rows.FactIds = append(rows.FactIds, m.id)
			rows.Contents = append(rows.Contents, content)
			rows.Bodies = append(rows.Bodies, o.body)
			rows.SourceIds = append(rows.SourceIds, o.source)
			rows.Trusts = append(rows.Trusts, o.trust)
			rows.OccurredAts = append(rows.OccurredAts, o.at.Time())
			rows.WholeSeconds = append(rows.WholeSeconds, o.wholeSecond)
			rows.ReceivedAts = append(rows.ReceivedAts, o.receivedAt.Time())
		}
	}
	if len(gone.FactIds) > 0 {
		if err := w.tx.FactConflictDelete(w.ctx, gone); err != nil {
			return err
		}
	}
	if len(rows.FactIds) == 0 {
		return nil
	}
	return w.tx.FactConflictUpsert(w.ctx, rows)
}

// references rewrites the references of facts that are new or say something else
// now, and returns by fact those it found written.
func (w *writer) references(mergers []*merger) (found map[factKey][]uuid.UUID, err error) {
	var replaced []*merger
	var rows []dbsqlc.FactRefInsertParams
	for _, m := range mergers {
		if !m.moved() {
			continue
		}
		if m.found != nil {
			replaced = append(replaced, m)
		}
		s := &m.result.current
		for _, r := range s.refs {
			rows = append(rows, dbsqlc.FactRefInsertParams{
				WorkspaceID: m.workspace, Value: r.Value, FactID: m.id, Kind: int16(r.Kind), At: s.at.Time(),
			})
		}
	}
	found = make(map[factKey][]uuid.UUID)
	if len(replaced) > 0 {
		workspaces, ids := keysOf(replaced)
		deleted, err := w.tx.FactRefDelete(w.ctx, workspaces, ids)
		if err != nil {
			return nil, err
		}
		for _, d := range deleted {
			key := factKey{d.WorkspaceID, d.FactID}
			found[key] = append(found[key], d.Value)
		}
	}
	if len(rows) == 0 {
		return found, nil
	}
	_, err = w.tx.FactRefInsert(w.ctx, rows)
	return found, err
}

// conclude books the copies of a fact: at once those that changed nothing, with a
// touched row the others. before are the references that were replaced.
func (w *writer) conclude(m *merger, before []uuid.UUID) {
	now := make([]uuid.UUID, 0, len(m.result.current.refs))
	for _, r := range m.result.current.refs {
		now = append(now, r.Value)
	}
	withdrawn := []uuid.UUID{}
	for _, value := range before {
		if !slices.Contains(now, value) {
			withdrawn = append(withdrawn, value)
		}
	}
	for n, i := range m.copies {
		i.counts = m.terms[n]
		if !m.changed[n] {
			w.count(i, m.terms[n])
			continue
		}
		w.result.terms[m.terms[n]]++
		w.touched = append(w.touched, dbsqlc.TouchedInsertParams{
			WorkspaceID: m.workspace, FactID: m.id, OldRefs: withdrawn, NewRefs: now, SourceID: i.source, Hour: i.hour(),
			Term: string(m.terms[n]), Consumer: w.name.consumer, Shard: int32(w.name.shard), Batch: w.name.number,
		})
	}
}

func keysOf(mergers []*merger) (workspaces, ids []uuid.UUID) {
	for _, m := range mergers {
		workspaces = append(workspaces, m.workspace)
		ids = append(ids, m.id)
	}
	return workspaces, ids
}
