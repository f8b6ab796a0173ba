package keyword

import (
	"strings"
	"unicode"

	"github.com/rivo/uniseg"
)

// subject is a folded text prepared for the ways in which terms match. Words are
// joined with the separator before, between and after them, so that "whole words, one
// after the other" is a plain search for a substring.
type subject struct {
	text    string // white space as single blanks
	words   string // words: segments of UAX 29 with a letter or digit in them
	symbols string // words, and symbols such as emoji, + or €
}

// separator is in no word: UAX 29 breaks on both sides of it.
const separator = "\x00"

// scriptsWithoutSpaces are written without spaces between words, or with endings
// glued to them: their terms match anywhere.
var scriptsWithoutSpaces = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// prepare folds text; the words are taken apart only for rules that ask for them.
func prepare(text string, words bool) subject {
	folded := fold(text)
	s := subject{text: strings.Join(strings.Fields(folded), " ")}
	if words {
		s.words, s.symbols = segments(folded)
	}
	return s
}

// segments joins the words of a folded text, and its words and symbols. Punctuation
// and spaces are neither. Without any, the result is empty.
func segments(folded string) (words, symbols string) {
	var w, both strings.Builder
	state := -1
	for rest := folded; rest != ""; {
		var segment string
		segment, rest, state = uniseg.FirstWordInString(rest, state)
		word, symbol := classify(segment)
		if word {
			w.WriteString(separator)
			w.WriteString(segment)
		}
		if word || symbol {
			both.WriteString(separator)
			both.WriteString(segment)
		}
	}
	return closed(&w), closed(&both)
}

func closed(b *strings.Builder) string {
	if b.Len() > 0 {
		b.WriteString(separator)
	}
	return b.String()
}

func classify(segment string) (word, symbol bool) {
	for _, r := range segment {
		switch {
		case unicode.IsLetter(r), unicode.IsNumber(r):
			return true, false
		case unicode.IsSymbol(r):
			symbol = true
		}
	}
	return false, symbol
}

// way is how a term matches.
type way uint8

const (
	never    way = iota // a term with nothing in it
	anywhere            // as a substring
	asWords             // as consecutive whole words
	asSymbols
)

// term is a compiled term.
type term struct {
	way  way
	text string
}

func compile(raw string, mode Mode) term {
	s := prepare(raw, true)
	switch {
	case s.text == "":
		return term{way: never}
	case mode == Substring, strings.ContainsFunc(s.text, unspaced), s.symbols == "":
		return term{way: anywhere, text: s.text}
	case s.symbols == s.words:
		return term{way: asWords, text: s.words}
	}
	return term{way: asSymbols, text: s.symbols}
}

func unspaced(r rune) bool { return unicode.In(r, scriptsWithoutSpaces...) }

func (t term) in(s *subject) bool {
	switch t.way {
	case anywhere:
		return strings.Contains(s.text, t.text)
	case asWords:
		return strings.Contains(s.words, t.text)
	case asSymbols:
		return strings.Contains(s.symbols, t.text)
	}
	return false
}
