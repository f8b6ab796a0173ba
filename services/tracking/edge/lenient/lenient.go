// Package lenient reads JSON the way the wire formats need it: keys compare exactly
// (encoding/json matches them without case), numbers keep their text, and a value of
// another type than expected reads as absent instead of failing the whole body.
//
// Everything here wants bytes that [Valid] accepted, and returns parts of them
// without copying. It is pure.
package lenient

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"unicode/utf8"
)

// Object is one JSON object as a list of its members: they are few as a rule, and a
// list takes a tenth of what a map does to be built. Of repeated keys the last counts.
// More than few are in the order of their keys, each once.
type Object []member

// few is how many members are looked through one by one.
const few = 64

type member struct {
	key   []byte // what it spells
	value json.RawMessage
}

// Read returns the members of a JSON object; ok is false when raw is none.
func Read(raw []byte) (o Object, ok bool) {
	at := space(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return nil, false
	}
	var room [16]member // as many as most have, so that what is kept is of the right size
	all, most := room[:0], few
	for at = space(raw, at+1); at < len(raw) && raw[at] == '"'; {
		var m member
		m, at = read(raw, at)
		all = append(all, m)
		if len(all) > most { // what is repeated takes no room
			all = ordered(all)
			most = max(few, 2*len(all))
		}
	}
	if len(all) > few {
		all = ordered(all)
	}
	if len(all) == 0 {
		return Object{}, true
	}
	return slices.Clone(all), true
}

// ordered puts members in the order of their keys and leaves the last of each.
func ordered(all []member) []member {
	slices.SortStableFunc(all, func(a, b member) int { return bytes.Compare(a.key, b.key) })
	kept := all[:0]
	for i, m := range all {
		if i+1 == len(all) || !bytes.Equal(m.key, all[i+1].key) {
			kept = append(kept, m)
		}
	}
	return kept
}

// read reads a member that begins at at, and says where the next one does.
func read(raw []byte, at int) (m member, begin int) {
	end := skip(raw, at)
	m.key = spelled(raw[at:end])
	at = space(raw, end)
	at = space(raw, at+1) // the colon
	end = skip(raw, at)
	m.value = raw[at:end:end]
	return m, next(raw, end)
}

// Get returns a member as it is written; nil when there is none.
func (o Object) Get(key string) json.RawMessage {
	if len(o) > few {
		at, found := slices.BinarySearchFunc(o, key, func(m member, key string) int { return strings.Compare(string(m.key), key) })
		if !found {
			return nil
		}
		return o[at].value
	}
	for i := len(o) - 1; i >= 0; i-- {
		if string(o[i].key) == key {
			return o[i].value
		}
	}
	return nil
}

// Get returns a member of a JSON object as it is written, for who wants no other; nil when
// there is none, or raw is no object.
func Get(raw []byte, key string) (value json.RawMessage) {
	at := space(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return nil
	}
	for at = space(raw, at+1); at < len(raw) && raw[at] == '"'; {
		var m member
		if m, at = read(raw, at); string(m.key) == key {
			value = m.value
		}
	}
	return value
}

// All yields the members, each key once.
func (o Object) All() iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		last := o.last()
		for i := range o {
			if key := string(o[i].key); last[key] == i && !yield(key, o[i].value) {
				return
			}
		}
	}
}

// Len returns how many members there are, each key once.
func (o Object) Len() int { return len(o.last()) }

// last says where each key stands for the last time.
func (o Object) last() map[string]int {
	last := make(map[string]int, len(o))
	for i := range o {
		last[string(o[i].key)] = i
	}
	return last
}

// Members yields the members of a JSON object in their order; nothing when raw is
// no object.
func Members(raw []byte) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		at := space(raw, 0)
		if at == len(raw) || raw[at] != '{' {
			return
		}
		for at = space(raw, at+1); at < len(raw) && raw[at] == '"'; {
			var m member
			if m, at = read(raw, at); !yield(string(m.key), m.value) {
				return
			}
		}
	}
}

// Elements yields the elements of a JSON array; nothing when raw is no array.
func Elements(raw []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		at := space(raw, 0)
		if at == len(raw) || raw[at] != '[' {
			return
		}
		for at = space(raw, at+1); at < len(raw) && raw[at] != ']'; {
			end := skip(raw, at)
			if end == at || !yield(raw[at:end:end]) {
				return
			}
			at = next(raw, end)
		}
	}
}

// Count returns how many elements a JSON array has; 0 when raw is no array.
func Count(raw []byte) int {
	n := 0
	for range Elements(raw) {
		n++
	}
	return n
}

// Text returns a member that is a string, as it stands, or a number, as it is
// written; "" for anything else.
func (o Object) Text(key string) string { return Scalar(o.Get(key)) }

// String returns a member that is a string, and whether it is one.
func (o Object) String(key string) (value string, ok bool) { return String(o.Get(key)) }

// Object returns a member that is an object; empty, never nil, when it is none.
func (o Object) Object(key string) Object {
	inner, ok := Read(o.Get(key))
	if !ok {
		return Object{}
	}
	return inner
}

// Has reports whether the member is there and not null.
func (o Object) Has(key string) bool {
	raw := o.Get(key)
	return raw != nil && Kind(raw) != 'n'
}

// True reports whether the member is the literal true.
func (o Object) True(key string) bool { return Kind(o.Get(key)) == 't' }

// Kind returns the first byte of a value: '{', '[', '"', 't', 'f', 'n', or 0x30 for
// a number; 0 when there is none.
func Kind(raw []byte) byte {
	at := space(raw, 0)
	if at == len(raw) {
		return 0
	}
	if c := raw[at]; c == '-' || c >= '0' && c <= '9' {
		return '0'
	}
	return raw[at]
}

// String returns what a JSON string spells, and whether raw is one.
func String(raw []byte) (value string, ok bool) {
	if Kind(raw) != '"' {
		return "", false
	}
	at := space(raw, 0)
	return text(raw[at:skip(raw, at)]), true
}

// Scalar returns a string as it stands and a number as it is written; "" for
// anything else.
func Scalar(raw []byte) string {
	switch Kind(raw) {
	case '"':
		value, _ := String(raw)
		return value
	case '0':
		return strings.TrimSpace(string(raw))
	}
	return ""
}

// text decodes a JSON string with its quotes.
func text(quoted []byte) string { return string(spelled(quoted)) }

// spelled decodes a JSON string with its quotes; as a rule that is what lies between.
func spelled(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 && utf8.Valid(inner) {
		return inner
	}
	var s string
	if json.Unmarshal(quoted, &s) != nil {
		return inner // unreachable on valid JSON
	}
	return []byte(s)
}

func space(raw []byte, at int) int {
	for at < len(raw) {
		switch raw[at] {
		case ' ', '\t', '\n', '\r':
			at++
		default:
			return at
		}
	}
	return at
}

// next returns where the element after the one that ended at end begins.
func next(raw []byte, end int) int {
	at := space(raw, end)
	if at < len(raw) && raw[at] == ',' {
		return space(raw, at+1)
	}
	return at
}

// skip returns where the value that begins at at ends.
func skip(raw []byte, at int) int {
	depth := 0
	for at < len(raw) {
		switch c := raw[at]; c {
		case '"':
			at = skipString(raw, at)
			if depth == 0 {
				return at
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return at + 1
			}
			if depth < 0 { // a bare number that ends its array or object
				return at
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return at
			}
		}
		at++
	}
	return at
}

func skipString(raw []byte, at int) int {
	for at++; at < len(raw); at++ {
		switch raw[at] {
		case '\\':
			at++
		case '"':
			return at + 1
		}
	}
	return len(raw)
}
