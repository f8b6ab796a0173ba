package derive

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

func conversionOf(id, value string) credit.Conversion {
	return credit.Conversion{
		Definition: "purchase", ID: id, Value: value, Currency: "NOK", Models: []string{"linear"}, EventAt: 1_788_000_000_000_000,
		Credits: []credit.Credit{{Channel: "email", Tier: "click", TouchKey: "m1", Weights: []int64{credit.Whole}, Credited: []string{value}}},
	}
}

func rowOf(c credit.Conversion) ConversionRow {
	return ConversionRow{
		Key: ConversionKey{c.Definition, c.ID}, Revision: 1, EventAt: c.EventAt, Currency: c.Currency, Models: c.Models, Hash: hashOf(c),
	}
}

func TestDiff_Conversions(t *testing.T) {
	t.Parallel()
	same, before, after, gone, fresh := conversionOf("same", "1"), conversionOf("changed", "2"), conversionOf("changed", "3"), conversionOf("gone", "4"), conversionOf("new", "5")
	current := Current{Conversions: []ConversionRow{rowOf(same), rowOf(before), rowOf(gone)}}
	changes, replaced := diff(current, timeline.Outcome{Conversions: []credit.Conversion{same, after, fresh}})

	if len(changes.Insert) != 2 || changes.Insert[0].ID != "changed" || changes.Insert[1].ID != "new" {
		t.Errorf("inserted %v, want changed and new", changes.Insert)
	}
	want := []ConversionKey{{"purchase", "changed"}, {"purchase", "gone"}}
	if d := cmp.Diff(want, changes.Supersede); d != "" {
		t.Errorf("superseded (-want +got):\n%s", d)
	}

	old := map[ConversionKey][]credit.Credit{want[0]: before.Credits, want[1]: gone.Credits}
	sums := creditSums(replaced, old, changes.Insert)
	if len(sums) != 1 {
		t.Fatalf("%d sums, want one: all are of one key", len(sums))
	}
	// Two rows went (2 + 4), two came (3 + 5).
	if sums[0].Touches != 0 || sums[0].Weight.Sign() != 0 || sums[0].Credited.Text('f') != "2" {
		t.Errorf("sum = %d touches, %v weight, %s credited; want 0, 0, 2", sums[0].Touches, sums[0].Weight, sums[0].Credited.Text('f'))
	}
}

func TestDiff_EqualWritesNothing(t *testing.T) {
	t.Parallel()
	m := touch.Message{Channel: "sms", ID: "m1", Template: &hit.Template{Name: "spring"}, Cost: &hit.Amount{Amount: "1.50", Currency: "NOK"}}
	again := touch.Message{Channel: "sms", ID: "m1", Template: &hit.Template{Name: "spring"}, Cost: &hit.Amount{Amount: "1.50", Currency: "NOK"}}
	c := conversionOf("c", "1")
	changes, replaced := diff(Current{Conversions: []ConversionRow{rowOf(c)}, Messages: []touch.Message{m}},
		timeline.Outcome{Conversions: []credit.Conversion{c}, Messages: []touch.Message{again}})
	if d := cmp.Diff(Changes{}, changes); d != "" || len(replaced) != 0 {
		t.Errorf("replaced %v and changes:\n%s", replaced, d)
	}
	if sums := messageSums([]touch.Message{m}, []touch.Message{again}); len(sums) != 0 {
		t.Errorf("sums = %v, want none", sums)
	}
}

func TestMessageSums_Move(t *testing.T) {
	t.Parallel()
	before := touch.Message{Channel: "sms", ID: "m1", Times: touch.Times{SentAt: 1_788_000_000_000_000}}
	after := before
	after.Registered, after.Person, after.ReadAt, after.DeliveredAt = true, uuid.New(), before.SentAt+1, before.SentAt+1
	sums := messageSums([]touch.Message{before}, []touch.Message{after})
	want := MessageCounts{Unregistered: -1, Unaddressed: -1, Delivered: 1, Read: 1}
	if len(sums) != 1 || sums[0].MessageCounts != want {
		t.Errorf("sums = %+v, want one of %+v", sums, want)
	}
}

// Applying the differences one after another gives what the last state alone gives.
func TestMessageSums_AddUp(t *testing.T) {
	t.Parallel()
	state := rapid.Custom(func(t *rapid.T) touch.Message {
		m := touch.Message{Channel: "sms", ID: "m", Campaign: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "campaign")}
		m.SentAt = hit.Instant(rapid.Int64Range(1, 4_000_000_000).Draw(t, "sent"))
		m.Registered = rapid.Bool().Draw(t, "registered")
		return m
	})
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(state, 1, 5).Draw(t, "states")
		total := make(map[MessageKey]MessageCounts)
		var before []touch.Message
		for _, s := range states {
			now := []touch.Message{s}
			for _, sum := range messageSums(before, now) {
				counts := total[sum.MessageKey]
				counts.Messages += sum.MessageCounts.Messages
				counts.Unregistered += sum.Unregistered
				counts.Unaddressed += sum.Unaddressed
				counts.Sent += sum.Sent
				total[sum.MessageKey] = counts
			}
			before = now
		}
		for _, sum := range messageSums(nil, before) {
			if total[sum.MessageKey] != sum.MessageCounts {
				t.Fatalf("%+v holds %+v, want %+v", sum.MessageKey, total[sum.MessageKey], sum.MessageCounts)
			}
			delete(total, sum.MessageKey)
		}
		for key, counts := range total {
			if counts != (MessageCounts{}) {
				t.Fatalf("%+v should be empty: %+v", key, counts)
			}
		}
	})
}
