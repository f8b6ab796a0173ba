package row

import (
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"
)

// parquetRow is a [Row] in the types of Parquet. Amounts stay text: a file has one
// scale for a decimal column, currencies have several.
type parquetRow struct {
	ID               string   `parquet:"id"`
	Conversion       string   `parquet:"conversion,dict"`
	ConversionID     string   `parquet:"conversion_id"`
	EventID          string   `parquet:"event_id"`
	Event            string   `parquet:"event,dict"`
	InThread         bool     `parquet:"in_thread"`
	EventAt          int64    `parquet:"event_at,timestamp(microsecond)"`
	OrderID          *string  `parquet:"order_id,optional"`
	Value            *string  `parquet:"value,optional"`
	Currency         *string  `parquet:"currency,optional,dict"`
	Model            string   `parquet:"model,dict"`
	Weight           float64  `parquet:"weight"`
	CreditedValue    *string  `parquet:"credited_value,optional"`
	Channel          string   `parquet:"channel,dict"`
	Tier             *string  `parquet:"tier,optional,dict"`
	TouchKey         *string  `parquet:"touch_key,optional"`
	TouchAt          *int64   `parquet:"touch_at,optional,timestamp(microsecond)"`
	WindowSeconds    *int64   `parquet:"window_seconds,optional"`
	LagSeconds       *float64 `parquet:"lag_seconds,optional"`
	MessageID        *string  `parquet:"message_id,optional"`
	TemplateName     *string  `parquet:"template_name,optional,dict"`
	TemplateLanguage *string  `parquet:"template_language,optional,dict"`
	Campaign         *string  `parquet:"campaign,optional,dict"`
	Variant          *string  `parquet:"variant,optional,dict"`
	SentAt           *int64   `parquet:"sent_at,optional,timestamp(microsecond)"`
	DeliveredAt      *int64   `parquet:"delivered_at,optional,timestamp(microsecond)"`
	ReadAt           *int64   `parquet:"read_at,optional,timestamp(microsecond)"`
	ClickedAt        *int64   `parquet:"clicked_at,optional,timestamp(microsecond)"`
	RepliedAt        *int64   `parquet:"replied_at,optional,timestamp(microsecond)"`
	FailedAt         *int64   `parquet:"failed_at,optional,timestamp(microsecond)"`
	PersonID         *string  `parquet:"person_id,optional"`
	Phone            *string  `parquet:"phone,optional"`
	PolicyVersion    int32    `parquet:"policy_version"`
}

// parquetGroup bounds what a Parquet writer keeps in memory: rows of a row group. A
// guess; 20,000 rows are some 10 MB before compression.
const parquetGroup = 20_000

type parquetWriter struct {
	parquet *parquet.GenericWriter[parquetRow]
}

func (p *parquetWriter) Write(rows []Row) error {
	converted := make([]parquetRow, len(rows))
	for i := range rows {
		converted[i] = toParquet(&rows[i])
	}
	if _, err := p.parquet.Write(converted); err != nil {
		return fmt.Errorf("write rows as Parquet: %w", err)
	}
	return nil
}

func (p *parquetWriter) Close() error { return p.parquet.Close() }

func toParquet(r *Row) parquetRow {
	return parquetRow{
		ID: r.ID.String(), Conversion: r.Conversion, ConversionID: r.ConversionID, EventID: r.EventID, Event: r.Event,
		InThread: r.InThread, EventAt: r.EventAt.UnixMicro(), OrderID: r.OrderID, Value: r.Value, Currency: r.Currency,
		Model: r.Model, Weight: float64(r.Weight) / whole, CreditedValue: r.CreditedValue, Channel: r.Channel, Tier: r.Tier,
		TouchKey: r.TouchKey, TouchAt: micros(r.TouchAt), WindowSeconds: r.WindowSeconds, LagSeconds: seconds(r.LagSeconds),
		MessageID: r.MessageID, TemplateName: r.TemplateName, TemplateLanguage: r.TemplateLanguage,
		Campaign: r.Campaign, Variant: r.Variant,
		SentAt: micros(r.SentAt), DeliveredAt: micros(r.DeliveredAt), ReadAt: micros(r.ReadAt),
		ClickedAt: micros(r.ClickedAt), RepliedAt: micros(r.RepliedAt), FailedAt: micros(r.FailedAt),
		PersonID: text(r.PersonID), Phone: r.Phone, PolicyVersion: int32(r.PolicyVersion),
	}
}

func micros(i *Instant) *int64 {
	if i == nil {
		return nil
	}
	n := i.UnixMicro()
	return &n
}

func seconds(l *Lag) *float64 {
	if l == nil {
		return nil
	}
	s := time.Duration(*l * 1000).Seconds()
	return &s
}

func text(id *uuid.UUID) *string {
	if id == nil {
		return nil
	}
	s := id.String()
	return &s
}
