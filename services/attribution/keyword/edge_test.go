package keyword

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"㎒":         "mhz", // compatibility first, then case
		"ＡＢＣ":       "abc",
		"\u0301a":   "\u0301a", // a mark on nothing stays
		"1\u0301":   "1\u0301", // on a digit
		"-\u0301":   "-\u0301", // on a sign
		"e\u0301":   "e",
		"か\u3099":   "が", // one letter
		"έ":         "ε",
		"й":         "и",
		"ÆØĐß":      "aeodss",
		"क\u093c":   "क\u093c", // a script whose marks count
		"a\u0301か́": "aか\u0301",
		"PLAIN-1":   "plain-1",
		"":          "",
	} {
		if got := fold(text); got != want {
			t.Errorf("fold(%+q) = %+q, want %+q", text, got, want)
		}
	}
	// x/text folds Cherokee to and fro; capital and small are one letter all the same.
	if small, capital := fold("\uab75\u13f8"), fold("\u13a5\u13f0"); small != capital || fold(small) != small {
		t.Errorf("%+q and %+q", small, capital)
	}
	if len(one(Substring, "か").Match("が")) != 0 {
		t.Error("か is in が")
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	ascii := strings.Repeat("a", maxText+1)
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"all that is looked at", ascii[:maxText], maxText},
		{"one more", ascii, maxText},
		{"a character on the edge", ascii[:maxText-1] + "é", maxText - 1},
		{"a long one on the edge", ascii[:maxText-3] + "👍", maxText - 3},
		{"one that just fits", ascii[:maxText-2] + "éb", maxText},
		{"no character at all", strings.Repeat("\x80", maxText+5), 0},
		{"short", "é", 2},
	} {
		got := cut(tt.text)
		if len(got) != tt.want || !strings.HasPrefix(tt.text, got) || utf8.ValidString(tt.text) && !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, want %d", tt.name, len(got), tt.want)
		}
	}
}

func TestTerms_WholeEdges(t *testing.T) {
	t.Parallel()
	terms := CompileTerms([]string{"stop", "stop1"})
	rest := strings.Repeat("!", maxText-4)
	if !terms.Whole("stop"+rest) || terms.Whole("stop!"+rest) {
		t.Error("texts of up to 16 KiB are looked at")
	}
	if !terms.Whole("Stop 1") || terms.Whole("stop 2") {
		t.Error("digits count")
	}
	if CompileTerms([]string{"!", "stop"}).Whole("?") {
		t.Error("no letters are a term")
	}
}
