package keyword

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Canonically equal texts are one text, however they are composed; folding leaves
// valid UTF-8 and never looks at neighbours that a blank keeps apart.
func FuzzFold(f *testing.F) {
	for _, seed := range []string{"Quan tâm", "KJØPE", "שָׁלוֹם", "か\u3099", "㎒ ﬁ", "İstanbul ẞ", "\u0301a", "की", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		folded := fold(text)
		if !utf8.ValidString(text) {
			return
		}
		if !utf8.ValidString(folded) {
			t.Fatalf("%q became %q", text, folded)
		}
		if composed, apart := fold(norm.NFC.String(text)), fold(norm.NFD.String(text)); composed != apart {
			t.Fatalf("%q is %q composed and %q apart", text, composed, apart)
		}
		if got := fold("x " + text + " x"); got != "x "+folded+" x" && !strings.HasPrefix(text, "\u0301") && norm.NFC.PropertiesString(text).BoundaryBefore() {
			t.Fatalf("%q among others is %q", text, got)
		}
	})
}

// What matches as whole words is there as letters too, opt-outs are the same in any
// punctuation, and a rule never matches both with and without its term excluded.
func FuzzTerms(f *testing.F) {
	f.Add("stop", "Stop!")
	f.Add("vil kjøpe", "jeg VIL kjope!")
	f.Add("👍", "ok 👍")
	f.Fuzz(func(t *testing.T, term, text string) {
		rules := Compile([]Rule{{Event: "any", Any: []string{term}}, {Event: "none", Any: []string{term}, None: []string{term}}, {Event: "all", All: []string{term, term}}})
		one, each := false, false
		for _, m := range rules.Match(text) {
			one, each = one || m.Event == "any", each || m.Event == "all"
			if m.Event == "none" {
				t.Fatalf("%q is in %q and is not", term, text)
			}
		}
		if one != each {
			t.Fatalf("%q in %q: any %v, all %v", term, text, one, each)
		}
		terms := CompileTerms([]string{term})
		if whole := terms.Whole(text); whole && lettersOf(term) != lettersOf(text) || len(text) < maxText-2 && whole != terms.Whole("!"+text+"!") {
			t.Fatalf("%q as a whole %q: %v", term, text, whole)
		}
	})
}
