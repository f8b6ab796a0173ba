// Package peer is what a recompute is measured against: the same attribution of the same
// messages and orders as set-based SQL, writing the same rows in the same PostgreSQL: all
// that a row of the attribution table is read from. It is the best that we can write;
// whoever can do better, please do.
package peer

import (
	"context"
	"crypto/md5" //nolint:gosec // a short name, not a secret
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

var (
	//go:embed inputs.sql
	inputs string
	//go:embed conversions.sql
	conversions string
	//go:embed credits.sql
	credits string
	//go:embed messages.sql
	messages string
)

// Peer works in a database with Touchline's schema and nothing in it.
type Peer struct {
	Conn      *pgx.Conn
	Workspace string
}

// Load writes a campaign as the statements read it.
func (p *Peer) Load(ctx context.Context, c *traffic.Campaign) error {
	if _, err := p.Conn.Exec(ctx, inputs); err != nil {
		return err
	}
	var sent, bought [][]any
	for buyer := range c.Buyers {
		both, order := c.Facts(buyer)
		for i := range both {
			sent = append(sent, message(&both[i]))
		}
		var value pgtype.Numeric
		if err := value.Scan(order.Value); err != nil {
			return err
		}
		bought = append(bought, []any{order.OrderID, name("order", order.OrderID), order.EventID, name("phone", order.Phone), order.At, value})
	}
	for table, rows := range map[string][][]any{"sent": sent, "bought": bought} {
		columns := []string{"order_id", "anchor", "event_id", "person_id", "at", "value"}
		if table == "sent" {
			columns = []string{
				"message_id", "anchor", "sender", "template_name", "template_language", "campaign", "person_id", "sent_at", "delivered_at", "read_at", "replied_at",
			}
		}
		if _, err := p.Conn.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromRows(rows)); err != nil {
			return err
		}
	}
	if _, err := p.Conn.Exec(ctx, "vacuum (analyze) sent, bought"); err != nil {
		return err
	}
	// Enough memory to sort and hash without files: the best case for SQL.
	_, err := p.Conn.Exec(ctx, "set work_mem = '512MB'")
	return err
}

// message is one as the table sent has it.
func message(m *traffic.Sent) []any {
	at := func(t time.Time) any {
		if t.IsZero() {
			return nil
		}
		return t
	}
	return []any{
		m.ID, name("message", m.ID), m.Sender, m.Template, m.Language, m.Campaign, name("phone", m.Phone),
		at(m.SentAt), at(m.Delivered), at(m.Read), at(m.Replied),
	}
}

// name is a made-up id of what has a value of a kind.
func name(kind, value string) [16]byte { return md5.Sum([]byte(kind + " " + value)) } //nolint:gosec // see import

// statement is one of those that derive, with its parameters.
type statement struct {
	sql  string
	args []any
}

// statements are all of them, in order.
func (p *Peer) statements(version, readWindow int) []statement {
	return []statement{
		{conversions, []any{p.Workspace, version}},
		{credits, []any{p.Workspace, version, readWindow}},
		{messages, []any{p.Workspace, version}},
	}
}

// Derive writes all rows of a version in one transaction. The window of a read is in
// seconds.
func (p *Peer) Derive(ctx context.Context, version, readWindow int) error {
	return p.derive(ctx, p.statements(version, readWindow))
}

// DeriveNarrow is Derive without the rows of messages: what was called the peer once. Of a
// row of the attribution table the times of the message are not known after it.
func (p *Peer) DeriveNarrow(ctx context.Context, version, readWindow int) error {
	all := p.statements(version, readWindow)
	return p.derive(ctx, all[:len(all)-1])
}

func (p *Peer) derive(ctx context.Context, list []statement) error {
	return pgx.BeginFunc(ctx, p.Conn, func(tx pgx.Tx) error {
		for _, s := range list {
			if _, err := tx.Exec(ctx, s.sql, s.args...); err != nil {
				return err
			}
		}
		return nil
	})
}

// Empty removes all rows that were written.
func (p *Peer) Empty(ctx context.Context) error {
	_, err := p.Conn.Exec(ctx, "truncate conversion, credit, message")
	return err
}

// Plan is how PostgreSQL executes the statements, with what it really took, and leaves no
// rows.
func (p *Peer) Plan(ctx context.Context, readWindow int) (string, error) {
	tx, err := p.Conn.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	var plan []string
	for _, s := range p.statements(1<<30, readWindow) {
		rows, err := tx.Query(ctx, "explain (analyze, costs off, timing on, buffers off) "+s.sql, s.args...)
		if err != nil {
			return "", err
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return "", err
		}
		plan = append(plan, strings.Join(lines, "\n"))
	}
	return strings.Join(plan, "\n\n"), nil
}

// rows tells, a line each, what of a version must be the same, whoever derived it: the rows
// of the attribution table as they are read, and what they are read from, as a credit that
// weighs nothing under a model and a message that earned nothing are in no row. Of a person
// it says whether there is one. Made-up ids and the time of writing may differ, and how many
// zeros an amount ends with.
const rows = `
select line from (
	select format('attribution %s %s %s ', conversion_id, model_ordinal, rank) || jsonb_set_lax(
		to_jsonb(a) || jsonb_build_object('person_id', person_id is not null), '{credited_value}', to_jsonb(trim_scale(credited_value)))
	from attribution a where version = $1
	union all
	select format('conversion %s ', conversion_id) ||
		((to_jsonb(c) || jsonb_build_object('person_id', person_id is not null)) - '{anchor,hash,computed_at}'::text[])
	from conversion c where version = $1
	union all
	select format('credit %s %s ', conversion_id, rank) || jsonb_set_lax(
		to_jsonb(k), '{credited}', to_jsonb((select array_agg(trim_scale(x) order by n) from unnest(credited) with ordinality as u (x, n))))
	from credit k where version = $1
	union all
	select format('message %s %s ', channel, message_id) ||
		((to_jsonb(m) || jsonb_build_object('person_id', person_id is not null)) - '{anchor,computed_at}'::text[])
	from message m where version = $1
) as x (line) order by line collate "C"`

// beginner is a connection, or a transaction on one.
type beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Rows tells, a line each, what a database holds of a version, sorted: what must be the
// same, whoever derived it. Tables that were filled this moment have no statistics, so they
// are joined in the way that is never slow.
func Rows(ctx context.Context, db beginner, version int) (lines []string, err error) {
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "set local enable_nestloop = off; set local enable_mergejoin = off; set local jit = off; set local work_mem = '256MB'; set local timezone = 'UTC'"); err != nil {
			return err
		}
		found, err := tx.Query(ctx, rows, version)
		if err != nil {
			return err
		}
		lines, err = pgx.CollectRows(found, pgx.RowTo[string])
		return err
	})
	return lines, err
}

// Differ is an error that shows the first difference, nil when there is none and there
// are rows.
func Differ(ours, theirs []string) error {
	if len(ours) == 0 && len(theirs) == 0 {
		return errors.New("neither has a row")
	}
	for i := range max(len(ours), len(theirs)) {
		switch {
		case i >= len(ours):
			return fmt.Errorf("only the peer has %q, one of %d rows; touchline has %d", theirs[i], len(theirs), len(ours))
		case i >= len(theirs):
			return fmt.Errorf("only touchline has %q, one of %d rows; the peer has %d", ours[i], len(ours), len(theirs))
		case ours[i] != theirs[i]:
			return fmt.Errorf("row %d is %q, the peer's is %q", i+1, ours[i], theirs[i])
		}
	}
	return nil
}
