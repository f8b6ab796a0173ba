package report

import (
	"errors"
	"fmt"
	"strings"
)

// The lines of a document between which the figures go. Everything else is written by
// people and kept.
const (
	begin = "<!-- figures: written by make bench, do not edit -->"
	end   = "<!-- end of figures -->"
)

// Replace puts figures into a document. An empty one becomes just them; one with a single
// mark, or with both in the wrong order, is an error.
func Replace(document, figures string) (string, error) {
	block := begin + "\n\n" + strings.TrimSpace(figures) + "\n\n" + end
	if document == "" {
		return block + "\n", nil
	}
	before, rest, found := strings.Cut(document, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", errors.New("the lines that enclose the figures are missing or in the wrong order")
	}
	return before + block + after, nil
}

// Facts writes names and values as a list.
func Facts(facts [][2]string) string {
	var b strings.Builder
	for _, f := range facts {
		fmt.Fprintf(&b, "- %s: %s\n", f[0], f[1])
	}
	return b.String()
}
