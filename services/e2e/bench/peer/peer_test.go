package peer

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

func TestDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, theirs string
		want         string
	}{
		{"a b", "a b", ""}, {"a b", "a", "only touchline"}, {"a", "a b", "only the peer"}, {"a c", "a b", "row 2"}, {"", "", "neither"},
	} {
		err := Differ(strings.Fields(c.ours), strings.Fields(c.theirs))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q and %q: %v, want %q", c.ours, c.theirs, err, c.want)
		}
	}
}

// database is a schema of this test with Touchline's tables.
func database(t *testing.T) *pgx.Conn {
	t.Helper()
	const variable = "TOUCHLINE_TEST_DATABASE_URL"
	server := os.Getenv(variable)
	if server == "" {
		t.Skip("needs Postgres: set " + variable)
	}
	schema, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "sql", "schema.sql"))
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), server)
	if err != nil {
		t.Fatal(err)
	}
	name := "peer_" + strings.ToLower(rand.Text())
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if _, err := conn.Exec(ctx, "drop schema "+name+" cascade"); err != nil {
			t.Error(err)
		}
		_ = conn.Close(ctx)
	})
	for _, sql := range []string{"create schema " + name, "set search_path to " + name, string(schema)} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

const day = 24 * 3600

// loaded is a peer with a campaign of four buyers: each kind once.
func loaded(t *testing.T) *Peer {
	t.Helper()
	p := &Peer{Conn: database(t), Workspace: "0192f8a0-0000-7000-8000-000000000001"}
	if err := p.Load(t.Context(), &traffic.Campaign{Buyers: 4, Begin: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)}); err != nil {
		t.Fatal(err)
	}
	return p
}

// derived are the rows after a derivation.
func derived(t *testing.T, p *Peer, derive func(context.Context, int, int) error, version, readWindow int) []string {
	t.Helper()
	if err := derive(t.Context(), version, readWindow); err != nil {
		t.Fatal(err)
	}
	return read(t, p.Conn, version)
}

func read(t *testing.T, db beginner, version int) []string {
	t.Helper()
	lines, err := Rows(t.Context(), db, version)
	if err != nil {
		t.Fatal(err)
	}
	return lines
}

// with are the lines that begin like this, without it.
func with(lines []string, prefix string) (found []string) {
	for _, line := range lines {
		if rest, ok := strings.CutPrefix(line, prefix); ok {
			found = append(found, rest)
		}
	}
	return found
}

// What four buyers come to, by hand: 20, 30, 40 and 240 hours after the first message, which
// was read an hour later; the second came after 10 hours and was answered two later.
func TestDerive(t *testing.T) {
	t.Parallel()
	p := loaded(t)
	oneDay, twoDays := derived(t, p, p.Derive, 1, day), derived(t, p, p.Derive, 2, 2*day)
	for _, c := range []struct {
		rows   []string
		prefix string
		want   int
	}{
		{oneDay, "conversion ", 4},
		{oneDay, "credit ", 5},
		{oneDay, "attribution ", 9}, // linear five, last touch one a conversion
		{oneDay, "message ", 8},
		{oneDay, "credit order:c0 ", 2},
		{oneDay, "credit order:c1 ", 1},
		{twoDays, "credit ", 7},
		{twoDays, "credit order:c2 ", 2},
		{twoDays, "attribution ", 11},
	} {
		if got := with(c.rows, c.prefix); len(got) != c.want {
			t.Errorf("%d rows begin with %q, want %d: %q", len(got), c.prefix, c.want, got)
		}
	}
	for prefix, want := range map[string]string{
		"attribution order:c2 2 0 ": `{"campaign": "campaign0", "channel": "whatsapp", "clicked_at": null, "conversion_id": "order:c2", "credited_value": 51.01,
			"currency": "NOK", "definition": "purchase", "delivered_at": "2026-09-01T12:00:02+00:00", "event_at": "2026-09-03T04:00:02.123+00:00", "event_id": "order-2",
			"event_name": "Order Completed", "failed_at": null, "flags": [], "in_thread": false, "lag_us": 140400123000, "message_channel": "whatsapp",
			"message_id": "wamid.c2.0", "model": "linear", "model_ordinal": 2, "order_id": "c2", "person_id": true, "rank": 0, "read_at": "2026-09-01T13:00:02+00:00",
			"refund": false, "replied_at": null, "sent_at": "2026-09-01T12:00:02+00:00", "template_language": "nb", "template_name": "template2", "tier": "read",
			"touch_at": "2026-09-01T13:00:02+00:00", "touch_key": "wamid.c2.0", "value": 102.02, "variant": null, "version": 2, "weight": 500000000000,
			"window_seconds": 172800, "workspace_id": "0192f8a0-0000-7000-8000-000000000001"}`,
		"credit order:c1 1 ": `{"campaign": "campaign1", "channel": "whatsapp", "conversion_id": "order:c1", "credited": [101.01, 50.50], "definition": "purchase",
			"lag_us": 64800123000, "message_channel": "whatsapp", "message_id": "wamid.c1.1", "rank": 1, "revision": 1, "template_language": "nb", "template_name": "template1",
			"tier": "reply", "touch_at": "2026-09-02T00:00:01+00:00", "touch_key": "wamid.c1.1", "variant": null, "version": 2, "weights": [1000000000000, 500000000000],
			"window_seconds": 604800, "workspace_id": "0192f8a0-0000-7000-8000-000000000001"}`,
		"credit order:c3 0 ": `{"campaign": null, "channel": "unattributed", "conversion_id": "order:c3", "credited": [103.03, 103.03], "definition": "purchase",
			"lag_us": null, "message_channel": null, "message_id": null, "rank": 0, "revision": 1, "template_language": null, "template_name": null,
			"tier": null, "touch_at": null, "touch_key": "", "variant": null, "version": 2, "weights": [1000000000000, 1000000000000],
			"window_seconds": null, "workspace_id": "0192f8a0-0000-7000-8000-000000000001"}`,
		"message whatsapp wamid.c3.1 ": `{"campaign": "campaign1", "category": null, "channel": "whatsapp", "clicked_at": null, "cost_amount": null, "cost_currency": null,
			"delivered_at": "2026-09-01T22:00:03+00:00", "engaged_from": "2026-09-01T22:00:03+00:00", "engaged_to": "2026-09-02T00:00:03+00:00", "failed_at": null,
			"failure_reason": null, "message_id": "wamid.c3.1", "person_id": true, "read_at": "2026-09-01T23:00:03+00:00", "registered": true, "replied_at": "2026-09-02T00:00:03+00:00",
			"sender": "1001", "sent_at": "2026-09-01T22:00:03+00:00", "session": false, "template_language": "nb", "template_name": "template3", "variant": null,
			"version": 2, "workspace_id": "0192f8a0-0000-7000-8000-000000000001"}`,
	} {
		got := with(twoDays, prefix)
		if len(got) != 1 || !same(t, got[0], want) {
			t.Errorf("%s is %q, want %s", prefix, got, want)
		}
	}
}

// same compares JSON.
func same(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y map[string]any
	if err := errors.Join(json.Unmarshal([]byte(a), &x), json.Unmarshal([]byte(b), &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// The narrow peer writes the same conversions and credits, and no message: its rows of the
// attribution table lack the messages' times.
func TestDeriveNarrow(t *testing.T) {
	t.Parallel()
	p := loaded(t)
	narrow := derived(t, p, p.DeriveNarrow, 1, day)
	if err := p.Empty(t.Context()); err != nil {
		t.Fatal(err)
	}
	full := derived(t, p, p.Derive, 1, day)
	for _, same := range []string{"conversion ", "credit "} {
		if err := Differ(with(narrow, same), with(full, same)); err != nil {
			t.Error(err)
		}
	}
	if got := with(narrow, "message "); len(got) > 0 {
		t.Errorf("wrote %q", got)
	}
	if Differ(with(narrow, "attribution "), with(full, "attribution ")) == nil {
		t.Error("the times of messages are not compared")
	}
	if plan, err := p.Plan(t.Context(), day); err != nil || !strings.Contains(plan, "Insert on message") || !strings.Contains(plan, "Insert on credit") {
		t.Errorf("%v: %s", err, plan)
	}
}

// Whatever a row of the attribution table shows is compared, also of a message that earned
// nothing; made-up ids are not.
func TestRows_NoticeWhatDiffers(t *testing.T) {
	t.Parallel()
	p := loaded(t)
	before := derived(t, p, p.Derive, 1, day)
	try := func(change string, want bool) {
		t.Helper()
		tx, err := p.Conn.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = tx.Rollback(t.Context()) }()
		tag, err := tx.Exec(t.Context(), change)
		if err != nil || tag.RowsAffected() == 0 {
			t.Fatalf("%s: %s, %v", change, tag, err)
		}
		if got := Differ(read(t, tx, 1), before) != nil; got != want {
			t.Errorf("%s: a difference is seen: %t, want %t", change, got, want)
		}
	}
	for _, column := range []string{"sent_at", "delivered_at", "read_at", "clicked_at", "replied_at", "failed_at", "engaged_from", "engaged_to"} {
		try("update message set "+column+" = '2026-09-09' where message_id = 'wamid.c3.1'", true)
	}
	for _, column := range []string{"sender", "template_name", "template_language", "campaign", "variant", "category", "failure_reason"} {
		try("update message set "+column+" = 'other' where message_id = 'wamid.c3.0'", true)
	}
	for _, change := range []string{
		"update message set person_id = null where message_id = 'wamid.c3.0'",
		"delete from message where message_id = 'wamid.c3.0'",
		"update conversion set currency = 'SEK' where order_id = 'c3'",
		"update conversion set event_at = event_at + interval '1 us' where order_id = 'c1'",
		"update conversion set value = value + 0.001 where order_id = 'c1'",
		"update conversion set flags = '{flag}' where order_id = 'c1'",
		"update conversion set models = '{linear,last_touch}' where order_id = 'c0'",
		"update credit set lag_us = lag_us + 1 where conversion_id = 'order:c0' and rank = 0",
		"update credit set window_seconds = 1 where conversion_id = 'order:c0' and rank = 0",
		"update credit set credited = '{0.001,50}' where conversion_id = 'order:c0' and rank = 0",
		"update credit set template_language = null where conversion_id = 'order:c0' and rank = 0",
		"delete from credit where conversion_id = 'order:c3'",
	} {
		try(change, true)
	}
	for _, change := range []string{
		"update message set person_id = gen_random_uuid(), anchor = gen_random_uuid(), computed_at = '2026-09-09'",
		"update conversion set person_id = gen_random_uuid(), anchor = gen_random_uuid(), hash = gen_random_uuid(), computed_at = '2026-09-09'",
		"update credit set credited = '{0.0000,50.0}' where conversion_id = 'order:c0' and rank = 0",
	} {
		try(change, false)
	}
}
