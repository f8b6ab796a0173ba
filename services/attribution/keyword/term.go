package keyword

import (
	"strings"
	"unicode"
)

// Terms is a set of terms that a text can be as a whole: opt-outs.
type Terms struct {
	folded map[string]struct{}
}

// CompileTerms prepares terms. One without a letter or digit is left out.
func CompileTerms(terms []string) *Terms {
	t := &Terms{folded: make(map[string]struct{}, len(terms))}
	for _, raw := range terms {
		if letters := lettersOf(raw); letters != "" {
			t.folded[letters] = struct{}{}
		}
	}
	return t
}

// Whole says whether text as a whole is one of the terms: folded like keywords, and
// but for letters and digits ignored ("Stop!" is "stop"). A text over 16 KiB is none.
func (t *Terms) Whole(text string) bool {
	if len(t.folded) == 0 || len(text) > maxText {
		return false
	}
	_, is := t.folded[lettersOf(text)]
	return is
}

func lettersOf(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, fold(s))
}
