package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// What is new for certain is written with COPY, which costs the server about half.

// copyConversions writes conversions: a revision is always a new row.
func (w deriveWrite) copyConversions(ctx context.Context, list []derive.ConversionChange) error {
	columns := []string{
		"workspace_id", "version", "definition", "conversion_id", "revision", "anchor", "event_id", "event_name", "in_thread", "event_at",
		"order_id", "refund", "value", "currency", "person_id", "identified", "flags", "models", "hash", "computed_at",
	}
	return w.copy(ctx, "conversion", columns, len(list), func(i int) ([]any, error) {
		c := &list[i]
		value, err := numberOrNone(c.Value)
		flags := slices.Sorted(slices.Values(c.Flags))
		if flags == nil {
			flags = []string{}
		}
		return []any{
			w.workspace, w.version, c.Definition, c.ID, int32(c.Revision), c.Anchor, c.EventID, c.EventName, c.InThread, c.EventAt.Time(),
			orNone(c.OrderID), c.Refund, value, orNone(c.Currency), orNone(c.Person), c.Identified, flags, c.Models, c.Hash, w.at,
		}, err
	})
}

// copyCredits writes the credits of new conversions.
func (w deriveWrite) copyCredits(ctx context.Context, list []derive.ConversionChange) error {
	type ranked struct{ conversion, rank int }
	var all []ranked
	for i := range list {
		for rank := range list[i].Credits {
			all = append(all, ranked{i, rank})
		}
	}
	columns := []string{
		"workspace_id", "version", "definition", "conversion_id", "revision", "rank", "channel", "touch_key", "tier", "touch_at", "window_seconds",
		"lag_us", "message_channel", "message_id", "template_name", "template_language", "campaign", "variant", "weights", "credited",
	}
	return w.copy(ctx, "credit", columns, len(all), func(i int) ([]any, error) {
		c := &list[all[i].conversion]
		k := &c.Credits[all[i].rank]
		var window, lag any
		if k.TouchKey != "" { // else there is no touchpoint: neither is known
			window, lag = k.WindowSeconds, k.LagMicros
		}
		credited, err := numbers(k.Credited)
		return []any{
			w.workspace, w.version, c.Definition, c.ID, int32(c.Revision), int32(all[i].rank), k.Channel, k.TouchKey, orNone(k.Tier),
			instantOrNone(k.TouchAt), window, lag, orNone(k.MessageChannel), orNone(k.MessageID), orNone(k.TemplateName),
			orNone(k.TemplateLanguage), orNone(k.Campaign), orNone(k.Variant), k.Weights, credited,
		}, err
	})
}

// copyMessages writes messages of which the version has no rows.
func (w deriveWrite) copyMessages(ctx context.Context, list []touch.Message) error {
	columns := []string{
		"workspace_id", "version", "channel", "message_id", "anchor", "sender", "registered", "session", "template_name", "template_language",
		"campaign", "variant", "person_id", "category", "cost_amount", "cost_currency", "sent_at", "delivered_at", "read_at", "clicked_at",
		"replied_at", "failed_at", "failure_reason", "engaged_from", "engaged_to", "computed_at",
	}
	return w.copy(ctx, "message", columns, len(list), func(i int) ([]any, error) {
		m := &list[i]
		template, cost := orZero(m.Template), orZero(m.Cost)
		amount, err := numberOrNone(cost.Amount)
		return []any{
			w.workspace, w.version, m.Channel, m.ID, m.Anchor, orNone(m.Sender), m.Registered, m.Session, orNone(template.Name),
			orNone(template.Language), orNone(m.Campaign), orNone(m.Variant), orNone(m.Person), orNone(m.Category), amount, orNone(cost.Currency),
			instantOrNone(m.SentAt), instantOrNone(m.DeliveredAt), instantOrNone(m.ReadAt), instantOrNone(m.ClickedAt), instantOrNone(m.RepliedAt),
			instantOrNone(m.FailedAt), orNone(m.FailureReason), instantOrNone(m.EngagedFrom), instantOrNone(m.EngagedTo), w.at,
		}, err
	})
}

// copy writes n rows.
func (w deriveWrite) copy(ctx context.Context, table string, columns []string, n int, row func(i int) ([]any, error)) error {
	written, err := w.tx.CopyFrom(ctx, pgx.Identifier{table}, columns, pgx.CopyFromSlice(n, row))
	if err == nil && written != int64(n) {
		err = fmt.Errorf("%d of %d rows were written", written, n)
	}
	return err
}

// orNone is a value, null when it is the zero one.
func orNone[T comparable](value T) any {
	var zero T
	if value == zero {
		return nil
	}
	return value
}

// instantOrNone is a time, null when it is not known.
func instantOrNone(at hit.Instant) any {
	if at == 0 {
		return nil
	}
	return at.Time()
}

// numberOrNone reads a decimal; empty text is null.
func numberOrNone(text string) (any, error) {
	if text == "" {
		return nil, nil
	}
	var n pgtype.Numeric
	if err := n.Scan(text); err != nil {
		return nil, fmt.Errorf("%q is no decimal: %w", text, err)
	}
	return n, nil
}

// numbers reads decimals; none at all is null.
func numbers(texts []string) (any, error) {
	if texts == nil {
		return nil, nil
	}
	list := make([]pgtype.Numeric, len(texts))
	for i, text := range texts {
		if err := list[i].Scan(text); err != nil {
			return nil, fmt.Errorf("%q is no decimal: %w", text, err)
		}
	}
	return list, nil
}
