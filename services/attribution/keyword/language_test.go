package keyword_test

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
)

// TestLanguages reads testdata/languages.tsv: what people write in the languages of
// our users, with and without marks, and whether a rule matches it. The table was
// written from the contract, not from what the code does.
func TestLanguages(t *testing.T) {
	t.Parallel()
	file, err := os.Open("testdata/languages.tsv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	defaults := policy.Default()
	optOut := keyword.CompileTerms(defaults.OptOutTerms)
	rows := map[string]int{}
	lines := bufio.NewScanner(file)
	for number := 1; lines.Scan(); number++ {
		line := lines.Text()
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 6 || fields[4] != "yes" && fields[4] != "no" {
			t.Fatalf("line %d: %q is no row: language, mode, terms, text, yes or no, why", number, line)
		}
		language, mode, text, why := fields[0], fields[1], character(t, fields[3]), fields[5]
		got := false
		switch mode {
		case "opt-out":
			got = optOut.Whole(text)
		case string(keyword.Word), string(keyword.Substring):
			rule := ruleOf(t, fields[2])
			rule.Mode = keyword.Mode(mode)
			got = len(keyword.Compile([]keyword.Rule{rule}).Match(text)) == 1
		default:
			t.Fatalf("line %d: mode %q", number, mode)
		}
		if got != (fields[4] == "yes") {
			t.Errorf("line %d, %s, %s: %s matches %+q: %t, but %s", number, language, mode, fields[2], text, got, why)
		}
		rows[language+" "+mode]++
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	for _, language := range []string{"English", "Norwegian", "Hebrew", "Vietnamese", "Chinese"} {
		for _, mode := range []string{"word", "substring", "opt-out"} {
			if rows[language+" "+mode] == 0 {
				t.Errorf("no row of %s in mode %s", language, mode)
			}
		}
	}
}

// ruleOf reads the terms of a row.
func ruleOf(t *testing.T, terms string) keyword.Rule {
	t.Helper()
	rule := keyword.Rule{Event: "k"}
	for _, term := range strings.Split(character(t, terms), ";") {
		switch {
		case strings.HasPrefix(term, "+"):
			rule.All = append(rule.All, term[1:])
		case strings.HasPrefix(term, "-"):
			rule.None = append(rule.None, term[1:])
		default:
			rule.Any = append(rule.Any, term)
		}
	}
	return rule
}

// character replaces escapes like \u0301 and \n, which nobody could see in a table.
func character(t *testing.T, field string) string {
	t.Helper()
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(field, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%q: %v", field, err)
	}
	return text
}
