package policy

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// tiers lists the tiers, strongest first.
func tiers() []string {
	return []string{TierClick, TierReply, TierRead, TierDelivered, TierSent}
}

// check faults what each field alone cannot tell.
func (p *Policy) check(r *reader) {
	if len(p.Models) == 0 {
		r.fault("/models", "is empty: nothing would be attributed")
	}
	if p.HalfLifeSeconds == 0 {
		r.fault("/half_life_seconds", "must not be 0")
	}
	p.checkPositions(r)
	var names []string
	for i, d := range p.Conversions {
		if slices.Contains(names, d.Name) {
			r.fault("/conversions/"+strconv.Itoa(i)+"/name", quote(d.Name)+" is there twice")
		}
		names = append(names, d.Name)
	}
	for i, w := range p.Windows {
		if w.Conversion != "" && !slices.Contains(names, w.Conversion) {
			r.fault("/windows/"+strconv.Itoa(i)+"/conversion", quote(w.Conversion)+" is no conversion of this policy")
		}
	}
}

// checkPositions faults shares that leave less than nothing for the touchpoints
// between.
func (p *Policy) checkPositions(r *reader) {
	one, first, last := big.NewRat(1, 1), p.PositionFirst.Rat(), p.PositionLast.Rat()
	switch {
	case first.Cmp(one) > 0:
		r.fault("/position_first", "is more than 1: it is a share of the whole")
	case last.Cmp(one) > 0:
		r.fault("/position_last", "is more than 1: it is a share of the whole")
	case first.Add(first, last).Cmp(one) > 0:
		r.fault("/position_last", "position_first and position_last together are more than 1")
	}
}

// nearest returns the candidate that differs least from text, quoted. Letter case does
// not count, and of equally near ones that which begins with the text is meant: "OFF"
// and "of" are off, not on.
func nearest(text string, candidates []string) string {
	text = strings.ToLower(text)
	best, bestDistance := "", -1
	for _, c := range candidates {
		lower := strings.ToLower(c)
		d := 2 * distance(clip(text), clip(lower))
		if !strings.HasPrefix(lower, text) {
			d++
		}
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return quote(best)
}

// clip bounds the work of distance.
func clip(text string) string { return text[:min(len(text), 64)] }

// distance is the number of single-byte edits that turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			above := row[j+1]
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, above+1, row[j]+1)
			diagonal = above
		}
	}
	return row[len(b)]
}
