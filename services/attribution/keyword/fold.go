package keyword

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// maxText bounds the bytes of a text that are looked at: four for each of the 4096
// characters that a WhatsApp message can have, more than any other channel allows.
// What is longer was not typed, and folding costs time that grows with it.
const maxText = 4 * 4096

// marked are the scripts whose letters lose their nonspacing marks: there a mark is
// an accent or a vowel sign that people leave out when they type. Elsewhere it makes
// another letter (か, が) or is the vowel itself (Thai).
var marked = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic}

// fold brings a text to the form in which texts and terms are compared: NFKC, full
// case folding, without nonspacing marks on letters of the marked scripts, with the
// letters that no decomposition takes apart (đ, ø, æ) as people without them write
// them. Case folding has made ß ss already.
func fold(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	s = cases.Fold().String(strings.Map(cherokee, norm.NFKC.String(s))) // a Caser has state: never a shared one
	return norm.NFC.String(plain(norm.NFKD.String(s)))
}

// cherokee brings capital Cherokee letters to the small ones, which folding brings to
// the capitals: x/text folds either to the other (golang/go#46101).
func cherokee(r rune) rune {
	if unicode.Is(unicode.Cherokee, r) {
		return unicode.ToLower(r)
	}
	return r
}

// plain drops marks and replaces letters in a decomposed text. Composed again, what
// kept its marks is one letter, so that か is not found in が.
func plain(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	onMarked := false // whether the last letter takes its marks with it
	for _, r := range s {
		if unicode.Is(unicode.Mn, r) {
			if !onMarked {
				b.WriteRune(r)
			}
			continue
		}
		onMarked = unicode.In(r, marked...)
		switch r {
		case 'đ':
			b.WriteByte('d')
		case 'ø':
			b.WriteByte('o')
		case 'æ':
			b.WriteString("ae")
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// cut returns the part of s that is looked at.
func cut(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end]
}
