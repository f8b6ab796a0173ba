package hit

import (
	"strings"
	"unicode/utf8"
)

// CleanText replaces U+0000, which Postgres cannot store, and each byte that is no
// UTF-8 by U+FFFD, and says whether there was any. What is clean is returned as it
// is, without a copy.
func CleanText(s string) (clean string, changed bool) {
	bad := firstUnclean(s)
	if bad < 0 {
		return s, false
	}
	var b strings.Builder
	b.Grow(len(s) + 2*utf8.UTFMax)
	b.WriteString(s[:bad])
	for _, r := range s[bad:] { // range yields U+FFFD for each byte that is no UTF-8
		if r == 0 {
			r = utf8.RuneError
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// firstUnclean returns where the first U+0000 or invalid byte stands, or -1.
func firstUnclean(s string) int {
	for i := 0; i < len(s); {
		if c := s[i]; c < utf8.RuneSelf {
			if c == 0 {
				return i
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}
