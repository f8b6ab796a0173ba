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
