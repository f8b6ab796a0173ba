package hit

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
)

// NormalizeEmail trims an e-mail address and folds its case by Unicode, nothing
// else: dots and plus parts belong to the address. Nothing left: false.
func NormalizeEmail(raw string) (Identifier, bool) {
	id, ok := NormalizeID(Email, raw)
	id.Value = FoldCase(id.Value)
	return id, ok
}

// NormalizeID trims an identifier that is otherwise taken as given (user id, device,
// business-scoped id). Nothing left: false.
func NormalizeID(kind IdentifierKind, raw string) (Identifier, bool) {
	value, _ := CleanText(strings.TrimSpace(raw))
	if value == "" {
		return Identifier{}, false
	}
	return Identifier{Kind: kind, Value: value}, true
}

// FoldCase is full Unicode case folding: what two texts have in common that differ
// by case alone. The block list compares by it.
func FoldCase(s string) string {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return cases.Fold().String(strings.Map(cherokee, s)) // a Caser has state: never a shared one
		}
	}
	return strings.ToLower(s)
}

// cherokee brings capital Cherokee letters to the small ones, which folding brings to
// the capitals: x/text folds either to the other (golang/go#46101).
func cherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToLower(r)
	}
	return r
}
