// Package peer is what a recompute is measured against: the same attribution of the same
// messages and orders as one statement of set-based SQL, writing the same rows in the same
// PostgreSQL. It is the best that we can write; whoever can do better, please do.
package peer

import (
	"context"
	"crypto/md5" //nolint:gosec // a short name for a phone number, not a secret
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/e2e/bench/traffic"
)

//go:embed inputs.sql
var inputs string

//go:embed derive.sql
var derive string

// Peer works in a database with Touchline's schema and nothing in it.
type Peer struct {
	Conn      *pgx.Conn
	Workspace string
}

// Load writes a campaign as the statement reads it.
func (p *Peer) Load(ctx context.Context, c *traffic.Campaign) error {
	if _, err := p.Conn.Exec(ctx, inputs); err != nil {
		return err
	}
	var sent, bought [][]any
	for buyer := range c.Buyers {
		messages, order := c.Facts(buyer)
		for _, m := range messages {
			var replied any
			if !m.Replied.IsZero() {
				replied = m.Replied
			}
			sent = append(sent, []any{m.ID, person(m.Phone), m.Template, m.Campaign, m.SentAt, m.Read, replied})
		}
		var value pgtype.Numeric
		if err := value.Scan(order.Value); err != nil {
			return err
		}
		bought = append(bought, []any{order.EventID, order.OrderID, person(order.Phone), order.At, value})
	}
	if _, err := p.Conn.CopyFrom(ctx, pgx.Identifier{"sent"}, []string{"message_id", "person_id", "template_name", "campaign", "sent_at", "read_at", "replied_at"}, pgx.CopyFromRows(sent)); err != nil {
		return err
	}
	if _, err := p.Conn.CopyFrom(ctx, pgx.Identifier{"bought"}, []string{"event_id", "order_id", "person_id", "at", "value"}, pgx.CopyFromRows(bought)); err != nil {
		return err
	}
	if _, err := p.Conn.Exec(ctx, "vacuum (analyze) sent, bought"); err != nil {
		return err
	}
	// Enough memory to sort and hash without files: the best case for SQL.
	_, err := p.Conn.Exec(ctx, "set work_mem = '512MB'")
	return err
}

// person stands for a phone number.
func person(phone string) [16]byte { return md5.Sum([]byte(phone)) } //nolint:gosec // see import

// Derive runs the statement and returns how many credits it wrote.
func (p *Peer) Derive(ctx context.Context, version, readWindow int) (int64, error) {
	tag, err := p.Conn.Exec(ctx, derive, p.Workspace, version, readWindow)
	return tag.RowsAffected(), err
}

// Plan is how PostgreSQL executes it, with what it really took, and leaves no rows.
func (p *Peer) Plan(ctx context.Context, readWindow int) (string, error) {
	tx, err := p.Conn.Begin(ctx)
	if err != nil {
		return "", err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	rows, err := tx.Query(ctx, "explain (analyze, costs off, timing on, buffers off) "+derive, p.Workspace, 1<<30, readWindow)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// Rows tells, a line a touchpoint, what a database holds of a version: what must be the
// same, whoever derived it.
func Rows(ctx context.Context, conn *pgx.Conn, version int) ([]string, error) {
	rows, err := conn.Query(ctx, `select format('%s %s %s %s %s %s %s %s', c.event_id, k.rank, k.channel, k.message_id, k.tier, k.window_seconds, k.weights,
		(select array_agg(round(x, 2)) from unnest(k.credited) x))
		from conversion c join credit k using (workspace_id, version, definition, conversion_id, revision)
		where version = $1 and superseded_at is null order by c.event_id collate "C", k.rank`, version)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
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
