package derive

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// Bucket is the width of a rollup's time buckets: 15 minutes, so that days in
// half-hour and quarter-hour time zones are sums of whole buckets.
const Bucket = 15 * time.Minute

// bucketOf is the start, inclusive, of the bucket that holds at.
func bucketOf(at hit.Instant) time.Time { return at.Time().Truncate(Bucket) }

// CreditKey is what credits are summed over. Empty text stands for none.
type CreditKey struct {
	Bucket           time.Time // of the conversion's time
	Model            string
	Definition       string
	Channel          string
	Tier             string
	Campaign         string
	TemplateName     string
	TemplateLanguage string
	Variant          string
	Currency         string
}

// CreditSum is a difference to put on a rollup's row.
type CreditSum struct {
	CreditKey
	Touches  int64
	Weight   *big.Int    // parts of credit.Whole
	Credited apd.Decimal // in the key's currency
}

// creditSums takes off what replaced rows had put on and puts on what the new ones
// do, in a fixed order of keys.
func creditSums(replaced []ConversionRow, old map[ConversionKey][]credit.Credit, insert []ConversionChange) []CreditSum {
	sums := make(map[CreditKey]*CreditSum)
	for _, row := range replaced {
		c := credit.Conversion{
			Definition: row.Key.Definition, EventAt: row.EventAt, Currency: row.Currency, Models: row.Models, Credits: old[row.Key],
		}
		addCredits(sums, c, -1)
	}
	for _, change := range insert {
		addCredits(sums, change.Conversion, 1)
	}
	list := make([]CreditSum, 0, len(sums))
	for _, s := range sums {
		if s.Touches != 0 || s.Weight.Sign() != 0 || !s.Credited.IsZero() {
			list = append(list, *s)
		}
	}
	slices.SortFunc(list, func(a, b CreditSum) int { return a.compare(&b.CreditKey) })
	return list
}

func addCredits(sums map[CreditKey]*CreditSum, c credit.Conversion, sign int64) {
	for _, touchpoint := range c.Credits {
		for m, model := range c.Models {
			if touchpoint.Weights[m] == 0 {
				continue
			}
			key := CreditKey{
				Bucket: bucketOf(c.EventAt), Model: model, Definition: c.Definition, Channel: touchpoint.Channel, Tier: touchpoint.Tier,
				Campaign: touchpoint.Campaign, TemplateName: touchpoint.TemplateName, TemplateLanguage: touchpoint.TemplateLanguage,
				Variant: touchpoint.Variant, Currency: c.Currency,
			}
			sum := sums[key]
			if sum == nil {
				sum = &CreditSum{CreditKey: key, Weight: new(big.Int)}
				sums[key] = sum
			}
			sum.Touches += sign
			sum.Weight.Add(sum.Weight, big.NewInt(sign*touchpoint.Weights[m]))
			if touchpoint.Credited != nil {
				sum.addMoney(touchpoint.Credited[m], sign)
			}
		}
	}
}

// exact has digits to spare for every sum that fits into a rollup: amounts are
// limited to far fewer by intake.
var exact = apd.BaseContext.WithPrecision(200)

func (s *CreditSum) addMoney(amount string, sign int64) {
	value, _, err := apd.NewFromString(amount)
	if err != nil { // unreachable: credited amounts are decimals made by package credit or read from a numeric column
		return
	}
	if sign < 0 {
		value.Negative = !value.Negative
	}
	if _, err := exact.Add(&s.Credited, &s.Credited, value); err != nil {
		return // unreachable at this precision
	}
}

// compare orders rows the same way in every process, so that upserts of two of them can't
// deadlock.
func (k *CreditKey) compare(o *CreditKey) int {
	return cmp.Or(
		k.Bucket.Compare(o.Bucket), cmp.Compare(k.Model, o.Model), cmp.Compare(k.Definition, o.Definition), cmp.Compare(k.Channel, o.Channel),
		cmp.Compare(k.Tier, o.Tier), cmp.Compare(k.Campaign, o.Campaign), cmp.Compare(k.TemplateName, o.TemplateName),
		cmp.Compare(k.TemplateLanguage, o.TemplateLanguage), cmp.Compare(k.Variant, o.Variant), cmp.Compare(k.Currency, o.Currency),
	)
}

// MessageKey is what messages are summed over. Empty text stands for none.
type MessageKey struct {
	Bucket           time.Time // of the earliest time known of the message
	Channel          string
	TemplateName     string
	TemplateLanguage string
	Campaign         string
	Variant          string
}

// MessageCounts are numbers of messages.
type MessageCounts struct {
	Messages, Unregistered, Unaddressed             int64
	Sent, Delivered, Read, Clicked, Replied, Failed int64
}

// MessageSum is a difference to put on a rollup's row.
type MessageSum struct {
	MessageKey
	MessageCounts
}

// messageSums is the difference between what old and now put into the rollups.
func messageSums(old, now []touch.Message) []MessageSum {
	sums := make(map[MessageKey]MessageCounts)
	for _, m := range old {
		addMessage(sums, m, -1)
	}
	for _, m := range now {
		addMessage(sums, m, 1)
	}
	var list []MessageSum
	for key, counts := range sums {
		if counts != (MessageCounts{}) {
			list = append(list, MessageSum{key, counts})
		}
	}
	slices.SortFunc(list, func(a, b MessageSum) int { return a.compare(&b.MessageKey) })
	return list
}

func addMessage(sums map[MessageKey]MessageCounts, m touch.Message, sign int64) {
	key := MessageKey{Bucket: bucketOf(firstTime(m.Times)), Channel: m.Channel, Campaign: m.Campaign, Variant: m.Variant}
	if m.Template != nil {
		key.TemplateName, key.TemplateLanguage = m.Template.Name, m.Template.Language
	}
	counts := sums[key]
	counts.Messages += sign
	for _, counted := range []struct {
		column *int64
		when   bool
	}{
		{&counts.Unregistered, !m.Registered},
		{&counts.Unaddressed, m.Person == uuid.Nil},
		{&counts.Sent, m.SentAt != 0},
		{&counts.Delivered, m.DeliveredAt != 0},
		{&counts.Read, m.ReadAt != 0},
		{&counts.Clicked, m.ClickedAt != 0},
		{&counts.Replied, m.RepliedAt != 0},
		{&counts.Failed, m.FailedAt != 0},
	} {
		if counted.when {
			*counted.column += sign
		}
	}
	sums[key] = counts
}

// firstTime is the earliest time known; the start of 1970 when there is none.
func firstTime(t touch.Times) hit.Instant {
	var first hit.Instant
	for _, at := range []hit.Instant{t.SentAt, t.DeliveredAt, t.ReadAt, t.ClickedAt, t.RepliedAt, t.FailedAt} {
		if at != 0 && (first == 0 || at < first) {
			first = at
		}
	}
	return first
}

// compare is as that of [CreditKey].
func (k *MessageKey) compare(o *MessageKey) int {
	return cmp.Or(
		k.Bucket.Compare(o.Bucket), cmp.Compare(k.Channel, o.Channel), cmp.Compare(k.TemplateName, o.TemplateName),
		cmp.Compare(k.TemplateLanguage, o.TemplateLanguage), cmp.Compare(k.Campaign, o.Campaign), cmp.Compare(k.Variant, o.Variant),
	)
}
