package house_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

const vocabularyFile = "services/docs/vocabulary.md"

// vocabulary is what vocabularyFile says.
type vocabulary struct {
	words  map[string]string // word: its row's meaning
	labels map[string]bool   // of the first page
	banned []ban
}

// ban is a word, or several one after the other, that names must not use.
type ban struct {
	words  []string
	say    string
	unless [][]string
}

var smallPattern = regexp.MustCompile("`([a-z]+)`")

func readVocabulary(t *testing.T) vocabulary {
	t.Helper()
	v := vocabulary{words: map[string]string{}, labels: map[string]bool{}}
	section, small := "", false
	for _, line := range lines(t, vocabularyFile) {
		if title, is := strings.CutPrefix(line, "## "); is {
			section = title
		}
		if small = strings.HasPrefix(line, "Small words:") || small && line != ""; small {
			for _, m := range smallPattern.FindAllStringSubmatch(line, -1) {
				v.words[m[1]] = "a small word"
			}
		}
		cells := strings.Split(line, "|")
		if len(cells) < 4 || strings.HasPrefix(line, "|---") {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		switch section {
		case "Words":
			for word := range strings.SplitSeq(cells[1], ", ") {
				if v.words[word] != "" && word != "word" {
					t.Errorf("%s: %q has two rows", vocabularyFile, word)
				}
				v.words[word] = cells[len(cells)-2]
			}
		case "Not used":
			b := ban{words: strings.Fields(cells[1]), say: cells[2]}
			for unless := range strings.SplitSeq(cells[3], ", ") {
				b.unless = append(b.unless, strings.Fields(unless))
			}
			v.banned = append(v.banned, b)
		case "Labels of the first page":
			v.labels[cells[1]] = true // whole: a label may have a comma
			for label := range strings.SplitSeq(cells[1], ", ") {
				v.labels[label] = true
			}
		}
	}
	if len(v.words) < 100 || len(v.banned) < 20 || len(v.labels) < 20 {
		t.Fatalf("%s: read only %d words, %d not used, %d labels", vocabularyFile, len(v.words), len(v.banned), len(v.labels))
	}
	return v
}

// known returns the row of a word, or of its singular; "" means there is none.
func (v vocabulary) known(word string) string {
	for _, plural := range [][2]string{{"", ""}, {"s", ""}, {"es", ""}, {"ies", "y"}} {
		stem, is := strings.CutSuffix(word, plural[0])
		if _, there := v.words[stem+plural[1]]; is && there {
			return stem + plural[1]
		}
	}
	return ""
}

// forbids returns the ban that a name breaks.
func (v vocabulary) forbids(n name) (ban, bool) {
	words := n.words()
	inGo := strings.HasPrefix(n.surface, "Go ") || strings.HasPrefix(n.surface, "field of")
	for _, b := range v.banned {
		at := index(words, b.words)
		excused := slices.ContainsFunc(b.unless, func(u []string) bool {
			return len(u) > 0 && (index(words, u) == at || inGo && u[0] == "Go")
		})
		if at >= 0 && !excused {
			return b, true
		}
	}
	return ban{}, false
}

// index is where part stands in words, a plural of its last word too; -1: nowhere.
func index(words, part []string) int {
	for i := 0; i+len(part) <= len(words); i++ {
		last := len(part) - 1
		if slices.Equal(words[i:i+last], part[:last]) && (words[i+last] == part[last] || words[i+last] == part[last]+"s") {
			return i
		}
	}
	return -1
}

// speaking are the packages that decide a credit, and the API that tells of it.
var speaking = []string{
	"services/attribution/policy", "services/attribution/identity", "services/attribution/touch", "services/attribution/conversion",
	"services/attribution/credit", "services/attribution/timeline", "services/attribution/keyword", "services/attribution/channel",
	"services/attribution/fact", "services/attribution/api", "services/attribution/api/row", "services/internal/hit",
}

// fault says what is wrong with a name; "" means nothing. Only stored and published
// names must be made of known words: those of Go may say more.
func (v vocabulary) fault(n name, known bool) string {
	if b, broken := v.forbids(n); broken {
		return "uses " + strings.Join(b.words, " ") + ": say " + b.say + " (or name an exception in the list of words not used)"
	}
	if n.surface == "label" && !v.labels[strings.TrimSpace(n.text)] {
		return "is a label without a row: add it with what it shows"
	}
	for _, word := range n.words() {
		if known && v.known(word) == "" {
			return "has the new word " + word + ": use one that is listed, or add a row with its meaning and where it comes from"
		}
	}
	return ""
}

func TestVocabulary(t *testing.T) {
	t.Parallel()
	v := readVocabulary(t)
	published := slices.Concat(columns(t), fields(t, "services/attribution/api/openapi.yaml"), fields(t, "services/tracking/openapi.yaml"))
	shown, spoken := labels(t), exported(t, speaking...)
	for surface, least := range map[string]int{"column": 200, "JSON": 200, "label": 40, "Go": 60} {
		n := 0
		for _, name := range slices.Concat(published, shown, spoken) {
			if strings.HasPrefix(name.surface, surface) {
				n++
			}
		}
		if n < least {
			t.Errorf("found only %d names of %s: does the way they are read still fit the files?", n, surface)
		}
	}
	check := func(names []name, known bool) {
		for _, n := range names {
			if fault := v.fault(n, known); fault != "" {
				t.Errorf("%s: %s %q %s; see %s", n.at, n.surface, n.text, fault, vocabularyFile)
			}
		}
	}
	check(published, true)
	check(shown, false)
	check(spoken, false)
}

// The check itself: a name of each kind that must fail, and one that must not.
func TestVocabulary_Faults(t *testing.T) {
	t.Parallel()
	v := readVocabulary(t)
	for _, test := range []struct {
		surface, text string
		fails         bool
	}{
		{"column", "credited_value", false},
		{"column", "order_value", true},
		{"column", "sent_at", false},
		{"column", "zebra_at", true},
		{"column", "people", true},
		{"Go type", "People", false},
		{"JSON field", "user_id", false},
		{"JSON field", "userId", false},
		{"JSON field", "user_name", true},
		{"JSON field", "users", true},
		{"JSON field", "referer", true},
		{"Go type", "TouchPoint", true},
		{"Go type", "Touch", false},
		{"field of Row", "UserIDs", false},
		{"field of Row", "LookbackWindow", true},
		{"label", "Earned by", false},
		{"label", "Revenue", true},
		{"label", "Anything", true},
	} {
		known := test.surface == "column" || test.surface == "JSON field"
		if fault := v.fault(name{surface: test.surface, text: test.text}, known); (fault != "") != test.fails {
			t.Errorf("%s %s: fault %q, want one: %t", test.surface, test.text, fault, test.fails)
		}
	}
}
