package lenient

import "bytes"

// deepest is how deep a body may nest before it is no longer read inwards. It is far
// from what any item may have and from what encoding/json takes.
const deepest = 1000

// ValidItems reports whether body is one JSON value but for faults that stay within
// elements of its array of that name: NaN and Infinity, which some encoders write
// though JSON has no such numbers, and nesting without end. whole is true when there is
// no fault; otherwise each element is to be checked with [Valid], so that one that is no
// JSON does not cost the others.
func ValidItems(body []byte, array string) (ok, whole bool) {
	if Valid(body) {
		return true, true
	}
	plain, faults := withoutFaults(body, 0)
	if faults == 0 || !Valid(plain) {
		return false, false
	}
	o, _ := Read(body) // what stands where is as in plain
	const around = 2   // the object and its array
	for element := range Elements(o.Get(array)) {
		_, within := withoutFaults(element, around)
		faults -= within
	}
	return faults == 0, false
}

// withoutFaults returns a copy of raw, of the same length, in which words that stand
// for numbers are zeros and what nests too deep is blank, and counts them. depth is how
// deep raw stands itself.
func withoutFaults(raw []byte, depth int) (plain []byte, faults int) {
	plain = bytes.Clone(raw)
	for at := 0; at < len(raw); {
		end, before := at+1, depth
		switch c := raw[at]; c {
		case '"':
			end = skipString(raw, at)
		case '{', '[':
			depth++
			if depth == deepest+1 {
				faults++
			}
		case '}', ']':
			depth--
		case 'N', 'I':
			if n := word(raw[at:]); n > 0 && depth <= deepest {
				faults++
				end = at + n
				blank(plain[at:end])
				plain[at] = '0'
			}
		}
		if max(before, depth) > deepest { // its brackets too
			blank(plain[at:end])
		}
		at = end
	}
	return plain, faults
}

// word is how long the word for a number is that raw begins with; 0 when there is none.
func word(raw []byte) int {
	for _, word := range []string{"NaN", "Infinity"} {
		if bytes.HasPrefix(raw, []byte(word)) {
			return len(word)
		}
	}
	return 0
}

func blank(raw []byte) {
	for i := range raw {
		raw[i] = ' '
	}
}
