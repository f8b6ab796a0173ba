package credit

import (
	"github.com/touchline/touchline/services/attribution/conversion"
	"github.com/touchline/touchline/services/attribution/policy"
)

// Row is the row of what was found under a conversion id. What does not count has
// neither models nor credits.
func Row(p *policy.Policy, x *Touches, f *conversion.Found) Conversion {
	switch {
	case f.Orphan != nil:
		return Orphan(p, f.Orphan)
	case f.Taken != nil:
		rows := Assign(x, f.Conversion)
		for i := range f.Conversion.Refunds {
			if f.Taken == &f.Conversion.Refunds[i] {
				return rows[i+1]
			}
		}
	case f.Reason == conversion.Counts:
		return Assign(x, f.Conversion)[0]
	}
	return uncounted(f)
}

// uncounted is the row of something without credits, as far as there is one.
func uncounted(f *conversion.Found) Conversion {
	if f.Refund == nil {
		row := outline(nil, f.Conversion.Event.Lead(), f.Conversion.Owner)
		row.Definition, row.ID, row.Flags = f.Definition.Name, f.Conversion.ID, tidy(f.Conversion.Flags)
		if f.Conversion.Value != nil {
			row.Value, row.Currency = Format(f.Conversion.Value, f.Conversion.Currency), f.Conversion.Currency
		}
		return row
	}
	row := outline(nil, f.Refund, conversion.Owner{})
	if f.Conversion != nil {
		row.Person, row.Identified = f.Conversion.Owner.Person, f.Conversion.Owner.Identified
	}
	row.Definition, row.ID, row.Flags, row.Refund = f.Definition.Name, f.Refund.ID, tidy(f.Refund.Fact.Flags), true
	return row
}
