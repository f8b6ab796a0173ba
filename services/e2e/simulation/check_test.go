package simulation_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/storetest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/spool"
	"github.com/touchline/touchline/services/internal/stream"
)

// check holds what must be true at every moment.
func (w *world) check() {
	t := w.store.Totals()
	if t.Receipts != t.Stored+t.Duplicate+t.Conflict+t.Rejected {
		w.fail("%d receipts are stored, but the terms are %+v", t.Receipts, t)
	}
	if t.Stored != t.Facts || t.Rejected != t.Refused {
		w.fail("facts and quarantine against the terms: %+v", t)
	}
	if !w.lost {
		w.balance()
		w.durable()
		return
	}
	if by := fmt.Sprint(w.imbalance()); by != w.differs {
		w.differs = by
		w.note("the books differ: %s", by)
	}
}

// balance holds the books: accepted is the sum of the other terms, source by source.
func (w *world) balance() {
	if by := w.imbalance(); len(by) > 0 {
		w.fail("the books do not balance: %v", by)
	}
}

// imbalance is by how much more was accepted than the other terms tell of, by source.
func (w *world) imbalance() map[string]int64 {
	sums := map[string]int64{}
	asked := dbsqlc.IngestionTermsParams{WorkspaceID: shop}
	for _, b := range w.streams.Books() {
		for field, n := range b.Accepted {
			sums[field] += n
		}
		for _, waiting := range []map[string]int64{b.InFlight, b.Spooled} {
			for field, n := range waiting {
				sums[field] -= n
			}
		}
		for name, batch := range b.Settled {
			asked.Consumers, asked.Shards, asked.Batches = append(asked.Consumers, name), append(asked.Shards, int32(b.Shard)), append(asked.Batches, batch)
		}
	}
	for _, t := range w.store.Terms(asked) {
		sums[shop.String()+"/"+t.SourceID.String()] -= t.Stored + t.Duplicate + t.Conflict + t.Rejected + t.Waiting
	}
	maps.DeleteFunc(sums, func(_ string, by int64) bool { return by == 0 })
	return sums
}

// unstored are the acknowledged hits that are not in the database.
func (w *world) unstored() (list []ack) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.acked {
		if !w.store.Stored(a.receipt.Epoch, int32(a.receipt.Shard), a.receipt.Number) {
			list = append(list, a)
		}
	}
	return list
}

// durable holds that every acknowledged hit is in the database, in a stream or on a disk.
func (w *world) durable() {
	waiting := w.unstored()
	for shard := range shards {
		held := w.streams.Held(shard).Runs
		waiting = slices.DeleteFunc(waiting, func(a ack) bool { return in(held, a.receipt) })
	}
	if len(waiting) == 0 {
		return
	}
	// What was read of the disks some steps ago will do, while nothing is missing.
	if w.step%16 != 0 {
		waiting = slices.DeleteFunc(waiting, func(a ack) bool { return in(w.kept, a.receipt) })
	}
	if len(waiting) == 0 {
		return
	}
	w.kept = nil
	for _, p := range w.procs {
		w.kept = append(w.kept, w.onDisk(p)...)
	}
	waiting = slices.DeleteFunc(waiting, func(a ack) bool { return in(w.kept, a.receipt) })
	if len(waiting) > 0 {
		w.fail("%d acknowledged hits are nowhere, first %+v", len(waiting), waiting[0])
	}
}

func in(runs []stream.Run, r hit.Receipt) bool {
	return slices.ContainsFunc(runs, func(run stream.Run) bool {
		return run.Epoch == r.Epoch && run.Shard == r.Shard && run.First <= r.Number && r.Number <= run.Last
	})
}

// onDisk lists what a process's spool holds; of a dead one, what it left.
func (w *world) onDisk(p *proc) (runs []stream.Run) {
	if p.disk == nil {
		return nil
	}
	disk := p.disk
	if p.dead {
		opened, err := spool.Open(p.folder, spool.Config{Logger: quiet})
		if err != nil {
			w.fail("open what %s left: %v", p.name, err)
			return nil
		}
		defer func() { _ = opened.Close() }()
		disk = opened
	}
	for _, log := range disk.Logs() {
		name, digits, _ := strings.Cut(log.Name(), ".")
		epoch, err := uuid.Parse(name)
		if err != nil {
			continue
		}
		for at := log.Start(); ; {
			record, behind, err := log.Read(at)
			if err != nil {
				break
			}
			at = behind
			first, n := binary.Uvarint(record[1:])
			hits := int64(0)
			for rest := record[1+n:]; len(rest) > 0; hits++ {
				for range 2 { // field and payload
					length, n := binary.Uvarint(rest)
					rest = rest[n+int(length):]
				}
			}
			runs = append(runs, stream.Run{Epoch: epoch, Shard: int(digits[0] - '0'), First: int64(first), Last: int64(first) + hits - 1})
		}
	}
	return runs
}

// drained says that nothing is under way any more.
func (w *world) drained() bool { return w.left() == "" }

// left says what still is.
func (w *world) left() string {
	w.mu.Lock()
	for _, s := range w.senders {
		if !s.done {
			w.mu.Unlock()
			return s.name
		}
	}
	w.mu.Unlock()
	for shard := range shards {
		if held := w.streams.Held(shard); len(held.Runs) > 0 {
			return fmt.Sprint("stream ", held)
		}
	}
	for _, p := range w.procs {
		if runs := w.onDisk(p); len(runs) > 0 {
			return fmt.Sprint("spool ", runs)
		}
	}
	if w.lost && time.Since(w.healed) < 10*time.Second {
		return "who begins the books anew"
	}
	if behind := w.store.Behind(w.streams.Books()); w.lost && len(behind) > 0 {
		return fmt.Sprint("who makes the books anew of shards ", behind)
	}
	if !w.store.Idle() {
		return "the database"
	}
	if by := w.imbalance(); w.lost && len(by) > 0 && time.Since(w.healed) < time.Minute {
		return fmt.Sprint("who finds that the books do not balance: ", by)
	}
	return ""
}

// finish holds what must be true in the end.
func (w *world) finish() {
	w.mark()
	lost := w.unstored()
	if len(lost) > 0 && !w.lost {
		w.fail("%d acknowledged hits are lost, first %+v", len(lost), lost[0])
	}
	for _, a := range lost { // a tail that nobody saw is what two losses at once can cut
		if a.receipt.Number > w.marked[hit.Receipt{Epoch: a.receipt.Epoch, Shard: a.receipt.Shard}] {
			w.fail("a hit was lost and its number is below none that is known: %+v", a)
		}
	}
	w.met["lost and told of"] += len(lost)
	switch by := w.imbalance(); {
	case !w.lost:
		w.balance()
	case len(by) > 0:
		w.fail("the books were made anew and do not balance: %v", by)
	default:
		w.met["books balance after a loss"]++
	}
	w.met["books made anew"] += w.rebuilt
	w.witness()
	w.table()
}

// witness holds that each acknowledged hit is the one that its sender sent, and its fact
// is there.
func (w *world) witness() {
	payloads := map[hit.Receipt][]byte{}
	for _, e := range w.streams.Ever() {
		payloads[e.Receipt] = e.Payload
	}
	_, facts, err := w.store.Table()
	if err != nil {
		w.fail("read facts: %v", err)
	}
	there := map[uuid.UUID]bool{}
	for i := range facts {
		there[facts[i].Key()] = true
	}
	for _, a := range w.acked {
		if !w.store.Stored(a.receipt.Epoch, int32(a.receipt.Shard), a.receipt.Number) {
			continue // reported as lost
		}
		h, err := hit.Decode(payloads[a.receipt])
		if err != nil || h.Rejection == nil && (h.Fact.ID != a.id || !there[h.Fact.Key()]) {
			w.fail("the hit of %+v is another one, or its fact is not there: %+v, %v", a, h.Fact, err)
		}
	}
	w.met["acknowledged"] += len(w.acked)
}

// table holds that the table is what follows from all facts, whatever came in between.
func (w *world) table() {
	held, facts, err := w.store.Table()
	if err != nil {
		w.fail("read the table: %v", err)
	}
	p := policy.Default()
	out := timeline.Derive(timeline.Input{Workspace: shop, Currency: "NOK", Policy: &p, Facts: facts, Blocked: func(hit.Identifier) bool { return false }})
	want := storetest.Table{Conversions: out.Conversions, Messages: slices.Clone(out.Messages), Persons: out.Persons, Links: out.Links, Claims: out.Claims}
	for i := range want.Messages {
		want.Messages[i].Token = ""
	}
	plain := cmp.Transformer("plain", func(id hit.Identifier) uuid.UUID { return fact.IdentifierRef(id).Value })
	byFact := cmpopts.SortSlices(func(a, b identity.Link) bool { return fmt.Sprint(a) < fmt.Sprint(b) })
	if diff := cmp.Diff(want.Sorted(), held, plain, byFact, cmpopts.EquateEmpty()); diff != "" {
		w.fail("the table is not what follows from the facts (-want +held):\n%s", diff)
	}
	w.met["facts"] += len(facts)
	w.met["conversions"] += len(held.Conversions)
}
