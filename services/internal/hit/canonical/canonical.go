// Package canonical writes JSON in one form, so that two texts that mean the same are
// the same bytes. It is pure.
package canonical

import (
	"bytes"
	"errors"
	"slices"
)

// ErrJSON is every text that is no JSON, nests deeper than [MaxDepth], or has a
// number with an exponent beyond four digits.
var ErrJSON = errors.New("canonical: not JSON")

// MaxDepth is how deep arrays and objects may nest. No payload of any wire format
// comes near it; it bounds the stack of whoever reads the value later.
const MaxDepth = 32

// JSON writes one JSON value in the form of RFC 8785: no white space, keys
// sorted by their UTF-16, one spelling for every string and number. Two values that
// mean the same are the same bytes.
//
// It departs from the RFC in what the RFC would lose or refuse. A number is written
// in the RFC's layout but from its exact decimal, never through a float64, so that
// an amount or an id of twenty digits is not rounded; for every number that a
// float64 spells out exactly this is the RFC's form. Of repeated keys the last
// counts. U+0000, lone surrogates and bytes that are no UTF-8 become U+FFFD.
func JSON(raw []byte) ([]byte, error) {
	p := writer{in: raw, out: make([]byte, 0, len(raw))}
	p.space()
	if !p.value(1) {
		return nil, ErrJSON
	}
	p.space()
	if p.at != len(p.in) {
		return nil, ErrJSON
	}
	return p.out, nil
}

// writer reads in once, from left to right, and writes out as it goes. Its
// methods return false on the first byte that is no JSON.
type writer struct {
	in  []byte
	at  int
	out []byte
}

func (p *writer) space() {
	for p.at < len(p.in) {
		switch p.in[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// take consumes c if it is next.
func (p *writer) take(c byte) bool {
	if p.at < len(p.in) && p.in[p.at] == c {
		p.at++
		return true
	}
	return false
}

func (p *writer) value(depth int) bool {
	if p.at == len(p.in) {
		return false
	}
	switch p.in[p.at] {
	case '{':
		return depth <= MaxDepth && p.object(depth)
	case '[':
		return depth <= MaxDepth && p.array(depth)
	case '"':
		p.out = append(p.out, '"')
		if !p.text() {
			return false
		}
		p.out = append(p.out, '"')
		return true
	case 't':
		return p.literal("true")
	case 'f':
		return p.literal("false")
	case 'n':
		return p.literal("null")
	}
	return p.number()
}

func (p *writer) literal(word string) bool {
	if !bytes.HasPrefix(p.in[p.at:], []byte(word)) {
		return false
	}
	p.at += len(word)
	p.out = append(p.out, word...)
	return true
}

func (p *writer) array(depth int) bool {
	p.at++
	p.out = append(p.out, '[')
	p.space()
	if p.take(']') {
		p.out = append(p.out, ']')
		return true
	}
	for {
		p.space()
		if !p.value(depth + 1) {
			return false
		}
		p.space()
		if p.take(']') {
			p.out = append(p.out, ']')
			return true
		}
		if !p.take(',') {
			return false
		}
		p.out = append(p.out, ',')
	}
}

// member is one member of an object in the output: "key":value from start to end.
type member struct{ start, keyEnd, end int }

func (p *writer) object(depth int) bool {
	p.at++
	p.out = append(p.out, '{')
	first := len(p.out)
	p.space()
	if p.take('}') {
		p.out = append(p.out, '}')
		return true
	}
	var few [16]member // most objects fit: no allocation
	members, sorted := few[:0], true
	for {
		m, ok := p.member(depth)
		if !ok {
			return false
		}
		if n := len(members); n > 0 && sorted {
			sorted = p.compareKeys(members[n-1], m) < 0
		}
		members = append(members, m)
		p.space()
		if p.take('}') {
			break
		}
		if !p.take(',') {
			return false
		}
		p.out = append(p.out, ',')
	}
	if !sorted {
		p.reorder(first, members)
	}
	p.out = append(p.out, '}')
	return true
}

func (p *writer) member(depth int) (m member, ok bool) {
	p.space()
	m.start = len(p.out)
	if p.at == len(p.in) || p.in[p.at] != '"' {
		return m, false
	}
	p.out = append(p.out, '"')
	if !p.text() {
		return m, false
	}
	m.keyEnd = len(p.out)
	p.out = append(p.out, '"')
	p.space()
	if !p.take(':') {
		return m, false
	}
	p.out = append(p.out, ':')
	p.space()
	if !p.value(depth + 1) {
		return m, false
	}
	m.end = len(p.out)
	return m, true
}

// reorder sorts the members written since first and keeps the last of each key.
func (p *writer) reorder(first int, members []member) {
	slices.SortStableFunc(members, p.compareKeys)
	sorted := make([]byte, 0, len(p.out)-first)
	for i, m := range members {
		if i+1 < len(members) && p.compareKeys(m, members[i+1]) == 0 {
			continue
		}
		if len(sorted) > 0 {
			sorted = append(sorted, ',')
		}
		sorted = append(sorted, p.out[m.start:m.end]...)
	}
	p.out = append(p.out[:first], sorted...)
}

// compareKeys orders two written keys by the UTF-16 of what they spell.
func (p *writer) compareKeys(a, b member) int {
	x, y := p.out[a.start+1:a.keyEnd], p.out[b.start+1:b.keyEnd]
	for len(x) > 0 && len(y) > 0 {
		r, n := keyUnit(x)
		s, m := keyUnit(y)
		if r != s {
			return r - s
		}
		x, y = x[n:], y[m:]
	}
	return len(x) - len(y)
}

// keyUnit returns a number that orders the first character of a written string as
// its UTF-16 does, and its length. Bytes of UTF-8 order like that but for U+E000 to
// U+FFFF, which UTF-16 puts after the surrogates of everything larger.
func keyUnit(s []byte) (unit, size int) {
	switch c := s[0]; {
	case c == '\\':
		return escaped(s)
	case c == 0xEE || c == 0xEF: // the lead bytes of U+E000 to U+FFFF
		return int(c) + 0x10, 1
	default:
		return int(c), 1
	}
}

// escaped reads one escape as [writer.character] writes it.
func escaped(s []byte) (unit, size int) {
	switch s[1] {
	case 'b':
		return '\b', 2
	case 't':
		return '\t', 2
	case 'n':
		return '\n', 2
	case 'f':
		return '\f', 2
	case 'r':
		return '\r', 2
	case 'u':
		high, _ := hexDigit(s[4])
		low, _ := hexDigit(s[5])
		return int(high<<4 | low), 6
	}
	return int(s[1]), 2
}
