package historytest

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
)

// Rows spreads what the product concluded into rows, in no order.
func Rows(out timeline.Outcome) []reftest.Row {
	var rows []reftest.Row
	for i := range out.Conversions {
		rows = append(rows, rowsOf(&out.Conversions[i])...)
	}
	return rows
}

// rowsOf are a conversion's rows: of each model, every touchpoint that earns something.
func rowsOf(c *credit.Conversion) []reftest.Row {
	var rows []reftest.Row
	for j := range c.Credits {
		for m := range c.Models {
			if c.Credits[j].Weights[m] != 0 {
				rows = append(rows, rowOf(c, &c.Credits[j], m))
			}
		}
	}
	return rows
}

// rowOf is the row of a credit under its m-th model.
func rowOf(c *credit.Conversion, k *credit.Credit, m int) reftest.Row {
	// The contract lets two refunds of one event id (of two orders, or from two sources)
	// have one conversion id; the product numbers the second so that rows have keys.
	id, _, _ := strings.Cut(c.ID, "#")
	r := reftest.Row{
		Definition: c.Definition, ConversionID: id, Event: c.EventName, Model: c.Models[m], InThread: c.InThread,
		Channel: k.Channel, Tier: k.Tier, TouchKey: k.TouchKey, TouchAt: k.TouchAt, Weight: strconv.FormatInt(k.Weights[m], 10),
		Person: c.Person,
	}
	if c.Value != "" {
		r.Currency, r.Credited = c.Currency, "not a number: "+k.Credited[m]
		if amount, ok := new(big.Rat).SetString(k.Credited[m]); ok {
			r.Credited = amount.RatString()
		}
	}
	return r
}
