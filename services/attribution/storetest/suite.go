package storetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// Shop is the workspace that a database under test has, Nowhere one that it has not. No
// other test uses their ids: locks of workspaces are the whole server's.
var (
	Shop    = uuid.MustParse("5107e5e7-0000-4000-8000-000000000001")
	Nowhere = uuid.MustParse("5107e5e7-0000-4000-8000-000000000002")
)

// Database is an empty database under test, whose one workspace has one policy in force.
type Database struct {
	Consume consume.Store
	Derive  derive.Store
	Recover stream.Recover
	Terms   func(dbsqlc.IngestionTermsParams) []dbsqlc.IngestionTermsRow
}

// suite is one test's database.
type suite struct {
	*testing.T
	Database
}

var (
	site = uuid.MustParse("20000000-0000-0000-0000-000000000001")
	noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

// Run plays the suite over databases that open makes.
func Run(t *testing.T, open func(t *testing.T) Database) {
	t.Helper()
	for name, test := range map[string]func(s suite){
		"keeps what is committed and nothing else":          suite.commits,
		"lets one transaction after the other at a receipt": suite.waits,
		"ends one of two that wait for each other":          suite.deadlocks,
		"numbers batches once":                              suite.batches,
		"keeps facts by key":                                suite.facts,
		"adds up terms and folds what is settled":           suite.ledger,
		"gives batches another name":                        suite.adopts,
		"derives from a snapshot":                           suite.snapshots,
		"has one deriver per workspace":                     suite.excludes,
		"knows who lives":                                   suite.lives,
		"recovers the books while no batch is committed":    suite.recovers,
	} {
		t.Run(name, func(t *testing.T) { test(suite{t, open(t)}) })
	}
}

func (s suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s suite) equal(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.Fatalf("%s (-want +got):\n%s", what, diff)
	}
}

// in runs work in a transaction that commits.
func (s suite) in(work func(ctx context.Context, tx consume.Tx) error) {
	s.Helper()
	s.must(s.Consume.InTx(s.Context(), work))
}

// receipts stores numbers of an epoch.
func receipts(ctx context.Context, tx consume.Tx, epoch uuid.UUID, numbers ...int64) error {
	if err := tx.ReceiptInsertMissing(ctx, []uuid.UUID{epoch}, []int32{0}); err != nil {
		return err
	}
	if err := tx.ReceiptLock(ctx, []uuid.UUID{epoch}, []int32{0}); err != nil {
		return err
	}
	return tx.ReceiptAdd(ctx, dbsqlc.ReceiptAddParams(asked(epoch, numbers...)))
}

func asked(epoch uuid.UUID, numbers ...int64) dbsqlc.ReceiptKnownParams {
	var arg dbsqlc.ReceiptKnownParams
	for _, n := range numbers {
		arg.Epochs, arg.Shards, arg.Numbers = append(arg.Epochs, epoch), append(arg.Shards, 0), append(arg.Numbers, n)
	}
	return arg
}

// known are those of numbers that are stored.
func (s suite) known(epoch uuid.UUID, numbers ...int64) (list []int64) {
	s.Helper()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		list = nil
		rows, err := tx.ReceiptKnown(ctx, asked(epoch, numbers...))
		for _, r := range rows {
			list = append(list, r.Number)
		}
		return err
	})
	return list
}

func (s suite) commits() {
	epoch, cause := uuid.New(), errors.New("enough")
	err := s.Consume.InTx(s.Context(), func(ctx context.Context, tx consume.Tx) error {
		if err := receipts(ctx, tx, epoch, 1, 2); err != nil {
			return err
		}
		rows, err := tx.ReceiptKnown(ctx, asked(epoch, 1, 2, 3))
		if err != nil || len(rows) != 2 {
			return fmt.Errorf("its own writes: %v, %w", rows, err)
		}
		return cause
	})
	if !errors.Is(err, cause) {
		s.Fatal(err)
	}
	s.equal("rolled back", s.known(epoch, 1, 2, 3), []int64{})
	s.in(func(ctx context.Context, tx consume.Tx) error { return receipts(ctx, tx, epoch, 2, 3, 7) })
	s.equal("committed", s.known(epoch, 1, 2, 3, 7), []int64{2, 3, 7})
}

func (s suite) waits() {
	epoch := uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error { return receipts(ctx, tx, epoch, 1) })
	locked, second := make(chan struct{}), make(chan error, 1)
	go func() {
		<-locked
		second <- s.Consume.InTx(s.Context(), func(ctx context.Context, tx consume.Tx) error {
			if err := tx.ReceiptLock(ctx, []uuid.UUID{epoch}, []int32{0}); err != nil {
				return err
			}
			rows, err := tx.ReceiptKnown(ctx, asked(epoch, 2))
			if err == nil && len(rows) != 1 {
				err = errors.New("it did not wait for what the first one wrote")
			}
			return err
		})
	}()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		if err := tx.ReceiptLock(ctx, []uuid.UUID{epoch}, []int32{0}); err != nil {
			return err
		}
		close(locked)
		return tx.ReceiptAdd(ctx, dbsqlc.ReceiptAddParams(asked(epoch, 2)))
	})
	s.must(<-second)
}

func (s suite) deadlocks() {
	a, b := uuid.New(), uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		return errors.Join(receipts(ctx, tx, a, 1), receipts(ctx, tx, b, 1))
	})
	var meet [2]chan struct{}
	meet[0], meet[1] = make(chan struct{}), make(chan struct{})
	outcome := make(chan error, 2)
	for i, order := range [][2]uuid.UUID{{a, b}, {b, a}} {
		go func() {
			first := true
			outcome <- s.Consume.InTx(s.Context(), func(ctx context.Context, tx consume.Tx) error {
				if err := tx.ReceiptLock(ctx, order[:1], []int32{0}); err != nil {
					return err
				}
				if first {
					first = false
					close(meet[i])
					<-meet[1-i]
				}
				if err := tx.ReceiptLock(ctx, order[1:], []int32{0}); err != nil {
					return err
				}
				return tx.ReceiptAdd(ctx, dbsqlc.ReceiptAddParams(asked(order[1], int64(2+i))))
			})
		}()
	}
	s.must(<-outcome) // the one that was ended runs again
	s.must(<-outcome)
	s.equal("both", append(s.known(b, 2), s.known(a, 3)...), []int64{2, 3})
}

func (s suite) batches() {
	one := dbsqlc.BatchInsertParams{Consumer: uuid.New(), Shard: 1, Batch: 1, Entries: []string{"1-0", "2-0"}, Fields: []string{"a/b", "a/b"}}
	two := one
	two.Batch, two.Entries = 2, []string{"3-0", stream.Lost}
	insert := func(arg dbsqlc.BatchInsertParams) (n int64) {
		s.Helper()
		s.in(func(ctx context.Context, tx consume.Tx) (err error) { n, err = tx.BatchInsert(ctx, arg); return err })
		return n
	}
	s.equal("inserted", []int64{insert(two), insert(one), insert(one)}, []int64{1, 1, 0})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		held, err := tx.BatchHeld(ctx, 1, []string{"2-0", "3-0", "4-0"})
		s.must(err)
		s.equal("held", len(held), 2)
		other, err := tx.BatchHeld(ctx, 0, []string{"2-0"})
		s.must(err)
		s.equal("of another shard", other, []string{})
		list, err := tx.BatchUnsettled(ctx, 0, 10)
		s.must(err)
		s.equal("in order", []int64{list[0].Batch, list[1].Batch}, []int64{1, 2})
		young, err := tx.BatchUnsettled(ctx, 3600, 10)
		s.must(err)
		s.equal("young", len(young), 0)
		row := dbsqlc.BatchLockParams{Consumer: one.Consumer, Shard: 1, Batch: 1}
		there, err := tx.BatchLock(ctx, row)
		s.must(err)
		s.must(tx.BatchDelete(ctx, dbsqlc.BatchDeleteParams(row)))
		gone, err := tx.BatchLock(ctx, row)
		s.equal("there, and gone", []int64{there, gone}, []int64{1, 0})
		return err
	})
	s.equal("its number is free", insert(one), int64(1))
}

// insertFact adds a fact of a source.
func insertFact(ctx context.Context, tx consume.Tx, id, source uuid.UUID) (int, error) {
	rows, err := tx.FactInsert(ctx, dbsqlc.FactInsertParams{
		WorkspaceIds: []uuid.UUID{Shop}, FactIds: []uuid.UUID{id}, Kinds: []string{"event"}, SourceIds: []uuid.UUID{source}, Trusts: []int16{2},
		OccurredAts: []time.Time{noon}, WholeSeconds: []bool{false}, ReceivedAts: []time.Time{noon}, Flags: []string{""},
		Contents: []uuid.UUID{id}, Bodies: [][]byte{{1}},
	})
	return len(rows), err
}

func (s suite) facts() {
	id, ref := uuid.New(), uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		n, err := insertFact(ctx, tx, id, site)
		s.equal("new", n, 1)
		s.must(err)
		n, err = insertFact(ctx, tx, id, uuid.New())
		s.equal("there", n, 0)
		s.must(err)
		known, err := tx.WorkspaceHold(ctx, []uuid.UUID{Shop, Nowhere})
		s.equal("workspaces", known, []uuid.UUID{Shop})
		s.must(err)
		_, err = tx.FactRefInsert(ctx, []dbsqlc.FactRefInsertParams{{WorkspaceID: Shop, Value: ref, FactID: id, Kind: 9, At: noon}})
		return err
	})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		rows, err := tx.FactLock(ctx, []uuid.UUID{Shop, Shop}, []uuid.UUID{id, uuid.New()})
		s.must(err)
		s.equal("locked", []any{len(rows), rows[0].SourceID, rows[0].Flags}, []any{1, site, []string{}})
		s.must(tx.FactUpdate(ctx, dbsqlc.FactUpdateParams{
			WorkspaceIds: []uuid.UUID{Shop}, FactIds: []uuid.UUID{id}, SourceIds: []uuid.UUID{ref}, Trusts: []int16{3}, OccurredAts: []time.Time{noon},
			WholeSeconds: []bool{true}, ReceivedAts: []time.Time{noon}, Flags: []string{"a,b"}, Contents: []uuid.UUID{ref}, Bodies: [][]byte{{2}},
		}))
		s.must(tx.FactConflictUpsert(ctx, dbsqlc.FactConflictUpsertParams{
			WorkspaceIds: []uuid.UUID{Shop, Shop}, FactIds: []uuid.UUID{id, id}, Contents: []uuid.UUID{id, site}, Bodies: [][]byte{{1}, {1}},
			SourceIds: []uuid.UUID{site, site}, Trusts: []int16{2, 2}, OccurredAts: []time.Time{noon, noon}, WholeSeconds: []bool{false, false}, ReceivedAts: []time.Time{noon, noon},
		}))
		return tx.FactConflictDelete(ctx, dbsqlc.FactConflictDeleteParams{WorkspaceIds: []uuid.UUID{Shop}, FactIds: []uuid.UUID{id}, Contents: []uuid.UUID{site}})
	})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		rows, err := tx.FactLock(ctx, []uuid.UUID{Shop}, []uuid.UUID{id})
		s.must(err)
		s.equal("updated", []any{rows[0].SourceID, rows[0].Trust, rows[0].WholeSecond, rows[0].Flags, rows[0].Body}, []any{ref, int16(3), true, []string{"a", "b"}, []byte{2}})
		list, err := tx.FactConflictList(ctx, []uuid.UUID{Shop}, []uuid.UUID{id})
		s.must(err)
		s.equal("conflicts", []any{len(list), list[0].Content}, []any{1, id})
		gone, err := tx.FactRefDelete(ctx, []uuid.UUID{Shop}, []uuid.UUID{id})
		s.equal("withdrawn", gone, []dbsqlc.FactRefDeleteRow{{WorkspaceID: Shop, FactID: id, Value: ref}})
		return err
	})
}

// addTerms books hits of a batch.
func addTerms(ctx context.Context, tx consume.Tx, consumer uuid.UUID, batch, stored int64) error {
	return tx.LedgerBatchAdd(ctx, dbsqlc.LedgerBatchAddParams{
		WorkspaceIds: []uuid.UUID{Shop}, Consumers: []uuid.UUID{consumer}, Shards: []int32{0}, Batches: []int64{batch}, SourceIds: []uuid.UUID{site},
		Hours: []time.Time{noon}, Stored: []int64{stored}, Duplicate: []int64{1}, Conflict: []int64{0}, Rejected: []int64{-1},
	})
}

// touch appends a touched row of a batch.
func touchRow(ctx context.Context, tx consume.Tx, consumer uuid.UUID, batch int64, term string) error {
	_, err := tx.TouchedInsert(ctx, []dbsqlc.TouchedInsertParams{{
		WorkspaceID: Shop, FactID: uuid.New(), OldRefs: []uuid.UUID{}, NewRefs: []uuid.UUID{site}, SourceID: site, Hour: noon, Term: term,
		Consumer: consumer, Batch: batch,
	}})
	return err
}

// terms are those of the site as of a settled batch.
func (s suite) terms(consumer uuid.UUID, batch int64) []int64 {
	s.Helper()
	rows := s.Terms(dbsqlc.IngestionTermsParams{WorkspaceID: Shop, Consumers: []uuid.UUID{consumer}, Shards: []int32{0}, Batches: []int64{batch}})
	if len(rows) == 0 {
		return nil
	}
	return []int64{rows[0].Stored, rows[0].Duplicate, rows[0].Conflict, rows[0].Rejected, rows[0].Waiting}
}

func (s suite) ledger() {
	consumer := uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		return errors.Join(addTerms(ctx, tx, consumer, 1, 5), addTerms(ctx, tx, consumer, 1, 2), addTerms(ctx, tx, consumer, 2, 10), touchRow(ctx, tx, consumer, 2, "stored"))
	})
	s.equal("nothing is settled", s.terms(consumer, 0), []int64{})
	s.equal("the first", s.terms(consumer, 1), []int64{7, 2, 0, -2, 0})
	s.equal("both", s.terms(consumer, 2), []int64{17, 3, 0, -3, 1})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		held, err := tx.TryLock(ctx, "fold")
		s.equal("lock", held, true)
		s.must(err)
		n, err := tx.LedgerFold(ctx, dbsqlc.LedgerFoldParams{Consumers: []uuid.UUID{consumer}, Shards: []int32{0}, Batches: []int64{1}})
		s.equal("rows of the ledger", n, int64(1))
		return err
	})
	s.equal("folded", s.terms(consumer, 0), []int64{7, 2, 0, -2, 0})
	s.equal("the rest", s.terms(consumer, 2), []int64{17, 3, 0, -3, 1})
}

func (s suite) adopts() {
	consumer, fresh := uuid.New(), uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		for _, batch := range []int64{3, 4} {
			_, err := tx.BatchInsert(ctx, dbsqlc.BatchInsertParams{Consumer: consumer, Batch: batch, Entries: []string{}, Fields: []string{}})
			if err := errors.Join(err, addTerms(ctx, tx, consumer, batch, batch), touchRow(ctx, tx, consumer, batch, "stored")); err != nil {
				return err
			}
		}
		return addTerms(ctx, tx, consumer, 2, 100)
	})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		row := dbsqlc.BatchAdoptParams{Fresh: fresh, Gone: 2, Consumer: consumer}
		n, err := tx.BatchAdopt(ctx, row)
		s.equal("batches with a new name", n, int64(2))
		return errors.Join(err, tx.LedgerBatchAdopt(ctx, dbsqlc.LedgerBatchAdoptParams(row)), tx.TouchedAdopt(ctx, dbsqlc.TouchedAdoptParams(row)))
	})
	s.equal("the first", s.terms(fresh, 1), []int64{3, 1, 0, -1, 1})
	s.equal("both", s.terms(fresh, 2), []int64{7, 2, 0, -2, 2})
	s.equal("what stays", s.terms(consumer, 9), []int64{100, 1, 0, -1, 0})
	s.in(func(ctx context.Context, tx consume.Tx) error {
		list, err := tx.BatchUnsettled(ctx, 0, 10)
		s.equal("batches", []any{len(list), list[0].Batch, list[1].Batch, list[0].Consumer}, []any{2, int64(1), int64(2), fresh})
		return err
	})
}

// derive runs fn over a workspace in one snapshot.
func (s suite) derive(fn func(tx derive.Tx) error) error {
	s.Helper()
	var inner error
	held, err := s.Derive.Exclusive(s.Context(), Shop, func(session derive.Session) error {
		inner = session.Snapshot(s.Context(), fn)
		return nil
	})
	if err != nil || !held {
		s.Fatalf("lock: %v, %v", held, err)
	}
	return inner
}

func (s suite) snapshots() {
	consumer := uuid.New()
	add := func(term string) {
		s.in(func(ctx context.Context, tx consume.Tx) error {
			return errors.Join(touchRow(ctx, tx, consumer, 1, term), addTerms(ctx, tx, consumer, 1, 1))
		})
	}
	add("stored")
	add("conflict")
	waiting, err := s.Derive.Workspaces(s.Context())
	s.must(err)
	s.equal("workspaces", waiting, []uuid.UUID{Shop})
	runs := 0
	s.must(s.derive(func(tx derive.Tx) error {
		runs++
		rows, err := tx.Touched(s.Context(), 10)
		s.must(err)
		s.equal("rows", len(rows), runs+1)
		if runs == 1 {
			add("duplicate") // it writes the same terms, so this snapshot is too old
		}
		again, err := tx.Touched(s.Context(), 10)
		s.must(err)
		s.equal("the same rows", again, rows)
		return tx.Finish(s.Context(), rows)
	}))
	s.equal("runs", runs, 2)
	s.equal("terms", s.terms(consumer, 1), []int64{4, 4, 1, -3, 0})
	none, err := s.Derive.Workspaces(s.Context())
	s.must(err)
	s.equal("nothing waits", len(none), 0)
	if err := s.derive(func(tx derive.Tx) error {
		return tx.Finish(s.Context(), []derive.Touched{{Seq: 1 << 40, Source: site, Hour: noon, Term: "stored", Consumer: consumer, Batch: 1}})
	}); err == nil {
		s.Fatal("a row that is gone was finished")
	}
}

func (s suite) excludes() {
	held, err := s.Derive.Exclusive(s.Context(), Shop, func(derive.Session) error {
		second, err := s.Derive.Exclusive(s.Context(), Shop, func(derive.Session) error { return nil })
		s.must(err)
		s.equal("second", second, false)
		return nil
	})
	s.must(err)
	s.equal("first", held, true)
	s.must(s.derive(func(tx derive.Tx) error {
		info, err := tx.Workspace(s.Context())
		s.must(err)
		s.equal("versions", []any{len(info.Versions), info.Versions[0].Number, info.Versions[0].Building}, []any{1, 1, false})
		return nil
	}))
}

func (s suite) lives() {
	name, ctx := uuid.New(), s.Context()
	ctx, cancel := context.WithCancel(ctx)
	held, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		s.Consume.KeepAlive(ctx, name, func() { close(held) })
	}()
	<-held
	other := uuid.New()
	dead, err := s.Consume.Dead(s.Context(), []uuid.UUID{name, other})
	s.must(err)
	s.equal("dead", dead, []uuid.UUID{other})
	cancel()
	<-ended
	for deadline := time.Now().Add(30 * time.Second); len(dead) == 1; { // a server takes a moment to notice
		if dead, err = s.Consume.Dead(s.Context(), []uuid.UUID{name, other}); err != nil || time.Now().After(deadline) {
			s.Fatalf("dead are %v, %v", dead, err)
		}
	}
}

func (s suite) recovers() {
	consumer := uuid.New()
	s.in(func(ctx context.Context, tx consume.Tx) error {
		_, err := tx.BatchInsert(ctx, dbsqlc.BatchInsertParams{Consumer: consumer, Batch: 4, Entries: []string{}, Fields: []string{}})
		return errors.Join(err, addTerms(ctx, tx, consumer, 3, 5), touchRow(ctx, tx, consumer, 3, "stored"))
	})
	committed := make(chan error, 1)
	err := s.Recover(s.Context(), 0, func(seed stream.Seed) error {
		s.equal("accepted", seed.Accepted, map[string]int64{Shop.String() + "/" + site.String(): 6})
		s.equal("settled", seed.Settled, map[uuid.UUID]int64{consumer: 4})
		begun := make(chan struct{})
		go func() {
			committed <- s.Consume.InTx(s.Context(), func(ctx context.Context, tx consume.Tx) error {
				close(begun)
				_, err := tx.BatchInsert(ctx, dbsqlc.BatchInsertParams{Consumer: consumer, Batch: 5, Entries: []string{}, Fields: []string{}})
				return err
			})
		}()
		<-begun
		select {
		case err := <-committed:
			s.Errorf("a batch was committed meanwhile: %v", err)
		default:
		}
		return nil
	})
	s.must(err)
	s.must(<-committed)
	if err := s.Recover(s.Context(), 1, func(seed stream.Seed) error {
		s.equal("another shard", []any{len(seed.Accepted), len(seed.Settled)}, []any{0, 0})
		return postgres.ErrNotFound
	}); !errors.Is(err, postgres.ErrNotFound) {
		s.Fatal(err)
	}
}
