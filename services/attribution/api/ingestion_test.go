package api_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/token"
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
	r.read("/v1/ingestion", bearer, &got)
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

	r.knowSource(workspace, source)
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
			batch.Entries, batch.Fields = append(batch.Entries, e.ID), append(batch.Fields, e.Account(true))
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

// A replay is asked for, what cannot be replayed says why, what is dropped forgets its
// bytes and stays counted; nobody but an admin sees bytes, and no other workspace anything.
func TestQuarantine_ReplayShowDrop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	_, stranger := r.workspace(nil)
	add := func(reason string, hit bool, raw string) uuid.UUID {
		id := uuid.New()
		sealed := []byte{}
		if raw != "" {
			sealed = must(r.ring.Seal(workspace, id, raw))(t)
		}
		r.exec(`insert into quarantine (workspace_id, quarantine_id, source_id, epoch, shard, number, reason, detail, raw, hit, received_at, created_at)
		  values ($1, $2, gen_random_uuid(), gen_random_uuid(), 0, 1, $3, 'd', $4, $5, now(), now())`, workspace, id, reason, sealed, hit)
		return id
	}
	newer, wire, lost := add("unknown_version", true, "BYTES"), add("bad_event", false, "WIRE"), add("lost", false, "")
	type item struct {
		State, Receipt string
		Replayable     bool
		Obstacle       string `json:"obstacle"`
		Raw            *string
	}
	show := func(id uuid.UUID, bearer string, headers ...string) (got item) {
		r.call(http.MethodGet, "/v1/quarantine/"+id.String(), bearer, nil, headers...).into(t, http.StatusOK, &got)
		return got
	}
	if got := show(newer, admin); !got.Replayable || got.State != "waiting" || got.Raw == nil || *got.Raw != "QllURVM=" {
		t.Errorf("%+v", got)
	}
	if got := show(newer, r.token(token.Platform, uuid.Nil), "X-Workspace", workspace.String()); got.Raw != nil {
		t.Error("the platform sees bytes")
	}
	for _, id := range []uuid.UUID{wire, lost} {
		if got := show(id, admin); got.Replayable || got.Obstacle == "" {
			t.Errorf("%+v", got)
		}
	}
	if got := r.call(http.MethodGet, "/v1/quarantine/"+newer.String(), stranger, nil); got.status != http.StatusNotFound {
		t.Errorf("a stranger gets %d", got.status)
	}
	count := func(call, bearer string, body any, status int, name string) int {
		var got map[string]int
		r.call(http.MethodPost, "/v1/quarantine/"+call, bearer, body).into(t, status, &got)
		return got[name]
	}
	for call, body := range map[string]any{"replay": map[string]any{}, "drop": map[string]any{}} {
		if got := r.call(http.MethodPost, "/v1/quarantine/"+call, admin, body); got.status/100 != 4 {
			t.Errorf("%s of nothing in particular: %d %s", call, got.status, got.body)
		}
	}
	everything := map[string]any{"ids": []uuid.UUID{newer, wire, lost}}
	if n := count("replay", stranger, everything, http.StatusAccepted, "asked"); n != 0 {
		t.Errorf("a stranger asked for %d", n)
	}
	if n := count("replay", admin, everything, http.StatusAccepted, "asked"); n != 1 {
		t.Errorf("asked for %d", n)
	}
	if got := show(newer, admin); got.State != "asked" {
		t.Errorf("%+v", got)
	}
	if n := count("drop", admin, map[string]any{"reason": "bad_event"}, http.StatusOK, "dropped"); n != 1 {
		t.Errorf("dropped %d", n)
	}
	if got := show(wire, admin); got.State != "dropped" || got.Raw != nil {
		t.Errorf("%+v", got)
	}
	if n := r.count("select count(*) from quarantine where length(raw) > 0 and reason = 'bad_event'"); n != 0 {
		t.Error("dropped bytes are there still")
	}
	if !strings.Contains(r.log.String(), `"subject":"test"`) && !strings.Contains(r.log.String(), `"msg":"refused hits dropped"`) {
		t.Errorf("nobody is named in the log: %s", r.log)
	}
}

// Lost hits are the platform's affair.
func TestListGaps(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.exec(`insert into sequence_gap (epoch, shard, first, last, found_at, closed_at, written_off_at, written_off_by) values
	  ('0192b0a0-0000-7000-8000-000000000001', 2, 5, 7, now(), null, null, null),
	  ('0192b0a0-0000-7000-8000-000000000001', 2, 9, 9, now(), now(), null, null),
	  ('0192b0a0-0000-7000-8000-000000000001', 2, 11, 11, now(), null, now(), 'me')`)
	var got struct {
		Open int
		Data []struct{ Receipts, State string }
	}
	r.call(http.MethodGet, "/v1/ingestion/gaps", r.token(token.Platform, uuid.Nil), nil).into(t, http.StatusOK, &got)
	states := map[string]string{}
	for _, gap := range got.Data {
		states[gap.Receipts] = gap.State
	}
	epoch := "0192b0a0-0000-7000-8000-000000000001"
	if diff := cmp.Diff(map[string]string{epoch + "-2-5..7": "open", epoch + "-2-9": "closed", epoch + "-2-11": "written_off"}, states); diff != "" || got.Open != 3 {
		t.Errorf("%d open: %s", got.Open, diff)
	}
}
