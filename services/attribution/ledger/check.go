package ledger

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/stream"
)

// Report is what a check of the books found.
type Report struct {
	At          time.Time    `json:"at"`
	Total       Terms        `json:"total"`   // of all workspaces that there are
	Spooled     int64        `json:"spooled"` // of the pending ones, on an edge's disk
	Right       bool         `json:"right"`   // no difference and no loss
	Differences []Difference `json:"differences"`
	Lost        []string     `json:"lost"`    // receipts that are lost and not written off
	Skipped     []string     `json:"skipped"` // what could not be compared now, and why
}

// Difference is two counts of one thing that should be the same.
type Difference struct {
	What  string `json:"what"`
	Where string `json:"where"`
	Left  int64  `json:"left"`
	Right int64  `json:"right"`
}

// unsettledAfter is how old a committed batch is that some worker should have settled
// long ago. While no worker runs there may be some.
const unsettledAfter = time.Minute

// Check counts everything a second time: accepted against the other terms, receipts
// against terms, facts against what is stored, quarantine against what is rejected,
// the streams against what is in flight; and it searches for lost hits. Nothing of it
// needs the system to be at rest. now is the time of the report.
func (s Sides) Check(ctx context.Context, now time.Time) (Report, error) {
	report := Report{At: now, Differences: []Difference{}, Lost: []string{}, Skipped: []string{}}
	for _, part := range []func(context.Context, *Report) error{s.checkGaps, s.checkTerms, s.checkRows, s.checkStreams} {
		if err := part(ctx, &report); err != nil {
			return report, fmt.Errorf("check the books: %w", err)
		}
	}
	report.Right = len(report.Differences) == 0 && len(report.Lost) == 0
	return report, nil
}

func (r *Report) compare(what, where string, left, right int64) {
	if left != right {
		r.Differences = append(r.Differences, Difference{what, where, left, right})
	}
}

func (s Sides) checkGaps(ctx context.Context, r *Report) error {
	for left := 20; ; left-- { // a worker may be searching
		gaps, err := s.Search(ctx, r.At)
		if err != nil {
			return err
		}
		if gaps.Searched {
			break
		}
		if left == 0 {
			r.Skipped = append(r.Skipped, "a search for lost hits: somebody else has been searching all the while; what was found before is shown")
			break
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return s.Pool.InTx(ctx, postgres.ReadCommitted, func(ctx context.Context, tx *postgres.Tx) error {
		for shard := range s.Probe.Shards() {
			open, err := tx.SequenceGapOpenOf(ctx, int32(shard), maxNamed)
			if err != nil {
				return err
			}
			for _, g := range open {
				r.Lost = append(r.Lost, run(g.Epoch, int32(shard), g.First, g.Last).String())
			}
		}
		return nil
	})
}

// checkTerms reads the books twice: what is wrong once may have fallen into the moment
// in which they are begun anew.
func (s Sides) checkTerms(ctx context.Context, r *Report) error {
	before, err := s.imbalance(ctx)
	if err != nil {
		return err
	}
	all, err := s.terms(ctx)
	if err != nil {
		return err
	}
	for _, source := range slices.Sorted(maps.Keys(all)) {
		t := all[source]
		r.Total = r.Total.plus(t)
		if by := t.Imbalance(); by != 0 && before[source] == by {
			r.compare("accepted against the sum of the terms", source, t.Accepted, t.Accepted-by)
		}
	}
	books, err := s.Probe.Books(ctx)
	if err != nil {
		return err
	}
	for _, b := range books {
		for _, n := range b.Spooled {
			r.Spooled += n
		}
	}
	return nil
}

func (s Sides) checkRows(ctx context.Context, r *Report) error {
	var rows []dbsqlc.AuditRowsRow
	var receipts []dbsqlc.AuditReceiptsRow
	var unsettled int64
	err := s.Pool.InTx(ctx, postgres.RepeatableRead, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if rows, err = tx.AuditRows(ctx); err != nil {
			return err
		}
		if receipts, err = tx.AuditReceipts(ctx); err != nil {
			return err
		}
		unsettled, err = tx.AuditUnsettled(ctx, time.Now().Add(-unsettledAfter))
		return err
	})
	if err != nil {
		return err
	}
	for _, row := range rows {
		r.compare("stored hits against facts", row.WorkspaceID.String(), row.Stored, row.Facts)
		r.compare("rejected hits against the quarantine", row.WorkspaceID.String(), row.Rejected, row.Refused)
	}
	for _, row := range receipts {
		r.compare("receipts against the terms", fmt.Sprint("shard ", row.Shard), row.Receipts, row.Terms)
	}
	r.compare("batches that wait to be settled for more than a minute", "all shards", unsettled, 0)
	return nil
}

func (s Sides) checkStreams(ctx context.Context, r *Report) error {
	for shard := range s.Probe.Shards() {
		surplus, ok, err := s.Probe.Surplus(ctx, shard)
		if err != nil {
			return err
		}
		if !ok {
			r.Skipped = append(r.Skipped, fmt.Sprintf("shard %d: in flight against the stream, which has more than %d entries", shard, stream.MaxSurplus))
			continue
		}
		for what, by := range map[string]map[string]int64{
			"in flight, by how many more than the stream has":         surplus.Fields,
			"in flight by hour, by how many more than the stream has": surplus.Hours,
		} {
			for _, field := range slices.Sorted(maps.Keys(by)) {
				r.compare(what, fmt.Sprintf("shard %d, %s", shard, field), by[field], 0)
			}
		}
	}
	return nil
}

// WriteText writes the report for people.
func (r *Report) WriteText(to io.Writer) error {
	t := r.Total
	_, err := fmt.Fprintf(to, "%s  accepted %d = stored %d + duplicate %d + conflict %d + rejected %d + pending %d (%d of them on an edge's disk)\n",
		r.At.UTC().Format(time.RFC3339), t.Accepted, t.Stored, t.Duplicate, t.Conflict, t.Rejected, t.Pending, r.Spooled)
	line := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(to, format, args...)
		}
	}
	for _, d := range r.Differences {
		line("  WRONG  %s: %d, not %d (%s)\n", d.What, d.Left, d.Right, d.Where)
	}
	for _, lost := range r.Lost {
		line("  LOST   %s\n", lost)
	}
	for _, skipped := range r.Skipped {
		line("  not compared: %s\n", skipped)
	}
	if r.Right {
		line("  the books balance, and nothing is lost\n")
	}
	return err
}
