package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

type books struct{ Accepted, Stored, Duplicate, Conflict, Rejected, Pending int }

func (b books) balance() bool {
	return b.Accepted == b.Stored+b.Duplicate+b.Conflict+b.Rejected+b.Pending
}

func (r *rig) books(bearer string) books {
	r.t.Helper()
	var got books
	r.call(http.MethodGet, "/v1/ingestion", bearer, nil).into(r.t, http.StatusOK, &got)
	return got
}

// The sum holds at every step of a batch: accepted, stored but not settled, settled,
// derived, folded.
func TestGetIngestion_BalancesAtEveryStep(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	_, stranger := r.workspace(nil)
	source, consumer := uuid.New(), uuid.New()
	if got := r.books(admin); got != (books{}) {
		t.Errorf("empty: %+v", got)
	}

	writer, err := stream.NewWriter(r.client, r.stream, uuid.New())
	if err != nil {
		t.Fatal(err)
	}
	var hits []hit.Hit
	for i := range 5 {
		id := string(rune('a' + i))
		hits = append(hits, hit.Hit{Workspace: workspace, Fact: hit.Fact{
			Kind: hit.KindEvent, Source: source, Trust: hit.TrustServer, ID: id, At: 1, ReceivedAt: hit.InstantOf(time.Now()), Event: &hit.Event{Name: "e"},
		}})
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
			batch.Shard = shard
			batch.Entries, batch.Fields = append(batch.Entries, e.ID), append(batch.Fields, e.Field)
		}
	}

	steps := []struct {
		name string
		do   func()
		want books
	}{
		{"accepted", func() {}, books{Accepted: 5, Pending: 5}},
		{"stored, Redis does not know it yet", func() {
			r.exec(`insert into ledger_batch values ($1, $2, $3, 1, $4, now(), 0, 1, 0, 1)`, workspace, consumer, batch.Shard, source)
			r.exec(`insert into touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch)
			  select $1, gen_random_uuid(), '{}', '{}', $4, now(), x, $2, $3, 1 from unnest('{stored,stored,conflict}'::text[]) x`,
				workspace, consumer, batch.Shard, source)
		}, books{Accepted: 5, Pending: 5}},
		{"settled", func() {
			if err := reader.Settle(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}, books{Accepted: 5, Duplicate: 1, Rejected: 1, Pending: 3}},
		{"derived", func() {
			r.exec(`delete from touched where workspace_id = $1`, workspace)
			r.exec(`update ledger_batch set stored = 2, conflict = 1 where workspace_id = $1`, workspace)
		}, books{Accepted: 5, Stored: 2, Duplicate: 1, Conflict: 1, Rejected: 1}},
		{"folded", func() {
			r.exec(`insert into ledger select workspace_id, source_id, hour, shard, stored, duplicate, conflict, rejected from ledger_batch where workspace_id = $1`, workspace)
			r.exec(`delete from ledger_batch where workspace_id = $1`, workspace)
		}, books{Accepted: 5, Stored: 2, Duplicate: 1, Conflict: 1, Rejected: 1}},
	}
	for _, step := range steps {
		step.do()
		got := r.books(admin)
		if diff := cmp.Diff(step.want, got); diff != "" || !got.balance() {
			t.Errorf("%s: %s", step.name, diff)
		}
	}
	if got := r.books(stranger); got != (books{}) {
		t.Errorf("another workspace sees %+v", got)
	}
}

func TestGetIngestion_PutsOffWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.workspace(nil)
	r.redisAway.Store(true)
	got := r.call(http.MethodGet, "/v1/ingestion", admin, nil)
	if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// Books of two instants that lie too far apart would count a batch twice.
func TestGetIngestion_PutsOffWhatTookTooLong(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.workspace(nil)
	r.redisSlow.Store(true)
	if got := r.call(http.MethodGet, "/v1/ingestion", admin, nil); got.status != http.StatusServiceUnavailable {
		t.Errorf("%d %s", got.status, got.body)
	}
}

func TestListQuarantine_TellsReasonsNotBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	r.exec(`insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, received_at, created_at)
	  select $1, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 0, n, case when n < 3 then 'too_large' else 'no_identifier' end, 'd', 'RAW-BYTES', now(), now()
	  from generate_series(1, 5) n`, workspace)
	var got struct {
		Data []struct{ Reason, Detail string }
	}
	r.call(http.MethodGet, "/v1/quarantine?reason=too_large", admin, nil).into(t, http.StatusOK, &got)
	if len(got.Data) != 2 || got.Data[0].Reason != "too_large" {
		t.Errorf("%+v", got)
	}
	r.call(http.MethodGet, "/v1/quarantine?limit=4", admin, nil).into(t, http.StatusOK, &got)
	if len(got.Data) != 4 {
		t.Errorf("%d rows", len(got.Data))
	}
}
