package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

// A decimal reaches the server as by way of pgx.
func TestAppendNumeric_asPgx(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), sqltest.NewSchema(t, sql.Newest).URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	pgxTypes := pgtype.NewMap()
	for _, text := range []string{
		"0", "-0", "0.00", "1", "-1", "9999", "10000", "12345", "100.00", "100", "0.1", "0.0001", "0.00001", "-12345678.90123", "123456789012345678901234567890.5",
		"00012.50", "+5", ".5", "-.5", "5.", "1234567890123456789012345678901234567890123456789012345678901234567890", "-0.000", "20000.00020",
		strings.Repeat("123456789", 300) + "." + strings.Repeat("987654321", 300),
	} {
		raw, err := appendNumeric(nil, text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got, want pgtype.Numeric
		if err := errors.Join(want.Scan(text), pgxTypes.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, raw, &got)); err != nil {
			t.Fatalf("%s: %v: %x", text, err, raw)
		}
		viaPgx, err := pgxTypes.Encode(pgtype.NumericOID, pgtype.BinaryFormatCode, want, nil)
		if err == nil {
			err = pgxTypes.Scan(pgtype.NumericOID, pgtype.BinaryFormatCode, viaPgx, &want)
		}
		wanted, _ := want.Value()
		if value, _ := got.Value(); err != nil || value != wanted {
			t.Errorf("%s became %v, by way of pgx %v: %v", text, value, wanted, err)
		}
		var sent, read string // as the server takes it, and as it reads the text
		answer := conn.PgConn().ExecParams(t.Context(), "select $1::text, $2::text::numeric::text", [][]byte{raw, []byte(text)},
			[]uint32{pgtype.NumericOID, pgtype.TextOID}, []int16{pgtype.BinaryFormatCode, pgtype.TextFormatCode}, nil).Read()
		if answer.Err == nil && len(answer.Rows) == 1 {
			sent, read = string(answer.Rows[0][0]), string(answer.Rows[0][1])
		}
		if answer.Err != nil || sent != read {
			t.Errorf("%s became %s in the table, want %s: %v", text, sent, read, answer.Err)
		}
	}
	for _, text := range []string{
		"", "-", "+", ".", "x", "1e3", "1.2.3", "1 2", "--1", "+-1", "-+1", "1.-2", "NaN", "Infinity", strings.Repeat("9", mostWhole+1), "." + strings.Repeat("9", mostPart+1),
	} {
		if raw, err := appendNumeric([]byte("before"), text); err == nil || string(raw) != "before" {
			t.Errorf("%.20q became %x: %v", text, raw, err)
		}
	}
}

// Decimals are written by several goroutines at once, and one that is none is an error when the
// rows are sent.
func TestCopying_numeric(t *testing.T) {
	t.Parallel()
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			c := newCopy(3, 0, 0)
			for range 100 {
				c.row()
				c.numeric("1234567890123456789012345678901234567890123456789012345678901234567890")
				c.numeric("x")
				c.numericsOrNone([]string{"1", "+5", "1e3"})
			}
			if _, err := c.send(t.Context(), nil, ""); err == nil {
				t.Error("what is no decimal was sent")
			}
		})
	}
	all.Wait()
}

// What is copied reads as it was given, absent values are null, numbers keep their decimals,
// and rows lie in order of their keys.
func TestDeriveWrite_copies(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	at := time.Date(2026, 3, 29, 1, 2, 3, 4000, time.UTC)
	id := uuid.MustParse("10000000-0000-0000-0000-000000000001")
	full := credit.Conversion{
		Definition: "b", ID: "2", Anchor: id, EventID: "e", EventName: "n", InThread: true, EventAt: hit.InstantOf(at), OrderID: "o", Refund: true,
		Value: "-12345.600", Currency: "NOK", Person: id, Identified: true, Flags: []string{"y", "x"}, Models: []string{"linear", "last_touch"},
		Credits: []credit.Credit{
			{Channel: "email", Weights: []int64{1, 2}},
			{
				Channel: "sms", Tier: "click", TouchKey: "k", TouchAt: hit.InstantOf(at), WindowSeconds: 7, LagMicros: 0, MessageChannel: "mc", MessageID: "mi",
				TemplateName: "tn", TemplateLanguage: "tl", Campaign: "ca", Variant: "va", Weights: []int64{3, 4}, Credited: []string{"0.00", "-5.50"},
			},
		},
	}
	bare := credit.Conversion{Definition: "b", ID: "1", EventAt: hit.InstantOf(at), Models: []string{}, Credits: []credit.Credit{{Channel: "unattributed"}}}
	messages := []touch.Message{
		{
			Channel: "w", ID: "2", Anchor: id, Sender: "s", Template: &hit.Template{Name: "tn", Language: "tl"}, Campaign: "c", Variant: "v", Category: "k",
			Cost: &hit.Amount{Amount: "0.0712", Currency: "USD"}, Registered: true, Session: true, Person: id, FailureReason: "f",
			Times:       touch.Times{SentAt: 1, DeliveredAt: 2, ReadAt: 3, ClickedAt: 4, RepliedAt: 5, FailedAt: 6},
			EngagedFrom: 7, EngagedTo: 8,
		},
		{Channel: "w", ID: "1"},
	}
	var rows []string
	err = pool.InTx(t.Context(), ReadCommitted, func(ctx context.Context, tx *Tx) error {
		w := deriveWrite{deriveTx: deriveTx{workspace: id, queries: tx.Queries, tx: tx.tx}, version: 3, at: at}
		changes := []derive.ConversionChange{{Conversion: full, Revision: 4, Hash: id}, {Conversion: bare, Revision: 1}}
		for _, c := range "cab" { // many, none of them in order
			for n := range 300 {
				more := bare
				more.Definition, more.ID = "m"+string(c), fmt.Sprint(n*7919%300)
				changes = append(changes, derive.ConversionChange{Conversion: more, Revision: 1})
			}
		}
		if err := w.copyConversions(ctx, changes); err != nil {
			return err
		}
		if err := w.copyCredits(ctx, changes); err != nil {
			return err
		}
		if err := w.copyMessages(ctx, messages); err != nil {
			return err
		}
		for _, table := range []string{"conversion", "credit"} {
			var unordered int
			if err := tx.tx.QueryRow(ctx, `select count(*) from (select (definition, conversion_id) < lag((definition, conversion_id)) over (order by ctid) as before from `+
				table+`) as r where before`).Scan(&unordered); err != nil || unordered > 0 {
				t.Errorf("%d rows of %s out of order: %v", unordered, table, err)
			}
		}
		got, err := tx.tx.Query(ctx, `select to_jsonb(c)::text from conversion c where definition = 'b' union all
			select to_jsonb(k)::text from credit k where definition = 'b' union all select to_jsonb(m)::text from message m`)
		if err != nil {
			return err
		}
		rows, err = pgx.CollectRows(got, pgx.RowTo[string])
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(copied, rows); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What many changes write is sent by the piece, each row once.
func TestDeriveWrite_copiesByThePiece(t *testing.T) {
	t.Parallel()
	pool, err := Open(t.Context(), sqltest.NewSchema(t, sql.Newest).URL, RoleWorker)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	const conversions, credits = 60, 50
	changes := make([]derive.ConversionChange, conversions)
	messages := make([]touch.Message, conversions)
	long := strings.Repeat("x", 2000)
	for i := range changes {
		c := &changes[i]
		c.Definition, c.ID, c.Models, c.Revision, c.EventName = "d", fmt.Sprint(i), []string{"linear"}, 1, strings.Repeat(long, 50)
		for range credits {
			c.Credits = append(c.Credits, credit.Credit{Channel: "sms", TouchKey: "k", Campaign: long, Weights: []int64{1}})
		}
		messages[i] = touch.Message{Channel: "w", ID: c.ID, FailureReason: c.EventName}
	}
	err = pool.InTx(t.Context(), ReadCommitted, func(ctx context.Context, tx *Tx) error {
		w := deriveWrite{deriveTx: deriveTx{workspace: uuid.New(), queries: tx.Queries, tx: tx.tx}, version: 3, at: time.Now()}
		if err := errors.Join(w.copyConversions(ctx, changes), w.copyCredits(ctx, changes), w.copyMessages(ctx, messages)); err != nil {
			return err
		}
		for table, want := range map[string]int{"conversion": conversions, "credit": conversions * credits, "message": conversions} {
			var rows, pieces int // a row knows the command of its transaction that wrote it
			if err := tx.tx.QueryRow(ctx, "select count(*), count(distinct cmin::text) from "+table).Scan(&rows, &pieces); err != nil || rows != want || pieces != 2 {
				t.Errorf("%d rows of %s in %d pieces, want %d in 2: %v", rows, table, pieces, want, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var copied = []string{
	`{"hash": "00000000-0000-0000-0000-000000000000", "flags": [], "value": null, "anchor": "00000000-0000-0000-0000-000000000000", "models": [], "refund": false, "version": 3, "currency": null, "event_at": "2026-03-29T01:02:03.000004+00:00", "event_id": "", "order_id": null, "revision": 1, "in_thread": false, "person_id": null, "definition": "b", "event_name": "", "identified": false, "computed_at": "2026-03-29T01:02:03.000004+00:00", "workspace_id": "10000000-0000-0000-0000-000000000001", "conversion_id": "1", "superseded_at": null}`,
	`{"hash": "10000000-0000-0000-0000-000000000001", "flags": ["x", "y"], "value": -12345.600, "anchor": "10000000-0000-0000-0000-000000000001", "models": ["linear", "last_touch"], "refund": true, "version": 3, "currency": "NOK", "event_at": "2026-03-29T01:02:03.000004+00:00", "event_id": "e", "order_id": "o", "revision": 4, "in_thread": true, "person_id": "10000000-0000-0000-0000-000000000001", "definition": "b", "event_name": "n", "identified": true, "computed_at": "2026-03-29T01:02:03.000004+00:00", "workspace_id": "10000000-0000-0000-0000-000000000001", "conversion_id": "2", "superseded_at": null}`,
	`{"rank": 0, "tier": null, "lag_us": null, "channel": "unattributed", "variant": null, "version": 3, "weights": [], "campaign": null, "credited": null, "revision": 1, "touch_at": null, "touch_key": "", "definition": "b", "message_id": null, "workspace_id": "10000000-0000-0000-0000-000000000001", "conversion_id": "1", "template_name": null, "window_seconds": null, "message_channel": null, "template_language": null}`,
	`{"rank": 0, "tier": null, "lag_us": null, "channel": "email", "variant": null, "version": 3, "weights": [1, 2], "campaign": null, "credited": null, "revision": 4, "touch_at": null, "touch_key": "", "definition": "b", "message_id": null, "workspace_id": "10000000-0000-0000-0000-000000000001", "conversion_id": "2", "template_name": null, "window_seconds": null, "message_channel": null, "template_language": null}`,
	`{"rank": 1, "tier": "click", "lag_us": 0, "channel": "sms", "variant": "va", "version": 3, "weights": [3, 4], "campaign": "ca", "credited": [0.00, -5.50], "revision": 4, "touch_at": "2026-03-29T01:02:03.000004+00:00", "touch_key": "k", "definition": "b", "message_id": "mi", "workspace_id": "10000000-0000-0000-0000-000000000001", "conversion_id": "2", "template_name": "tn", "window_seconds": 7, "message_channel": "mc", "template_language": "tl"}`,
	`{"anchor": "00000000-0000-0000-0000-000000000000", "sender": null, "channel": "w", "read_at": null, "sent_at": null, "session": false, "variant": null, "version": 3, "campaign": null, "category": null, "failed_at": null, "person_id": null, "clicked_at": null, "engaged_to": null, "message_id": "1", "registered": false, "replied_at": null, "computed_at": "2026-03-29T01:02:03.000004+00:00", "cost_amount": null, "delivered_at": null, "engaged_from": null, "workspace_id": "10000000-0000-0000-0000-000000000001", "cost_currency": null, "template_name": null, "failure_reason": null, "template_language": null}`,
	`{"anchor": "10000000-0000-0000-0000-000000000001", "sender": "s", "channel": "w", "read_at": "1970-01-01T00:00:00.000003+00:00", "sent_at": "1970-01-01T00:00:00.000001+00:00", "session": true, "variant": "v", "version": 3, "campaign": "c", "category": "k", "failed_at": "1970-01-01T00:00:00.000006+00:00", "person_id": "10000000-0000-0000-0000-000000000001", "clicked_at": "1970-01-01T00:00:00.000004+00:00", "engaged_to": "1970-01-01T00:00:00.000008+00:00", "message_id": "2", "registered": true, "replied_at": "1970-01-01T00:00:00.000005+00:00", "computed_at": "2026-03-29T01:02:03.000004+00:00", "cost_amount": 0.0712, "delivered_at": "1970-01-01T00:00:00.000002+00:00", "engaged_from": "1970-01-01T00:00:00.000007+00:00", "workspace_id": "10000000-0000-0000-0000-000000000001", "cost_currency": "USD", "template_name": "tn", "failure_reason": "f", "template_language": "tl"}`,
}
