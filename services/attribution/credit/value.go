package credit

import (
	"github.com/cockroachdb/apd/v3"

	"github.com/touchline/touchline/services/attribution/conversion"
)

// setValue splits a value by the weights of each model; nil is none.
func (row *Conversion) setValue(value *apd.Decimal, currency string, s *scratch) {
	if value == nil {
		return
	}
	row.Currency = currency
	a, ok := amountOf(value, currency)
	if !ok {
		row.setExactValue(value)
		return
	}
	s.begin(a)
	for m := range row.Models {
		weights := row.weights(m, s) // makes room for the parts
		parts := s.parts[:len(row.Credits)]
		a.split(weights, parts, s)
		for _, units := range parts {
			s.write(a.part(units))
		}
	}
	row.take(s)
}

// setRefund sets the differences between the splits of what is left after and before a
// refund.
func (row *Conversion) setRefund(r *conversion.Refund, currency string, s *scratch) {
	row.Currency = currency
	after, fine := amountOf(r.After, currency)
	before, okay := amountOf(r.Before, currency)
	total, ok := after.minus(before, currency)
	if !fine || !okay || !ok {
		row.setExactRefund(r)
		return
	}
	s.begin(total)
	for m := range row.Models {
		weights := row.weights(m, s) // makes room for both
		left, were := s.shares[:len(row.Credits)], s.parts[:len(row.Credits)]
		after.split(weights, left, s)
		before.split(weights, were, s)
		for i := range left {
			// No part is larger than its whole, of which the difference fits.
			part, _ := after.part(left[i]).minus(before.part(were[i]), currency)
			s.write(part)
		}
	}
	row.take(s)
}

// weights returns the weights of all credits under one model.
func (row *Conversion) weights(model int, s *scratch) []uint64 {
	s.grow(len(row.Credits))
	weights := s.weights[:len(row.Credits)]
	for i := range weights {
		weights[i] = uint64(row.Credits[i].Weights[model])
	}
	return weights
}

// begin starts a list of amounts with the whole.
func (s *scratch) begin(whole amount) {
	s.text, s.ends = s.text[:0], s.ends[:0]
	s.write(whole)
}

func (s *scratch) write(a amount) {
	s.text = a.append(s.text)
	s.ends = append(s.ends, len(s.text))
}

// take sets the row's amounts from the list: the whole, then model by model those of
// all credits. They are parts of one text.
func (row *Conversion) take(s *scratch) {
	text, models := string(s.text), len(row.Models)
	row.Value = text[:s.ends[0]]
	all := make([]string, models*len(row.Credits))
	for i := range row.Credits {
		row.Credits[i].Credited = all[i*models : (i+1)*models : (i+1)*models]
		for m := range models {
			k := m*len(row.Credits) + i
			row.Credits[i].Credited[m] = text[s.ends[k]:s.ends[k+1]]
		}
	}
}
