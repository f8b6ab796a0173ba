package timeline_test

import (
	"cmp"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/historytest"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// The reference holds against every world's expected table, and against the product
// row for row.
func TestReference_Worlds(t *testing.T) {
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
			rows := reftest.Table(in.Workspace, in.Currency, in.Policy, in.Facts)
			w.compareRows(t, worldRows(rows))
			if diff := gocmp.Diff(sortedRows(rows), productRows(timeline.Derive(in))); diff != "" {
				t.Errorf("reference (-) and product (+) differ:\n%s", diff)
			}
		})
	}
}

// Reference and product agree also where links are visited by programs, where a click
// names its message, and where send responses say who a message went to; each of these
// changes some table.
func TestReference_MachinesAndResponses(t *testing.T) {
	t.Parallel()
	agents := []string{
		"", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "WhatsApp/2.23.20.0 A", "curl/8.5.0",
		"Mozilla/5.0 (Linux; Android 4.2.2; CUBOT C9+ Build/JDQ39) Chrome/31.0 Mobile", "a Viber", "SSL Labs", "new thing (+https://new.example/)",
	}
	changed := map[string]int{}
	for seed := range 60 {
		h := reftest.Histories().Example(seed)
		plain := sortedRows(productRows(timeline.Derive(historyInput(&h))))
		var responses []hit.Fact
		for i := range h.Facts {
			f := &h.Facts[i]
			if f.Kind == hit.KindMessage && i%2 == 0 {
				id := hit.Identifier{Kind: hit.BSUID, Value: fmt.Sprintf("NO.%d", i%3+1)}
				responses = append(responses, hit.Fact{
					Kind: hit.KindIdentify, Source: f.Source, Trust: hit.TrustServer, Channel: f.Channel, ID: "response " + f.ID, At: f.At,
					Identifiers: []hit.Identifier{id}, Identify: &hit.Identify{Call: "send_response", Message: f.ID},
				})
			}
		}
		facts := slices.Clone(h.Facts)
		for how, change := range map[string]func(){
			"agents": func() {
				for i, n := 0, seed; i < len(facts); i++ {
					if f := &facts[i]; f.Click != nil {
						click := *f.Click
						click.Agent, n = agents[n%len(agents)], n+1
						f.Click = &click
					}
				}
			},
			"named messages": func() {
				for i := range facts {
					if f := &facts[i]; f.Click != nil {
						f.Click = &hit.Click{Message: fmt.Sprintf("m%d", i%5+1)}
					}
				}
			},
			"responses": func() { facts = append(facts, responses...) },
		} {
			facts = slices.Clone(h.Facts)
			change()
			other := reftest.History{Policy: h.Policy, Facts: facts}
			if diff := compareHistory(&other); diff != "" {
				t.Errorf("seed %d, %s: reference (-) and product (+) differ:\n%s", seed, how, diff)
			}
			if !slices.Equal(plain, sortedRows(productRows(timeline.Derive(historyInput(&other))))) {
				changed[how]++
			}
		}
	}
	for _, how := range []string{"agents", "named messages", "responses"} {
		t.Logf("%-15s change %d of 60 tables", how, changed[how])
		if changed[how] == 0 {
			t.Errorf("%s change no table", how)
		}
	}
}

// sortedRows puts rows in an order of their own.
func sortedRows(rows []reftest.Row) []reftest.Row {
	slices.SortFunc(rows, func(a, b reftest.Row) int {
		return cmp.Or(strings.Compare(a.Definition, b.Definition), strings.Compare(a.ConversionID, b.ConversionID),
			strings.Compare(a.Model, b.Model), strings.Compare(a.Channel, b.Channel), strings.Compare(a.TouchKey, b.TouchKey),
			cmp.Compare(a.TouchAt, b.TouchAt), strings.Compare(a.Credited, b.Credited), strings.Compare(a.Person.String(), b.Person.String()),
			strings.Compare(a.Weight, b.Weight), strings.Compare(a.Currency, b.Currency), strings.Compare(a.Event, b.Event),
			cmp.Compare(fmt.Sprint(a.InThread), fmt.Sprint(b.InThread)))
	})
	return rows
}

// productRows are the rows of an outcome.
func productRows(out timeline.Outcome) []reftest.Row { return sortedRows(historytest.Rows(out)) }

// worldRows turns rows into what worlds compare.
func worldRows(rows []reftest.Row) []row {
	all := make([]row, 0, len(rows))
	for _, r := range rows {
		parts, ok := new(big.Rat).SetString(r.Weight)
		if !ok {
			parts = new(big.Rat) // no weight is 0: the comparison fails
		}
		weight, _ := parts.Quo(parts, big.NewRat(credit.Whole, 1)).Float64()
		x := row{
			Conversion: r.Definition, ConversionID: r.ConversionID, Event: r.Event, InThread: r.InThread,
			Model: r.Model, Channel: r.Channel, Weight: weight,
		}
		if r.TouchKey != "" {
			at := int64(r.TouchAt)
			x.TouchKey, x.Tier, x.TouchAt = &r.TouchKey, &r.Tier, &at
		}
		if amount, ok := new(big.Rat).SetString(r.Credited); ok {
			digits, _ := amount.FloatPrec()
			text := amount.FloatString(digits)
			x.Credited, x.Currency = &text, &r.Currency
		}
		all = append(all, x)
	}
	return all
}
