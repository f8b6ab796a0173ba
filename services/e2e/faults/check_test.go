//go:build linux

package faults

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// books is the answer of GET /v1/ingestion.
type books struct{ Accepted, Stored, Duplicate, Conflict, Rejected, Pending int64 }

func (b books) balanced() bool {
	return b.Accepted == b.Stored+b.Duplicate+b.Conflict+b.Rejected+b.Pending
}

func (b books) String() string {
	return fmt.Sprintf("%d = %d + %d + %d + %d + %d", b.Accepted, b.Stored, b.Duplicate, b.Conflict, b.Rejected, b.Pending)
}

// expected is what a case allows beyond the usual, which is nothing.
type expected struct {
	rejected  int64 // hits in quarantine
	conflict  int64
	duplicate int64 // besides those that retries explain
	others    int64 // hits that no load sent
	loss      bool  // hits may be lost, if gaps in the sequences name every one of them and nothing else
}

// verdict is what a check found.
type verdict struct {
	acked  int // hits that were acknowledged
	lost   int // of them, neither stored nor in quarantine
	twice  int // counted more often than they were sent
	books  books
	faults []string
}

func (v *verdict) fault(format string, args ...any) {
	v.faults = append(v.faults, fmt.Sprintf(format, args...))
}

// rest waits until nothing is pending, and nothing on the disk of an edge, which the books
// don't know of before that edge reaches Redis. The books must balance whenever they are read;
// only when Redis lost its data there is a moment, while they are begun anew, in which
// they need not.
func (w *world) rest(v *verdict, want expected) {
	w.t.Helper()
	var last error
	err := within(w.t.Context(), w.patience, func() bool {
		drained := w.drained() // before the books are asked
		if last = w.ask(w.token, "GET", "/v1/ingestion", nil, &v.books); last != nil {
			return false
		}
		if !v.books.balanced() {
			return !want.loss
		}
		return v.books.Pending == 0 && drained
	})
	switch {
	case err != nil:
		v.fault("the books do not come to rest: %s (%v)", v.books, last)
	case !v.books.balanced():
		v.fault("the books do not balance: %s", v.books)
	}
}

// verify compares what the loads were told with everything that the product says.
func (w *world) verify(want expected) *verdict {
	w.t.Helper()
	v := &verdict{}
	w.rest(v, want)
	seen := w.receipts()
	stored := w.facts()
	told := w.told(v, seen, want)
	gaps := w.gaps()
	for id, receipt := range told.acked {
		if stored[id] {
			continue
		}
		v.lost++
		if !want.loss {
			v.fault("lost: fact %s, acknowledged as %s", id, receipt)
		} else if !gaps[receipt] {
			v.fault("lost without a word: fact %s, acknowledged as %s", id, receipt)
		}
	}
	v.acked = len(told.acked)
	foreign := 0
	for id := range stored {
		if !told.sent[id] {
			foreign++
		}
	}
	if int64(foreign) > want.others {
		v.fault("%d facts that nobody sent", foreign)
	}
	w.compare(v, want, told, len(stored))
	if len(v.faults) == 0 {
		w.secondOpinion(v, want)
	}
	v.faults = clip(v.faults)
	return v
}

// clip keeps a list readable.
func clip(faults []string) []string {
	if len(faults) > 12 {
		return append(faults[:12], fmt.Sprintf("and %d more", len(faults)-12))
	}
	return faults
}

// testimony is what all loads together say.
type testimony struct {
	sent       map[uuid.UUID]bool
	acked      map[uuid.UUID]string // the receipt
	items      int64                // acknowledged ones, each acknowledgement counted
	tries      int64                // items that were sent, each sending counted
	duplicates int64                // most that retries can have made
}

// told reads the witnesses, and looks at the receipts: none twice, all known.
func (w *world) told(v *verdict, seen map[string]bool, want expected) testimony {
	all := testimony{sent: map[uuid.UUID]bool{}, acked: map[uuid.UUID]string{}}
	given := map[string]bool{}
	for _, l := range w.loads {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, one := range l.tries {
			facts := l.requests[one.Request].Facts
			for i, id := range facts {
				all.tries++
				if all.sent[id] {
					all.duplicates++
				}
				all.sent[id] = true
				if !one.acknowledged() {
					continue
				}
				all.items++
				receipt := following(one.Receipt, i)
				all.acked[id] = receipt
				if given[receipt] {
					v.twice++
					v.fault("receipt %s was given twice", receipt)
				}
				given[receipt] = true
				if !seen[receipt] && !want.loss {
					v.fault("receipt %s was given and is not known", receipt)
				}
			}
			if one.acknowledged() && one.Count != len(facts) {
				v.fault("%d items sent, receipts for %d", len(facts), one.Count)
			}
		}
	}
	return all
}

// following is the receipt i after the first of a request.
func following(first string, i int) string {
	at := strings.LastIndexByte(first, '-')
	number, err := strconv.Atoi(first[at+1:])
	if err != nil {
		return first
	}
	return first[:at+1] + strconv.Itoa(number+i)
}

// compare holds the books to what was sent.
func (w *world) compare(v *verdict, want expected, told testimony, facts int) {
	b := v.books
	if b.Stored != int64(facts) {
		v.fault("%d hits count as stored, and there are %d facts", b.Stored, facts)
	}
	if over := b.Duplicate - told.duplicates - want.duplicate; over > 0 {
		v.twice += int(over)
		v.fault("%d duplicates, and retries explain %d", b.Duplicate, told.duplicates)
	}
	if b.Conflict != want.conflict || b.Rejected != want.rejected {
		v.fault("conflict %d, rejected %d, want %d and %d", b.Conflict, b.Rejected, want.conflict, want.rejected)
	}
	if b.Accepted > told.tries+want.others || b.Accepted < told.items && !want.loss {
		v.fault("%d accepted: %d items were acknowledged, %d sent", b.Accepted, told.items, told.tries)
	}
}

// receipts lists those that the database knows as stored.
func (w *world) receipts() map[string]bool {
	w.t.Helper()
	return w.numbers(`select r.epoch, r.shard, lower(part), upper(part) - 1 from receipt r, unnest(r.seen) part`)
}

// gaps lists the receipts that are known to be lost, written off or not.
func (w *world) gaps() map[string]bool {
	w.t.Helper()
	return w.numbers(`select epoch, shard, first, last from sequence_gap where closed_at is null`)
}

// numbers reads runs of receipts.
func (w *world) numbers(query string) map[string]bool {
	w.t.Helper()
	conn := w.database()
	defer conn.Close(w.t.Context())
	rows, err := conn.Query(w.t.Context(), query)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := map[string]bool{}
	for rows.Next() {
		var epoch uuid.UUID
		var shard int
		var first, last int64
		if err := rows.Scan(&epoch, &shard, &first, &last); err != nil {
			w.t.Fatal(err)
		}
		for n := first; n <= last; n++ {
			all[fmt.Sprintf("%s-%d-%d", epoch, shard, n)] = true
		}
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// facts lists the ids of what is stored.
func (w *world) facts() map[uuid.UUID]bool {
	w.t.Helper()
	conn := w.database()
	defer conn.Close(w.t.Context())
	rows, err := conn.Query(w.t.Context(), "select fact_id from fact where workspace_id = $1", w.workspace)
	if err != nil {
		w.t.Fatal(err)
	}
	defer rows.Close()
	all := map[uuid.UUID]bool{}
	for rows.Next() {
		var id uuid.UUID
		if err := rows.Scan(&id); err != nil {
			w.t.Fatal(err)
		}
		all[id] = true
	}
	if err := rows.Err(); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// secondOpinion asks the product to count everything a second time, and to derive the
// table from nothing.
func (w *world) secondOpinion(v *verdict, want expected) {
	w.t.Helper()
	if want.loss {
		stored := w.receipts()
		for receipt := range w.gaps() {
			if stored[receipt] && want.rejected == 0 { // written off is known too
				v.fault("%s is called lost and is stored", receipt)
			}
		}
		if _, err := w.try("ledger", "write-off", "--by", "faults"); err != nil {
			v.fault("write off what is lost: %v", err)
		}
	}
	// A batch that was committed a moment ago may be settled and its row not yet gone.
	var out []byte
	err := until(w.t.Context(), func() bool {
		var err error
		out, err = w.try("ledger", "check")
		return err == nil
	})
	if err != nil {
		v.fault("attribution ledger check: %s", out)
	}
	if out, err := w.try("recompute", "--workspace", w.workspace.String(), "--check"); err != nil {
		v.fault("attribution recompute --check: %v\n%s", err, out)
	}
}

// scene is one case: a world, and a row of the report.
type scene struct {
	*world
	row  row
	over time.Time // when the fault ended
}

// row is what the report says of a case.
type row struct {
	fault, how, fired  string
	acked, lost, twice int
	books              string
	recovery           time.Duration // from the end of the fault until nothing was pending
}

// fired notes that the fault happened. A case whose fault did not happen proves nothing.
func (s *scene) fired(n int, what string) {
	s.t.Helper()
	if n <= 0 {
		s.t.Fatalf("the fault did not fire: %d %s", n, what)
	}
	if s.row.fired != "" {
		s.row.fired += ", "
	}
	s.row.fired += fmt.Sprintf("%d %s", n, what)
}

// ended notes that the fault is over.
func (s *scene) ended() { s.over = time.Now() }

// check fails the case unless everything is as it must be, and adds it to the report.
func (s *scene) check(want expected) *verdict {
	s.t.Helper()
	v := s.verify(want)
	for _, fault := range v.faults {
		s.t.Error(fault)
	}
	s.row.acked, s.row.lost, s.row.twice, s.row.books = s.row.acked+v.acked, s.row.lost+v.lost, s.row.twice+v.twice, v.books.String()
	if !s.over.IsZero() {
		s.row.recovery = time.Since(s.over)
	}
	if s.row.fired == "" {
		s.t.Error("the case does not say how often its fault fired")
	}
	results.Lock()
	defer results.Unlock()
	results.rows = slices.DeleteFunc(results.rows, func(r row) bool { return r.fault == s.row.fault && r.how == s.row.how })
	results.rows = append(results.rows, s.row)
	return v
}
