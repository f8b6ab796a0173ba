package comparison_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/internal/deptest"
)

func TestReadRows_keepsWhatDiffers(t *testing.T) {
	t.Parallel()
	rows, err := comparison.ReadRows(comparison.Links, []byte(`[
		{"before": {"workspace_id": "w", "identity_version": 1, "a": "A", "b": "B", "trust": 1, "state": "joined"},
		 "after": {"workspace_id": "w", "identity_version": 2, "a": "A", "b": "B", "trust": 2, "state": "joined"}},
		{"before": null, "after": {"identity_version": 2, "a": "A", "b": "C", "trust": 3, "state": "shared"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"key":{"a":"A","b":"B"},"before":{"trust":1},"after":{"trust":2}},` +
		`{"key":{"a":"A","b":"C"},"before":null,"after":{"state":"shared","trust":3}}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
	if _, err := comparison.ReadRows(comparison.Links, []byte(`{}`)); err == nil {
		t.Error("read what is no list")
	}
}

// Values are written as everywhere in the REST API, and none loses a digit.
func TestReadRows_shapesValues(t *testing.T) {
	t.Parallel()
	rows, err := comparison.ReadRows(comparison.Conversions, []byte(`[{"before": {"definition": "purchase", "conversion_id": "order:1", "value": 10.00, "event_at": "2026-05-04T14:00:00.5+02:00",
		"event_name": "2026-05-04T14:00:00Z", "credits": [{"weights": [500000000000, 1, 1000000000000, 0], "credited": [9007199254740993.10, null], "lag_us": 12}]}, "after": null}]`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	want := `[{"key":{"conversion_id":"order:1","definition":"purchase"},"before":{"credits":[{"credited":["9007199254740993.10",null],"lag_us":12,` +
		`"weights":[0.5,0.000000000001,1,0]}],"event_at":"2026-05-04T12:00:00.500000Z","event_name":"2026-05-04T14:00:00Z","value":"10.00"},"after":null}]`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Error(diff)
	}
}

func TestComparison_text(t *testing.T) {
	t.Parallel()
	nok := "NOK"
	c := comparison.Comparison{
		Version: 2, Against: 1,
		Credits: []comparison.Credit{
			{
				Model: "linear", Channel: "email", Currency: &nok, Before: comparison.Amount{Conversions: 2, Value: "20.00"}, After: comparison.Amount{Conversions: 1.5, Value: "15.00"},
				Gained: comparison.Amount{Value: "0"}, Lost: comparison.Amount{Conversions: 0.5, Value: "5.00"},
			},
			{Model: "linear", Channel: "sms", Gained: comparison.Amount{Value: "0.00"}, Lost: comparison.Amount{Value: "0"}},
		},
		Moved: []comparison.Moved{{Model: "linear", Amount: comparison.Amount{Conversions: 0.5}}},
	}
	c.Add(comparison.Part{Name: comparison.Messages, Before: 7, After: 7})
	if !c.Equal() {
		t.Error("parts without a difference are not equal")
	}
	c.Add(comparison.Part{Name: comparison.Links, Before: 1, After: 4, OnlyAfter: 3, Changed: 1, Rows: []comparison.Row{
		{
			Key: comparison.Columns{"a": []byte(`"A"`), "b": []byte(`"B"`)}, Before: comparison.Columns{"trust": []byte("1")}, After: comparison.Columns{"trust": []byte("2")},
		},
		{Key: comparison.Columns{"a": []byte(`"A"`), "b": []byte(`"C"`)}, After: comparison.Columns{"trust": []byte("3")}},
		{Key: comparison.Columns{"a": []byte(`"A"`), "b": []byte(`"D"`)}, Before: comparison.Columns{"trust": []byte("3")}},
	}})
	var text strings.Builder
	if err := c.WriteText(&text, 2); err != nil {
		t.Fatal(err)
	}
	want := `           version 1  version 2  only in 1  only in 2  changed
  message          7          7          0          0        0
     link          1          4          0          3        1
link a="A" b="B"
  trust: 1 -> 2
link a="A" b="C"
  only after:  trust=3
  and 2 more of link
linear: email 2 conversions, 20.00 NOK -> 1.5 conversions, 15.00 NOK (gained 0 conversions, 0 NOK, lost 0.5 conversions, 5.00 NOK)
linear: 0.5 conversions moved between channels of one conversion
`
	if diff := cmp.Diff(want, text.String()); diff != "" || c.Differences != 4 {
		t.Errorf("%d differences:\n%s", c.Differences, diff)
	}
}

func TestTime_isWrittenInMicroseconds(t *testing.T) {
	t.Parallel()
	at := comparison.Time{Time: time.Date(2026, 5, 4, 14, 0, 0, 0, time.FixedZone("", 7200))}
	text, err := json.Marshal(at)
	if err != nil || string(text) != `"2026-05-04T12:00:00.000000Z"` {
		t.Errorf("%s, %v", text, err)
	}
	var back comparison.Time
	if err := json.Unmarshal(text, &back); err != nil || !back.Equal(at.Time) {
		t.Errorf("%v, %v", back, err)
	}
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"comparison is what two versions say otherwise: it is told by whoever has it, and so knows neither database nor wire"))
}
