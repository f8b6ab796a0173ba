package fact

import "strings"

// ConversionRefs returns references of which the facts of a conversion, or refund, have
// at least one, whatever made it: an order's, an event's, those of the message that an
// in-thread event "<message id>:<rest>" was made from. An id that had to be numbered
// ("e1#2") is also tried without its number.
func ConversionRefs(id string) []Ref {
	refs := namedRefs(id)
	if i := strings.LastIndexByte(id, '#'); i > 0 {
		refs = append(refs, namedRefs(id[:i])...)
	}
	return refs
}

func namedRefs(id string) []Ref {
	refs := eventRefs(id)
	for i := range len(id) {
		if id[i] == ':' {
			refs = append(refs, EventRef(id[:i]))
		}
	}
	return refs
}
