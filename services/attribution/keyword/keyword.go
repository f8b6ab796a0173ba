package keyword

import "slices"

// Mode is how the terms of a rule match.
type Mode string

// The modes. Any other is taken as [Word].
const (
	Word      Mode = "word"      // whole words at the boundaries of UAX 29
	Substring Mode = "substring" // anywhere
)

// Rule makes an event of each text that has at least one of the terms in Any (unless
// Any is empty), all of All and none of None. With neither Any nor All it matches
// nothing, and an empty term matches nothing.
//
// In word mode a term of several words matches these words one after the other,
// whatever punctuation stands between; a term with a symbol (an emoji, "c++") needs
// the symbol too; a term of punctuation alone matches anywhere. A term with a letter
// of a script that writes no spaces between words matches anywhere in either mode.
type Rule struct {
	Event          string
	Any, All, None []string
	Mode           Mode

	Value, Currency string // of the event; empty when it has none
}

// Match is an event that a text makes.
type Match struct {
	Event, Value, Currency string
}

// Set is a list of compiled rules.
type Set struct {
	rules []compiled
	words bool // whether any term needs the words of a text
}

type compiled struct {
	match          Match
	any, all, none []term
}

// Compile prepares rules; their order is kept.
func Compile(rules []Rule) *Set {
	s := &Set{rules: make([]compiled, 0, len(rules))}
	for _, rule := range rules {
		if len(rule.Any)+len(rule.All) == 0 {
			continue
		}
		s.rules = append(s.rules, compiled{
			match: Match{Event: rule.Event, Value: rule.Value, Currency: rule.Currency},
			any:   s.terms(rule.Any, rule.Mode), all: s.terms(rule.All, rule.Mode), none: s.terms(rule.None, rule.Mode),
		})
	}
	return s
}

func (s *Set) terms(raw []string, mode Mode) []term {
	terms := make([]term, len(raw))
	for i := range raw {
		terms[i] = compile(raw[i], mode)
		s.words = s.words || terms[i].way == asWords || terms[i].way == asSymbols
	}
	return terms
}

// Match returns the event of every rule that text matches, in the order of the rules.
// Of several with one event name the first that matches gives the value. Only the
// first 16 KiB of text are looked at.
func (s *Set) Match(text string) []Match {
	if len(s.rules) == 0 || text == "" {
		return nil
	}
	var matches []Match
	in := prepare(cut(text), s.words)
	for i := range s.rules {
		rule := &s.rules[i]
		if rule.matches(&in) && !slices.ContainsFunc(matches, func(m Match) bool { return m.Event == rule.match.Event }) {
			matches = append(matches, rule.match)
		}
	}
	return matches
}

func (r *compiled) matches(s *subject) bool {
	found := func(t term) bool { return t.in(s) }
	missing := func(t term) bool { return !t.in(s) }
	return (len(r.any) == 0 || slices.ContainsFunc(r.any, found)) &&
		!slices.ContainsFunc(r.all, missing) && !slices.ContainsFunc(r.none, found)
}
