package app

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// mixed picks at most most rows, oldest first: the latest of every kind of row
// (conversion, channel, tier, template), then the second of every kind, then the third.
func mixed(rows []row, most int) []row {
	latestFirst := func(a, b row) int { return strings.Compare(b.EventAt, a.EventAt) }
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, latestFirst)
	const ofOneKind = 3
	var ranks [ofOneKind][]row
	seen := map[[4]string]int{}
	for _, r := range rows {
		kind := [4]string{r.Conversion, r.Channel, text(r.Tier), text(r.Template)}
		if rank := seen[kind]; rank < ofOneKind {
			ranks[rank] = append(ranks[rank], r)
		}
		seen[kind]++
	}
	picked := slices.Concat(ranks[:]...)
	picked = picked[:min(most, len(picked))]
	slices.SortStableFunc(picked, latestFirst)
	slices.Reverse(picked)
	return picked
}

// table lays out rows for a terminal.
func table(rows []row) string {
	cells := [][]string{{"WHEN (UTC)", "CONVERSION", "VALUE", "CREDITED", "CHANNEL", "TIER", "TEMPLATE", "CAMPAIGN", "PHONE"}}
	for _, r := range rows {
		cells = append(cells, []string{
			shortTime(r.EventAt), r.Conversion, amount(r.Value, r.Currency), amount(r.CreditedValue, r.Currency),
			r.Channel, text(r.Tier), text(r.Template), text(r.Campaign), text(r.Phone),
		})
	}
	return align(cells, map[int]bool{2: true, 3: true})
}

// align pads cells into columns, those named in right to the right.
func align(cells [][]string, right map[int]bool) string {
	widths := make([]int, len(cells[0]))
	for _, line := range cells {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, line := range cells {
		var text strings.Builder
		for i, cell := range line {
			gap := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right[i] {
				cell, gap = gap+cell, ""
			}
			text.WriteString("  " + cell + gap)
		}
		out.WriteString(strings.TrimRight(text.String(), " ") + "\n")
	}
	return out.String()
}

func shortTime(at string) string {
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return at
	}
	return t.UTC().Format("Mon 02 Jan 15:04:05")
}

func amount(value, currency *string) string {
	if value == nil {
		return "–"
	}
	return fmt.Sprintf("%s %s", *value, text(currency))
}

func text(s *string) string {
	if s == nil || *s == "" {
		return "–"
	}
	return *s
}
