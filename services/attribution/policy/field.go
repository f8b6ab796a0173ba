package policy

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/currency"
)

// field reads one field of a document into the policy.
type field func(pointer string, raw json.RawMessage)

// reader collects all faults of a document. Names are compared exactly, so that a
// misspelt one is a fault and never a silent default.
type reader struct{ faults []FieldError }

func (r *reader) fault(pointer, detail string) {
	r.faults = append(r.faults, FieldError{Pointer: pointer, Detail: detail})
}

// object reads the fields of a JSON object; null stands for absent.
func (r *reader) object(pointer string, raw json.RawMessage, fields map[string]field) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		r.fault(pointer, "must be an object")
		return
	}
	for _, name := range sortedKeys(members) {
		read, known := fields[name]
		switch {
		case !known:
			r.fault(pointer+"/"+escape(name), "is not known here; did you mean "+nearest(name, sortedKeys(fields))+"?")
		case string(members[name]) != "null":
			read(pointer+"/"+name, members[name])
		}
	}
}

// required faults members of an object that are absent or null.
func (r *reader) required(pointer string, raw json.RawMessage, names ...string) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return // object has said so
	}
	for _, name := range names {
		if value, ok := members[name]; !ok || string(value) == "null" {
			r.fault(pointer+"/"+name, "is missing")
		}
	}
}

func (r *reader) text(to *string) field {
	return func(pointer string, raw json.RawMessage) {
		var text string
		switch {
		case json.Unmarshal(raw, &text) != nil:
			r.fault(pointer, "must be a text")
		case text == "":
			r.fault(pointer, "is empty; leave it out instead")
		case len(text) > maxText:
			r.fault(pointer, "is longer than "+strconv.Itoa(maxText)+" bytes")
		}
		*to = text
	}
}

func (r *reader) word(to *string, known ...string) field {
	return func(pointer string, raw json.RawMessage) {
		r.text(to)(pointer, raw)
		if *to != "" && !slices.Contains(known, *to) {
			r.fault(pointer, quote(*to)+" is not one of "+strings.Join(known, ", ")+"; did you mean "+nearest(*to, known)+"?")
		}
	}
}

func (r *reader) texts(to *[]string, limit int) field {
	return list(r, to, limit, func(pointer string, raw json.RawMessage) (text string) {
		r.text(&text)(pointer, raw)
		return text
	})
}

func (r *reader) words(to *[]string, limit int, known ...string) field {
	return func(pointer string, raw json.RawMessage) {
		list(r, to, limit, func(pointer string, raw json.RawMessage) (word string) {
			r.word(&word, known...)(pointer, raw)
			return word
		})(pointer, raw)
		for i, word := range *to {
			if slices.Index(*to, word) < i {
				r.fault(pointer+"/"+strconv.Itoa(i), quote(word)+" is there twice")
			}
		}
	}
}

// list reads a JSON array; each item by its own function.
func list[T any](r *reader, to *[]T, limit int, item func(string, json.RawMessage) T) field {
	return func(pointer string, raw json.RawMessage) {
		var items []json.RawMessage
		if json.Unmarshal(raw, &items) != nil {
			r.fault(pointer, "must be a list")
			return
		}
		if len(items) > limit {
			r.fault(pointer, "has more than "+strconv.Itoa(limit)+" items")
			return
		}
		read := make([]T, 0, len(items))
		for i, raw := range items {
			read = append(read, item(pointer+"/"+strconv.Itoa(i), raw))
		}
		*to = read
	}
}

func (r *reader) number(to *Number) field {
	return func(pointer string, raw json.RawMessage) {
		n, ok := parseNumber(raw)
		switch {
		case !ok:
			r.fault(pointer, "must be a number of at most "+strconv.Itoa(maxDigits)+" digits")
		case strings.HasPrefix(string(n), "-"):
			r.fault(pointer, "must not be negative")
		}
		*to = n
	}
}

func (r *reader) seconds(to *int64) field {
	return func(pointer string, raw json.RawMessage) {
		n, ok := parseNumber(raw)
		value, err := strconv.ParseInt(string(n), 10, 64)
		switch {
		case !ok || err != nil:
			r.fault(pointer, "must be a whole number of seconds")
		case value < 0:
			r.fault(pointer, "must not be negative")
		case value > maxSeconds:
			r.fault(pointer, "is longer than a century")
		default:
			*to = value
		}
	}
}

func (r *reader) currency(to *string) field {
	return func(pointer string, raw json.RawMessage) {
		r.text(to)(pointer, raw)
		if *to == "" {
			return
		}
		unit, err := currency.ParseISO(*to)
		if err != nil {
			r.fault(pointer, quote(*to)+" is no ISO 4217 currency")
			return
		}
		*to = unit.String()
	}
}

// scalar returns a JSON string, number or boolean as text.
func scalar(raw json.RawMessage) (string, bool) {
	var text string
	if json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
		return text, true
	}
	switch raw[0] {
	case '{', '[', 'n':
		return "", false
	}
	return string(raw), true
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// escape writes a member name as a reference token of RFC 6901.
func escape(name string) string {
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

func quote(text string) string {
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return strconv.Quote(text)
}
