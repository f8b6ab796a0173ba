package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

type hourBooks struct {
	SourceID uuid.UUID `json:"source_id"`
	Hour     time.Time `json:"hour"`
	Counted  bool      `json:"counted"`
	books
}

func (r *rig) byHour(bearer, query string) (all books, rows []hourBooks) {
	r.t.Helper()
	var got struct {
		books
		ByHour []hourBooks `json:"by_hour"`
	}
	r.read("/v1/ingestion?by=hour"+query, bearer, &got)
	return got.books, got.ByHour
}

// counting makes the books of the rig count by hour since long ago, as those of a Redis
// that has been at work for a while.
func (r *rig) counting() {
	for shard := range r.stream.Shards {
		if err := r.client.HSet(r.t.Context(), fmt.Sprintf("{%s:%d}:books", r.stream.Prefix, shard), "hours", 1).Err(); err != nil {
			r.t.Fatal(err)
		}
	}
}

func received(workspace, source uuid.UUID, at time.Time) hit.Hit {
	return hit.Hit{Workspace: workspace, Fact: hit.Fact{
		Kind: hit.KindEvent, Source: source, Trust: hit.TrustServer, ID: uuid.NewString(), At: 1, ReceivedAt: hit.InstantOf(at), Event: &hit.Event{Name: "e"},
	}}
}

// Each row balances by counts of its own at every step, while hits of an hour that is
// over are still on their way, and rows end where they were asked to.
func TestGetIngestion_ByHour(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	_, stranger := r.workspace(nil)
	source, consumer := uuid.New(), uuid.New()
	r.knowSource(workspace, source)
	r.counting()
	writer, err := stream.NewWriter(r.client, r.stream, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Hour)
	before, old := now.Add(-time.Hour), now.Add(-60*time.Hour)
	hits := []hit.Hit{
		received(workspace, source, before.Add(time.Minute)), received(workspace, source, before.Add(time.Hour-1)),
		received(workspace, source, now), received(workspace, source, old),
	}
	if _, err := writer.Append(t.Context(), hits); err != nil {
		t.Fatal(err)
	}
	reader := stream.NewReader(r.client, r.stream, "attribution", consumer)
	batch := stream.Batch{Consumer: consumer, Number: 1}
	for shard := range r.stream.Shards {
		entries, err := reader.Read(t.Context(), shard, 10, time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Hour.Equal(now) {
				continue // stays in flight
			}
			batch.Shard = shard
			batch.Entries, batch.Fields = append(batch.Entries, e.ID), append(batch.Fields, e.Account(true))
		}
	}
	row := func(hour time.Time, counted bool, b books) hourBooks {
		return hourBooks{SourceID: source, Hour: hour, Counted: counted, books: b}
	}
	flying := row(now, true, books{Accepted: 1, Pending: 1})
	steps := []struct {
		name string
		do   func()
		want []hourBooks
	}{
		{"accepted", func() {}, []hourBooks{row(old, false, books{Accepted: 1, Pending: 1}), row(before, true, books{Accepted: 2, Pending: 2}), flying}},
		{"stored", func() {
			r.exec(`insert into ledger_batch values ($1, $2, $3, 1, $4, $5, 0, 1, 0, 0), ($1, $2, $3, 1, $4, $6, 0, 0, 0, 1)`, workspace, consumer, batch.Shard, source, before, old)
			r.exec(`insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
			  values ($1, gen_random_uuid(), '{}', '{}', $4, $5, 'stored', $2, $3, 1)`, workspace, consumer, batch.Shard, source, before)
		}, []hourBooks{row(old, false, books{Accepted: 1, Pending: 1}), row(before, true, books{Accepted: 2, Pending: 2}), flying}},
		{"settled", func() {
			if err := reader.Settle(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}, []hourBooks{row(old, false, books{Accepted: 1, Rejected: 1}), row(before, true, books{Accepted: 2, Duplicate: 1, Pending: 1}), flying}},
		{"folded", func() {
			r.exec(`delete from touched where workspace_id = $1`, workspace)
			r.exec(`update ledger_batch set stored = 1 where workspace_id = $1 and hour = $2`, workspace, before)
			r.exec(`insert into ledger select workspace_id, source_id, hour, shard, stored, duplicate, conflict, rejected from ledger_batch where workspace_id = $1`, workspace)
			r.exec(`delete from ledger_batch where workspace_id = $1`, workspace)
		}, []hourBooks{row(old, false, books{Accepted: 1, Rejected: 1}), row(before, true, books{Accepted: 2, Stored: 1, Duplicate: 1}), flying}},
	}
	since := "&from=" + old.Format(time.RFC3339)
	for _, step := range steps {
		step.do()
		all, got := r.byHour(admin, since)
		if diff := cmp.Diff(step.want, got, cmp.AllowUnexported(hourBooks{})); diff != "" || !all.balance() || all.Accepted != 4 {
			t.Errorf("%s: %+v (-want +got):\n%s", step.name, all, diff)
		}
		for _, one := range got {
			if !one.balance() {
				t.Errorf("%s: %+v does not balance", step.name, one)
			}
		}
	}
	if _, got := r.byHour(admin, ""); len(got) != 2 {
		t.Errorf("the last day has %+v", got)
	}
	if _, got := r.byHour(admin, since+"&to="+before.Add(time.Second).Format(time.RFC3339)); len(got) != 2 || !got[1].Hour.Equal(before) {
		t.Errorf("up to a second of the hour before: %+v", got)
	}
	if _, got := r.byHour(stranger, since); len(got) != 0 {
		t.Errorf("another workspace sees %+v", got)
	}
	// A hit that Redis counts and nobody brings on shows as an imbalance of its hour alone.
	r.client.HIncrBy(t.Context(), fmt.Sprintf("{%s:%d}:hours:%s", r.stream.Prefix, batch.Shard, workspace), fmt.Sprintf("accepted:%s/%d", source, before.Unix()/3600), 1)
	if _, got := r.byHour(admin, since); got[0].balance() != true || got[1].balance() || !got[2].balance() {
		t.Errorf("an accepted hit too many is not seen: %+v", got)
	}
}

func TestGetIngestion_ByHourRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.workspace(nil)
	for query, name := range map[string]string{
		"?from=2026-01-01T00:00:00Z":                                 "from",
		"?to=2026-01-01T00:00:00Z":                                   "to",
		"?by=hour&from=2026-01-01T00:00:00Z&to=2026-02-01T00:00:01Z": "31 days",
		"?by=hour&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "to",
		"?by=day":                 "by",
		"?by=hour&from=yesterday": "from",
	} {
		if got := r.call(http.MethodGet, "/v1/ingestion"+query, admin, nil); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), name) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
}

// Redis is asked only for what the workspace names. What appears between the asking and
// the reading of the rest makes the books be read again, never be wrong.
func TestGetIngestion_SourceAndConsumerAppearMeanwhile(t *testing.T) {
	t.Parallel()
	workspace, source, consumer := uuid.Nil, uuid.New(), uuid.New()
	asked := 0
	var r *rig
	r = newRigWith(t, func(c *api.Config) {
		ask := c.Books
		c.Books = func(ctx context.Context, question stream.Question) ([]stream.WorkspaceBooks, error) {
			if asked++; asked == 1 { // all of it between the names and the books
				r.knowSource(workspace, source)
				r.stored(workspace, source, consumer)
			}
			return ask(ctx, question)
		}
	})
	var admin string
	workspace, admin = r.workspace(nil)
	if got := r.books(admin); got != (books{Accepted: 1, Stored: 1}) || asked != 2 {
		t.Errorf("%+v after asking %d times", got, asked)
	}
	// What is known only to the ledger, as of a source that is gone.
	r.exec(`insert into ledger (workspace_id, source_id, hour, shard, stored) values ($1, $2, now(), 0, 2)`, workspace, uuid.New())
	if got := r.books(admin); got != (books{Accepted: 1, Stored: 3}) || asked != 4 {
		t.Errorf("%+v after asking %d times", got, asked)
	}
}

func (r *rig) knowSource(workspace, source uuid.UUID) {
	r.exec(`insert into source (workspace_id, source_id, kind, name, write_key, config, created_at) values ($1, $2, 'server', 's', $3, '', now())`,
		workspace, source, uuid.NewString())
}

// stored takes a hit all the way until it is settled, and not folded.
func (r *rig) stored(workspace, source, consumer uuid.UUID) {
	writer := must(stream.NewWriter(r.client, r.stream, uuid.New()))(r.t)
	receipt := must(writer.Append(r.t.Context(), []hit.Hit{received(workspace, source, time.Now())}))(r.t)
	reader := stream.NewReader(r.client, r.stream, "attribution", consumer)
	entries := must(reader.Read(r.t.Context(), receipt.Shard, 10, time.Millisecond))(r.t)
	r.exec(`insert into ledger_batch values ($1, $2, $3, 1, $4, now(), 1, 0, 0, 0)`, workspace, consumer, receipt.Shard, source)
	batch := stream.Batch{Consumer: consumer, Number: 1, Shard: receipt.Shard, Entries: []string{entries[0].ID}, Fields: []string{entries[0].Account(true)}}
	if err := reader.Settle(r.t.Context(), batch); err != nil {
		r.t.Error(err)
	}
}
