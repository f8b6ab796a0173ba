package row

import (
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

type csvWriter struct{ csv *csv.Writer }

func (c *csvWriter) Write(rows []Row) error {
	for i := range rows {
		if err := c.csv.Write(cells(&rows[i])); err != nil {
			return fmt.Errorf("write row as CSV: %w", err)
		}
	}
	c.csv.Flush()
	return c.csv.Error()
}

func (c *csvWriter) Close() error {
	c.csv.Flush()
	return c.csv.Error()
}

func columns() []string {
	return []string{
		"id", "conversion", "conversion_id", "event_id", "event", "in_thread", "event_at", "order_id", "value", "currency",
		"model", "weight", "credited_value", "channel", "tier", "touch_key", "touch_at", "window_seconds", "lag_seconds",
		"message_id", "template_name", "template_language", "campaign", "variant", "sent_at", "delivered_at", "read_at",
		"clicked_at", "replied_at", "failed_at", "person_id", "phone", "policy_version",
	}
}

// cells returns the row in the order of columns. Only text that somebody else chose
// is defused: numbers stay numbers, also negative ones.
func cells(r *Row) []string {
	return []string{
		r.ID.String(), Defuse(r.Conversion), Defuse(r.ConversionID), Defuse(r.EventID), Defuse(r.Event),
		strconv.FormatBool(r.InThread), r.EventAt.String(), defused(r.OrderID), plain(r.Value), plain(r.Currency),
		r.Model, r.Weight.String(), plain(r.CreditedValue), Defuse(r.Channel), plain(r.Tier), defused(r.TouchKey),
		printed(r.TouchAt), printedInt(r.WindowSeconds), printed(r.LagSeconds),
		defused(r.MessageID), defused(r.TemplateName), defused(r.TemplateLanguage), defused(r.Campaign), defused(r.Variant),
		printed(r.SentAt), printed(r.DeliveredAt), printed(r.ReadAt), printed(r.ClickedAt), printed(r.RepliedAt), printed(r.FailedAt),
		printed(r.PersonID), defused(r.Phone), strconv.Itoa(r.PolicyVersion),
	}
}

func plain(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

func defused(text *string) string { return Defuse(plain(text)) }

func printed[T fmt.Stringer](value *T) string {
	if value == nil {
		return ""
	}
	return (*value).String()
}

func printedInt(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

// Defuse puts an apostrophe before text that a spreadsheet would run as a formula:
// whose first character, as it stands or after spaces, invisible characters and
// apostrophes of its own, is one of = + - @ (also full-width), a tab or a line break.
func Defuse(text string) string {
	if text == "" {
		return text
	}
	if strings.ContainsRune("=+-@\t\r\n＝＋－＠", firstRune(text)) {
		return "'" + text
	}
	rest := strings.TrimLeftFunc(text, func(r rune) bool {
		return r <= ' ' || r == 0x85 || r == 0xA0 || r == 0xAD || r == 0x3000 || r == 0xFEFF || r == 0x2060 || r >= 0x2000 && r <= 0x200F || r == 0x202F || r == 0x205F
	})
	if rest != "" && strings.ContainsRune("=+-@＝＋－＠", firstRune(rest)) {
		return "'" + text
	}
	return text
}

func firstRune(text string) rune {
	for _, r := range text {
		return r
	}
	return 0
}
