package hit

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzCleanText(f *testing.F) {
	f.Add("a\x00b\xffc")
	f.Add("plain")
	f.Fuzz(func(t *testing.T, s string) {
		clean, changed := CleanText(s)
		if !utf8.ValidString(clean) || strings.ContainsRune(clean, 0) {
			t.Fatalf("%q is not clean", clean)
		}
		if changed != (clean != s) {
			t.Fatalf("changed = %v of %q, %q", changed, s, clean)
		}
		if again, changed := CleanText(clean); changed || again != clean {
			t.Fatalf("cleaning %q again gives %q", clean, again)
		}
		if utf8.RuneCountInString(clean) != utf8.RuneCountInString(s) {
			t.Fatalf("%q has not as many characters as %q", clean, s)
		}
	})
}
