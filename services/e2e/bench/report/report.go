// Package report makes a table of what was measured: medians over the rounds, and the
// ratio of a candidate to its reference, round by round, so that a machine that was slow
// for a while was slow for both.
package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sample is one measurement of one side.
type Sample struct {
	Count float64 // what was done, in the row's unit
	Wall  time.Duration
	CPU   map[string]time.Duration // user and system time by process
	Extra map[string]float64       // what else was measured, by name with unit, like "p99 ms"
}

// Rate is how much was done a second.
func (s *Sample) Rate() float64 {
	if s.Wall <= 0 {
		return 0
	}
	return s.Count / s.Wall.Seconds()
}

// Total is the CPU time of all processes.
func (s *Sample) Total() time.Duration {
	var sum time.Duration
	for _, spent := range s.CPU {
		sum += spent
	}
	return sum
}

// Each is the CPU time for one of what was done, in microseconds. Lower is better.
func (s *Sample) Each() float64 {
	if s.Count == 0 {
		return 0
	}
	return float64(s.Total().Microseconds()) / s.Count
}

// Side is one thing that was measured in every round.
type Side struct {
	Name    string
	Samples []Sample // by round
}

// Row compares a candidate with its reference.
type Row struct {
	Name, Unit string
	Mark       string // of the issue, in words
	Goal       float64
	AtMost     bool // the ratio should not exceed Goal; else not fall below it
	ByCost     bool // the ratio is of CPU time for each, not of rates
	Candidate  *Side
	Reference  *Side   // nil: there is none
	Others     []*Side // measured beside them
	Limits     []Limit
}

// Limit is a mark that is no ratio.
type Limit struct {
	Extra string  // of [Sample.Extra] of the candidate; "rate" is [Sample.Rate]
	Most  float64 // 0: no upper limit
	Least float64
}

// Median is the middle of values, of two the mean. NaN never comes in; none is 0.
func Median(values []float64) float64 {
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	switch n := len(sorted); {
	case n == 0:
		return 0
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}

// median is that of one figure over the rounds of a side.
func (s *Side) median(figure func(*Sample) float64) float64 {
	values := make([]float64, len(s.Samples))
	for i := range s.Samples {
		values[i] = figure(&s.Samples[i])
	}
	return Median(values)
}

// ratio is the median over the rounds of candidate by reference.
func (r *Row) ratio(figure func(*Sample) float64) float64 {
	if r.Reference == nil {
		return 0
	}
	var ratios []float64
	for i := range min(len(r.Candidate.Samples), len(r.Reference.Samples)) {
		if of := figure(&r.Reference.Samples[i]); of != 0 {
			ratios = append(ratios, figure(&r.Candidate.Samples[i])/of)
		}
	}
	return Median(ratios)
}

// Ratio is what the row's goal speaks of.
func (r *Row) Ratio() float64 {
	if r.ByCost {
		return r.ratio((*Sample).Each)
	}
	return r.ratio((*Sample).Rate)
}

// Check is an error unless every side was measured and every figure is a number.
func (r *Row) Check() error {
	sides := append([]*Side{r.Candidate}, r.Others...)
	if r.Reference != nil {
		sides = append(sides, r.Reference)
	}
	for _, s := range sides {
		if len(s.Samples) == 0 {
			return fmt.Errorf("%s: %s was not measured", r.Name, s.Name)
		}
		for i := range s.Samples {
			if s.Samples[i].Rate() <= 0 {
				return fmt.Errorf("%s: %s did nothing in round %d", r.Name, s.Name, i+1)
			}
		}
	}
	if r.Goal != 0 && r.Ratio() <= 0 {
		return fmt.Errorf("%s: there is no ratio", r.Name)
	}
	for _, l := range r.Limits {
		if r.extra(l.Extra) <= 0 {
			return fmt.Errorf("%s: %s was not measured", r.Name, l.Extra)
		}
	}
	return nil
}

func (r *Row) extra(name string) float64 {
	if name == "rate" {
		return r.Candidate.median((*Sample).Rate)
	}
	return r.Candidate.median(func(s *Sample) float64 { return s.Extra[name] })
}

// verdict says whether goal and limits are kept.
func (r *Row) verdict() string {
	var parts []string
	if r.Goal != 0 {
		parts = append(parts, judge(r.Ratio(), Limit{Extra: "ratio", Most: r.when(r.AtMost), Least: r.when(!r.AtMost)}))
	}
	for _, l := range r.Limits {
		parts = append(parts, judge(r.extra(l.Extra), l))
	}
	return strings.Join(parts, "; ")
}

func (r *Row) when(holds bool) float64 {
	if holds {
		return r.Goal
	}
	return 0
}

func judge(figure float64, l Limit) string {
	switch {
	case l.Most != 0 && figure > l.Most:
		return fmt.Sprintf("**missed**: %s %s, at most %s", l.Extra, number(figure), number(l.Most))
	case figure < l.Least:
		return fmt.Sprintf("**missed**: %s %s, at least %s", l.Extra, number(figure), number(l.Least))
	default:
		return fmt.Sprintf("kept: %s %s", l.Extra, number(figure))
	}
}

// number writes three digits that matter, and all of a large whole one.
func number(x float64) string {
	switch {
	case x >= 1000:
		text := fmt.Sprintf("%.0f", x)
		for i := len(text) - 3; i > 0; i -= 3 {
			text = text[:i] + "," + text[i:]
		}
		return text
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	default:
		return fmt.Sprintf("%.3g", x)
	}
}

// Table writes rows as Markdown: a line a side, the reference first.
func Table(rows []*Row) string {
	var b strings.Builder
	b.WriteString("| row | side | unit/s | CPU µs each | of them | ratio | CPU ratio | mark |\n|---|---|--:|--:|---|--:|--:|---|\n")
	for _, r := range rows {
		for _, other := range r.Others {
			fmt.Fprintf(&b, "| %s | %s | %s |  |  |  |\n", r.Name, other.Name, other.figures(r.Unit))
		}
		if r.Reference != nil {
			fmt.Fprintf(&b, "| %s | %s | %s |  |  | reference |\n", r.Name, r.Reference.Name, r.Reference.figures(r.Unit))
		}
		ratio, cost := "", ""
		if r.Reference != nil {
			ratio, cost = number(r.ratio((*Sample).Rate)), number(r.ratio((*Sample).Each))
		}
		fmt.Fprintf(&b, "| %s | **%s** | %s | %s | %s | %s. %s |\n", r.Name, r.Candidate.Name, r.Candidate.figures(r.Unit), ratio, cost, r.Mark, r.verdict())
	}
	return b.String()
}

// figures are the cells that every side has.
func (s *Side) figures(unit string) string {
	each := s.median((*Sample).Each)
	if each == 0 {
		return fmt.Sprintf("%s %s | | %s", number(s.median((*Sample).Rate)), unit, s.extras())
	}
	return fmt.Sprintf("%s %s | %s | %s", number(s.median((*Sample).Rate)), unit, number(each), join(s.shares(), s.extras()))
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), "; ")
}

// shares tells which process the CPU time went to, the greediest first.
func (s *Side) shares() string {
	names := map[string]bool{}
	for i := range s.Samples {
		for name := range s.Samples[i].CPU {
			names[name] = true
		}
	}
	type share struct {
		name string
		each float64
	}
	var shares []share
	for name := range names {
		each := s.median(func(x *Sample) float64 { return float64(x.CPU[name].Microseconds()) / max(x.Count, 1) })
		if each > 0 {
			shares = append(shares, share{name, each})
		}
	}
	slices.SortFunc(shares, func(a, b share) int { return cmp.Or(cmp.Compare(b.each, a.each), cmp.Compare(a.name, b.name)) })
	parts := make([]string, len(shares))
	for i, x := range shares {
		parts[i] = x.name + " " + number(x.each)
	}
	return strings.Join(parts, ", ")
}

// extras are the other figures, by name.
func (s *Side) extras() string {
	names := map[string]bool{}
	for i := range s.Samples {
		for name := range s.Samples[i].Extra {
			names[name] = true
		}
	}
	var parts []string
	for name := range names {
		parts = append(parts, name+" "+number(s.median(func(x *Sample) float64 { return x.Extra[name] })))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
