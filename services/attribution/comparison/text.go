package comparison

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// WriteText tells c to people: the parts, the first rows that differ, and which
// channels gained and lost. rows bounds the rows shown of each part.
func (c *Comparison) WriteText(w io.Writer, rows int) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "\tversion %d\tversion %d\tonly in %d\tonly in %d\tchanged\t\n", c.Against, c.Version, c.Against, c.Version)
	for _, p := range c.Parts {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d\t%d\t\n", p.Name, p.Before, p.After, p.OnlyBefore, p.OnlyAfter, p.Changed)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if c.Equal() {
		return nil
	}
	var text strings.Builder
	for _, p := range c.Parts {
		p.write(&text, rows)
	}
	c.writeCredits(&text)
	_, err := io.WriteString(w, text.String())
	return err
}

func (p Part) write(w *strings.Builder, most int) {
	for i, row := range p.Rows {
		if i == most {
			break
		}
		fmt.Fprintf(w, "%s %s\n", p.Name, row.Key.text(keys(p.Name)))
		switch {
		case row.Before == nil:
			fmt.Fprintf(w, "  only after:  %s\n", row.After.text(nil))
		case row.After == nil:
			fmt.Fprintf(w, "  only before: %s\n", row.Before.text(nil))
		default:
			for _, name := range row.names() {
				fmt.Fprintf(w, "  %s: %s -> %s\n", name, row.Before[name], row.After[name])
			}
		}
	}
	if more := p.Differences() - int64(min(len(p.Rows), most)); more > 0 && p.Differences() > 0 {
		fmt.Fprintf(w, "  and %d more of %s\n", more, p.Name)
	}
}

// names are the columns of either side, sorted.
func (r Row) names() []string {
	names := r.After.names()
	for name := range r.Before {
		if _, both := r.After[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func (c Columns) names() []string {
	names := make([]string, 0, len(c))
	for name := range c {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// text is c in the order of names, or sorted.
func (c Columns) text(names []string) string {
	if names == nil {
		names = c.names()
	}
	words := make([]string, len(names))
	for i, name := range names {
		words[i] = name + "=" + string(c[name])
	}
	return strings.Join(words, " ")
}

func (c *Comparison) writeCredits(w *strings.Builder) {
	for _, credit := range c.Credits {
		if credit.Gained.zero() && credit.Lost.zero() {
			continue
		}
		fmt.Fprintf(w, "%s: %s %s -> %s (gained %s, lost %s)\n", credit.Model, credit.Channel,
			credit.Before.text(credit.Currency), credit.After.text(credit.Currency), credit.Gained.text(credit.Currency), credit.Lost.text(credit.Currency))
	}
	for _, m := range c.Moved {
		fmt.Fprintf(w, "%s: %s moved between channels of one conversion\n", m.Model, m.text(m.Currency))
	}
}

// zero says so of "0.00" too.
func (a Amount) zero() bool { return a.Conversions == 0 && strings.Trim(a.Value, "0.") == "" }

func (a Amount) text(currency *string) string {
	if currency == nil {
		return fmt.Sprintf("%.6g conversions", a.Conversions)
	}
	return fmt.Sprintf("%.6g conversions, %s %s", a.Conversions, a.Value, *currency)
}
