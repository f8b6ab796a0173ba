package keyword

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/deptest"
)

func one(mode Mode, terms ...string) *Set {
	return Compile([]Rule{{Event: "k", Any: terms, Mode: mode}})
}

func TestMatch_Terms(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, term string
		mode       Mode
		yes, no    []string
	}{
		{"a whole word", "demo", Word, []string{"demo", "Demo!", "a DEMO, please", "(demo)", "ｄｅｍｏ", "déмo demo"}, []string{"demos", "democracy", "", "de mo", "demo_2"}},
		{"letters that look like others are folded too", "demo", Word, []string{"𝐃𝐄𝐌𝐎", "Ｄｅｍｏ"}, []string{"𝐃𝐄𝐌𝐎𝐒"}},
		{"Han in word mode", "x会", Word, []string{"ax会b"}, []string{"x 会"}},
		{"Hiragana", "xか", Word, []string{"axかb"}, nil},
		{"Katakana", "xカ", Word, []string{"axカb"}, nil},
		{"Hangul", "x한", Word, []string{"ax한b"}, nil},
		{"Thai", "xก", Word, []string{"axกb"}, nil},
		{"Lao", "xກ", Word, []string{"axກb"}, nil},
		{"Khmer", "xក", Word, []string{"axកb"}, nil},
		{"Myanmar", "xက", Word, []string{"axကb"}, nil},
		{"Cyrillic is written with spaces", "xд", Word, []string{"xд"}, []string{"axдb"}},
		{"no mode is word mode", "demo", "", []string{"demo"}, []string{"demos"}},
		{"UAX 29: can't is one word", "can", Word, []string{"I can."}, []string{"I can't", "I can’t"}},
		{"an apostrophe of its own", "can't", Word, []string{"I CAN'T"}, []string{"I can", "t"}},
		{"words one after the other", "vil kjøpe", Word, []string{"jeg vil kjøpe", "vil  \n kjøpe", "Vil, KJOPE!"}, []string{"vil du kjøpe", "kjøpe vil", "vil kjøpere", "civil kjøpe"}},
		{"punctuation in a term is ignored", "interested!", Word, []string{"interested", "Interested?"}, []string{"uninterested"}},
		{"digits", "40", Word, []string{"size 40", "40!"}, []string{"140", "40cm", "4 0", "40.5"}},
		{"an emoji", "👍", Word, []string{"👍", "ok 👍 thanks", "👍👎"}, []string{"ok", "👎"}},
		{"an emoji between words is no word", "vil kjøpe", Word, []string{"vil 😀 kjøpe"}, nil},
		{"a symbol in a term counts", "c++", Word, []string{"I like C++!"}, []string{"vitamin C", "c+"}},
		{"punctuation alone", "?", Word, []string{"what?"}, []string{"what"}},
		{"a substring", "Interess", Substring, []string{"uinteressertheten", "INTERESS"}, []string{"intet"}},
		{"a substring over a line", "buy now", Substring, []string{"rebuy\nnowadays"}, []string{"buynow"}},
		{"Vietnamese without marks", "quan tâm", Word, []string{"toi rat quan tam", "tôi rất quan tâm", "QUAN TÂM"}, []string{"quan tamil"}},
		{"đ", "đặt hàng", Word, []string{"dat hang", "ĐẶT HÀNG"}, []string{"dathang"}},
		{"æ, with an accent too", "kjærlighet", Word, []string{"kjaerlighet", "KJÆRLIGHET", "kjǽrlighet"}, []string{"kjarlighet"}},
		{"ø, with an accent too", "kjope", Word, []string{"kjøpe", "KJØPE", "kjǿpe"}, nil},
		{"ß", "Straße", Word, []string{"STRASSE", "straẞe"}, []string{"strase"}},
		{"Turkish İ", "istanbul", Word, []string{"İSTANBUL", "Istanbul"}, nil},
		{"Greek", "καφές", Word, []string{"ΚΑΦΕΣ", "καφεσ", "καφες"}, nil},
		{"Cyrillic", "ещё", Word, []string{"еще", "ЕЩЁ"}, nil},
		{"Hebrew points", "שָׁלוֹם", Word, []string{"שלום"}, []string{"שלומי"}},
		{"Arabic vowels", "مَرْحَبًا", Word, []string{"مرحبا"}, nil},
		{"Devanagari keeps its marks", "की", Word, []string{"की"}, []string{"का", "क"}},
		{"a voiced kana is another letter", "かき", Word, []string{"かき", "柿(かき)"}, []string{"がき", "か\u3099き"}},
		{"half-width kana", "コーヒー", Word, []string{"ｱｲｽｺｰﾋｰ", "アイスコーヒー"}, nil},
		{"Han inside a text", "有興趣", Word, []string{"我有興趣購買"}, []string{"有趣"}},
		{"Hangul with an ending", "관심", Word, []string{"관심있어요", "관심"}, []string{"관 심"}},
		{"Thai", "สนใจ", Word, []string{"ฉันสนใจค่ะ"}, nil},
		{"Lao", "ສົນໃຈ", Word, []string{"ຂ້ອຍສົນໃຈ"}, nil},
		{"Khmer", "ចាប់អារម្មណ៍", Word, []string{"ខ្ញុំចាប់អារម្មណ៍"}, nil},
		{"Myanmar", "စိတ်ဝင်စား", Word, []string{"ကျွန်တော်စိတ်ဝင်စားတယ်"}, nil},
		{"nothing", " ", Substring, nil, []string{" ", "", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			set := one(test.mode, test.term)
			for _, text := range test.yes {
				if len(set.Match(text)) != 1 {
					t.Errorf("%q does not match %q", test.term, text)
				}
			}
			for _, text := range test.no {
				if len(set.Match(text)) != 0 {
					t.Errorf("%q matches %q", test.term, text)
				}
			}
		})
	}
}

func TestMatch_Rules(t *testing.T) {
	t.Parallel()
	set := Compile([]Rule{
		{Event: "nothing", None: []string{"no"}},
		{Event: "empty"},
		{Event: "size", Any: []string{"red", "blue"}, All: []string{"size", "40"}, None: []string{"not"}, Value: "1"},
		{Event: "want", All: []string{"want", ""}},
		{Event: "size", Any: []string{"size"}, Value: "2", Currency: "NOK"},
		{Event: "only-none", Any: []string{""}, None: []string{"x"}},
		{Event: "polite", Any: []string{"please"}, None: []string{""}},
	})
	for text, want := range map[string][]Match{
		"red shoes size 40":                     {{Event: "size", Value: "1"}},
		"Blue, size 40 please":                  {{Event: "size", Value: "1"}, {Event: "polite"}},
		"please: green size 40":                 {{Event: "size", Value: "2", Currency: "NOK"}, {Event: "polite"}},
		"not the red size 40":                   {{Event: "size", Value: "2", Currency: "NOK"}},
		"want":                                  nil,
		"":                                      nil,
		"red 40":                                nil,
		strings.Repeat("x ", 9000):              nil,
		"please" + strings.Repeat(" ", maxText): {{Event: "polite"}},
		strings.Repeat("é", maxText) + " please": nil,
	} {
		if diff := cmp.Diff(want, set.Match(text)); diff != "" {
			t.Errorf("%.40q (-want +got):\n%s", text, diff)
		}
	}
	if got := Compile(nil).Match("anything"); got != nil {
		t.Errorf("no rule matches %v", got)
	}
}

func TestTerms_Whole(t *testing.T) {
	t.Parallel()
	terms := CompileTerms([]string{"stop", "avslå", "opt out", "הסר", "停止", "!"})
	for _, text := range []string{"stop", " STOP ", "Stop!", "«stop»", "S.T.O.P", "sto\u00adp", "Stop ❤️", "AVSLA", "Opt-Out", "optout", "הָסֵר", "停止。", "ｓｔｏｐ"} {
		if !terms.Whole(text) {
			t.Errorf("%q is no opt-out", text)
		}
	}
	for _, text := range []string{"", "!", "?", "stop by tomorrow?", "stop stop", "nonstop", "out opt", strings.Repeat("!", maxText) + "stop"} {
		if terms.Whole(text) {
			t.Errorf("%q is an opt-out", text)
		}
	}
	if CompileTerms(nil).Whole("stop") || CompileTerms([]string{"!"}).Whole("!") {
		t.Error("an empty set has a term")
	}
}

var alphabet = []rune("aAbB éÉøßđæ'’.-_ 1٣かがア한สน你👍+!ё\u0301\u3099\u00a0\n")

func TestMatch_Properties(t *testing.T) {
	t.Parallel()
	text := rapid.StringOfN(rapid.SampledFrom(alphabet), 1, 12, -1)
	rapid.Check(t, func(t *rapid.T) {
		term, before, after := text.Draw(t, "term"), text.Draw(t, "before"), text.Draw(t, "after")
		found := func(mode Mode, in string) bool { return len(one(mode, term).Match(in)) == 1 }
		if strings.TrimSpace(term) == "" {
			return
		}
		if !found(Word, term) || !found(Substring, term) {
			t.Fatalf("%q does not match itself", term)
		}
		if !found(Word, before+" . "+term+" . "+after) {
			t.Fatalf("%q is not found between %q and %q", term, before, after)
		}
		if fold(fold(term)) != fold(term) {
			t.Fatalf("folding %q again gives %q after %q", term, fold(fold(term)), fold(term))
		}
		both := Compile([]Rule{{Event: "all", All: []string{term, term}}, {Event: "none", Any: []string{term}, None: []string{term}}})
		if got := both.Match(term); len(got) != 1 || got[0].Event != "all" {
			t.Fatalf("%q: %v", term, got)
		}
		if lettersOf(term) != "" && !CompileTerms([]string{term}).Whole("! "+term+" ?") {
			t.Fatalf("%q is not itself as a whole", term)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("vil kjøpe", "jeg VIL kjope!", true)
	f.Add("👍", "\xff\x00👍", false)
	f.Fuzz(func(t *testing.T, term, text string, substring bool) {
		mode := Word
		if substring {
			mode = Substring
		}
		set := one(mode, term)
		first := set.Match(text)
		if !slices.Equal(first, set.Match(text)) {
			t.Fatal("one text, two answers")
		}
		CompileTerms([]string{term}).Whole(text)
	})
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	deptest.Check(t, ".", deptest.Pure(
		"keyword is part of what decides a credit: it is pure and reaches only Unicode tables",
		"golang.org/x/text", "github.com/rivo/uniseg",
	))
}

func BenchmarkMatch(b *testing.B) {
	set := Compile([]Rule{
		{Event: "a", Any: []string{"interested", "interessert", "quan tâm", "有興趣"}, None: []string{"not"}},
		{Event: "b", Any: []string{"vil kjøpe", "buy"}},
	})
	b.ReportAllocs()
	for b.Loop() {
		set.Match("Hei! Jeg er interessert og vil gjerne kjøpe to par i størrelse 40.")
	}
}
