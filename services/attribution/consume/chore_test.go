package consume

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/stream"
)

// Whoever read the books a moment ago must still find the terms by batch: they are
// folded only by books that are old.
func TestFolder_goesByOldBooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	consumer := uuid.New()
	var id uuid.UUID
	r.scan(t, `insert into ledger_batch (workspace_id, consumer, shard, batch, source_id, hour, stored)
		select '`+shop.String()+`', '`+consumer.String()+`', 1, n, '`+site.String()+`', '2026-05-04T12:00Z', n from generate_series(1, 3) n returning consumer`, &id)
	books := []stream.ShardBooks{{Shard: 0}, {Shard: 1, Settled: map[uuid.UUID]int64{consumer: 2}}}
	fold := func(f *folder, after time.Duration) {
		c := r.consumer(t, func(cfg *Config, p *Parts) { cfg.FoldAfter = after })
		c.parts.Books = func(context.Context) ([]stream.ShardBooks, error) { return books, nil }
		if err := f.fold(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	var f folder
	for range 3 {
		fold(&f, time.Hour)
	}
	if n := r.number(t, "select count(*) from ledger"); n != 0 {
		t.Error("folded by books that are new")
	}
	for range 2 {
		fold(&f, time.Nanosecond)
	}
	if n := r.number(t, "select sum(stored)::bigint from ledger"); n != 1+2 {
		t.Errorf("folded %d, want the terms of batches 1 and 2", n)
	}
	if n := r.number(t, "select sum(stored)::bigint from ledger_batch"); n != 3 {
		t.Errorf("%d terms left, want those of batch 3, which is not settled", n)
	}
}

// A worker removes what nobody can read, a few rows at a time, and nothing else: not
// the persons that a version in force stands on too.
func TestConsumer_removesDiscardedVersions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx := context.Background()
	for _, statement := range []string{
		`insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
			select $1, v, '{}', case v when 4 then 2 else 1 end, '', case v when 1 then 'live' when 2 then 'superseded' else 'discarded' end, now(), '' from generate_series(1, 4) v`,
		`insert into conversion select $1, v, 'purchase', n::text, 1, gen_random_uuid(), 'e', 'E', false, now(), null, false, null, null, null, false, '{}', '{linear}',
			gen_random_uuid(), now() from generate_series(1, 4) v, generate_series(1, 2500) n`,
		`insert into credit (workspace_id, version, definition, conversion_id, revision, rank, channel, touch_key, weights)
			select workspace_id, version, definition, conversion_id, 1, 0, 'unattributed', '', '{1000000000000}' from conversion where workspace_id = $1`,
		`insert into rollup_credit select $1, v, now(), 'linear', 'purchase', '', '', n::text, '', '', '', '', 1, 1, 1 from generate_series(1, 4) v, generate_series(1, 3) n`,
		`insert into rollup_message select $1, v, now(), 'sms', '', '', '', '', 1, 0, 1, 1, 0, 0, 0, 0, 0 from generate_series(1, 4) v`,
		`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, computed_at)
			select $1, v, 'sms', 'm', gen_random_uuid(), true, false, now() from generate_series(1, 4) v`,
		`insert into link select $1, v, gen_random_uuid(), gen_random_uuid(), 1, now(), 'f', 1, 'joined' from generate_series(1, 2) v`,
		`insert into identifier_person select $1, v, gen_random_uuid(), 'phone', gen_random_uuid() from generate_series(1, 2) v`,
		`insert into claim select $1, v, gen_random_uuid(), now(), 'f', true, gen_random_uuid() from generate_series(1, 2) v`,
	} {
		if _, err := r.rows.Exec(ctx, statement, shop); err != nil {
			t.Fatal(err)
		}
	}
	start(t, r.consumer(t, nil))
	until(t, "the discarded versions to be empty", func() bool {
		return r.number(t, "select count(*) from policy where emptied_at is not null") == 2
	})
	for query, want := range map[string]int64{
		"select count(*) from conversion where version in (1, 2)": 5000, "select count(*) from credit where version in (1, 2)": 5000,
		"select count(*) from conversion": 5000, "select count(*) from credit": 5000, "select count(*) from rollup_credit": 6,
		"select count(*) from rollup_message": 2, "select count(*) from message": 2,
		"select count(*) from link": 1, "select count(*) from identifier_person": 1, "select sum(identity_version) from claim": 1,
		"select count(*) from policy where state in ('live', 'superseded') and emptied_at is null": 2,
	} {
		if n := r.number(t, query); n != want {
			t.Errorf("%s: %d, want %d", query, n, want)
		}
	}
}
