package timeline_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/timeline"
)

// worlds is where the conformance worlds lie, seen from this package.
const worlds = "../../e2e/conformance/worlds"

// world is a conformance world: a policy, facts and the rows that must follow.
type world struct {
	Name     string          `json:"name"`
	Policy   json.RawMessage `json:"policy"`
	Facts    []wireFact      `json:"facts"`
	Expected []row           `json:"expected"`
}

// row is a row of the attribution table as far as worlds compare it.
type row struct {
	Conversion   string  `json:"conversion"`
	ConversionID string  `json:"conversion_id"`
	Event        string  `json:"event"`
	InThread     bool    `json:"in_thread"`
	Model        string  `json:"model"`
	TouchKey     *string `json:"touch_key"`
	Channel      string  `json:"channel"`
	Tier         *string `json:"tier"`
	TouchAt      *int64  `json:"touch_at"`
	Weight       float64 `json:"weight"`
	Credited     *string `json:"credited_value"`
	Currency     *string `json:"currency"`
}

func (r row) key() string {
	return strings.Join([]string{r.Conversion, r.ConversionID, r.Model, text(r.TouchKey)}, " | ")
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func TestDerive_Worlds(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(worlds, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds in %s: %v", worlds, err)
	}
	for _, file := range files {
		w := readWorld(t, file)
		t.Run(w.Name, func(t *testing.T) {
			t.Parallel()
			in := w.input(t)
			first := timeline.Derive(in)
			w.compare(t, first)
			for seed := range uint64(5) {
				shuffled := in
				shuffled.Facts = permute(in.Facts, seed)
				if diff := differ(first, timeline.Derive(shuffled)); diff != "" {
					t.Fatalf("seed %d: another order, another outcome:\n%s", seed, diff)
				}
			}
		})
	}
}

// differ is cmp.Diff for outcomes that almost always agree: comparing is cheap.
func differ(a, b timeline.Outcome) string {
	if reflect.DeepEqual(a, b) {
		return ""
	}
	return gocmp.Diff(a, b)
}

func readWorld(t *testing.T, file string) world {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var w world
	if err := json.Unmarshal(raw, &w); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return w
}

// input maps the world to what the services would have stored of it.
func (w *world) input(t *testing.T) timeline.Input {
	t.Helper()
	p, faults, err := policy.Parse(w.Policy)
	if err != nil || len(faults) > 0 {
		t.Fatalf("policy: %v %v", err, faults)
	}
	in := timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &p}
	for i := range w.Facts {
		f, err := w.Facts[i].fact()
		if err != nil {
			t.Fatalf("fact %d: %v", i, err)
		}
		in.Facts = append(in.Facts, f)
	}
	return in
}

// compare holds an outcome against the expected rows as run.py does.
func (w *world) compare(t *testing.T, out timeline.Outcome) {
	t.Helper()
	w.compareRows(t, rowsOf(out.Conversions))
}

func (w *world) compareRows(t *testing.T, rows []row) {
	t.Helper()
	want, got := map[string]row{}, map[string]row{}
	for _, r := range w.Expected {
		want[r.key()] = r
	}
	for _, r := range rows {
		if _, twice := got[r.key()]; twice {
			t.Errorf("two rows of %s", r.key())
		}
		got[r.key()] = r
	}
	for key, g := range got {
		if _, ok := want[key]; !ok {
			t.Errorf("unexpected row %s: %s", key, show(g))
		}
	}
	for key, x := range want {
		g, ok := got[key]
		if !ok {
			t.Errorf("missing row %s: %s", key, show(x))
			continue
		}
		if problem := x.differs(g); problem != "" {
			t.Errorf("row %s: %s\n got %s\nwant %s", key, problem, show(g), show(x))
		}
	}
}

func show(r row) string {
	raw, err := json.Marshal(r)
	return fmt.Sprint(string(raw), err)
}

// differs names the first field in which got is not what is wanted.
func (r row) differs(got row) string {
	switch {
	case r.Event != got.Event:
		return "event"
	case r.InThread != got.InThread:
		return "in_thread"
	case r.Channel != got.Channel:
		return "channel"
	case text(r.Tier) != text(got.Tier):
		return "tier"
	case text(r.Currency) != text(got.Currency):
		return "currency"
	case (r.TouchAt == nil) != (got.TouchAt == nil) || r.TouchAt != nil && *r.TouchAt != *got.TouchAt:
		return "touch_at"
	case math.Abs(r.Weight-got.Weight) > 1e-6:
		return "weight"
	case (r.Credited == nil) != (got.Credited == nil):
		return "credited_value"
	case r.Credited != nil && !r.near(*got.Credited):
		return "credited_value"
	}
	return ""
}

// near compares amounts exactly; under time_decay a tie of the expected table's
// floats may have fallen either way.
func (r row) near(credited string) bool {
	want, _, errWant := apd.NewFromString(*r.Credited)
	got, _, errGot := apd.NewFromString(credited)
	if errWant != nil || errGot != nil {
		return false
	}
	slack := apd.New(0, 0)
	if r.Model == policy.TimeDecay {
		slack = apd.New(1, want.Exponent)
	}
	difference := conversion.Subtract(want, got)
	return difference.Abs(difference).Cmp(slack) <= 0
}

// rowsOf spreads conversions into the rows of the table.
func rowsOf(conversions []credit.Conversion) []row {
	var rows []row
	for i := range conversions {
		c := &conversions[i]
		for j := range c.Credits {
			for m := range c.Models {
				if c.Credits[j].Weights[m] != 0 {
					rows = append(rows, rowOf(c, &c.Credits[j], m))
				}
			}
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Compare(a.key(), b.key()) })
	return rows
}

func rowOf(c *credit.Conversion, k *credit.Credit, m int) row {
	r := row{
		Conversion: c.Definition, ConversionID: c.ID, Event: c.EventName, InThread: c.InThread, Model: c.Models[m],
		Channel: k.Channel, Weight: float64(k.Weights[m]) / float64(credit.Whole),
	}
	if k.TouchKey != "" {
		at := int64(k.TouchAt)
		r.TouchKey, r.Tier, r.TouchAt = &k.TouchKey, &k.Tier, &at
	}
	if c.Value != "" {
		r.Credited, r.Currency = &k.Credited[m], &c.Currency
	}
	return r
}
