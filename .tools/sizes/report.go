package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// The house's caps. What fails the build is what can always be mended by cutting;
// the others are printed, to be judged by a reader.
const (
	maxFileLines         = 500
	maxFunctionLines     = 80
	maxTestFunctionLines = 120
	maxNesting           = 3
	maxTestNesting       = 4 // a subtest in a loop is one more
	maxParameters        = 4
	maxTestParameters    = 6 // a row of a table, written as a call
	maxFields            = 20
	maxPackageLines      = 1500
	minComments          = 10 // per 100 lines of code
	maxComments          = 35
	fewLines             = 60 // below this many lines of code a share says nothing
)

// breach is one figure beyond its cap.
type breach struct {
	fails bool
	at    string
	text  string
}

// judge lists every breach, in the order of packages and files.
func judge(packages []pack) []breach {
	var all []breach
	for _, p := range packages {
		for _, f := range p.files {
			all = append(all, judgeFile(f)...)
		}
		all = append(all, judgePackage(p)...)
	}
	return all
}

func judgeFile(f file) []breach {
	var found []breach
	over := func(fails bool, at, what string, got, most int) {
		if got > most {
			found = append(found, breach{fails, at, fmt.Sprintf("%s: %d, at most %d", what, got, most)})
		}
	}
	longest, deepest, most := maxFunctionLines, maxNesting, maxParameters
	if f.test {
		longest, deepest, most = maxTestFunctionLines, maxTestNesting, maxTestParameters
	}
	over(true, f.path, "lines of file", f.lines, maxFileLines)
	for _, fn := range f.functions {
		over(true, fn.at, fn.name+": lines", fn.lines, longest)
		over(true, fn.at, fn.name+": nesting", fn.nesting, deepest)
		over(true, fn.at, fn.name+": parameters (take a struct)", fn.parameters, most)
	}
	for _, s := range f.structs {
		if !strings.HasSuffix(s.name, "Config") {
			over(false, s.at, s.name+": fields", s.fields, maxFields)
		}
	}
	for _, u := range f.undocumented {
		found = append(found, breach{true, u.at, u.name + ": exported without a doc comment"})
	}
	return found
}

func judgePackage(p pack) []breach {
	var found []breach
	t := p.total(false)
	if t.lines > maxPackageLines {
		found = append(found, breach{false, p.folder, fmt.Sprintf("lines of package: %d, at most %d", t.lines, maxPackageLines)})
	}
	if share := t.comments(); t.code >= fewLines && (share < minComments || share > maxComments) {
		found = append(found, breach{false, p.folder, fmt.Sprintf("comments per 100 lines of code: %d, should be %d to %d", share, minComments, maxComments)})
	}
	return found
}

// sum is a package's figures, of its tests or of its other files.
type sum struct {
	files, lines, code, comment int
	functions                   []int // lengths, ascending
	nesting, parameters         int   // the most
}

func (p pack) total(test bool) sum {
	var s sum
	for _, f := range p.files {
		if f.test != test {
			continue
		}
		s.files++
		s.lines += f.lines
		s.code += f.code
		s.comment += f.comment
		for _, fn := range f.functions {
			s.functions = append(s.functions, fn.lines)
			s.nesting = max(s.nesting, fn.nesting)
			s.parameters = max(s.parameters, fn.parameters)
		}
	}
	slices.Sort(s.functions)
	return s
}

// comments is the lines of comment per 100 lines of code.
func (s sum) comments() int {
	return s.comment * 100 / max(1, s.code)
}

// percentile is the function length that p percent of the functions do not exceed.
func (s sum) percentile(p int) int {
	if len(s.functions) == 0 {
		return 0
	}
	return s.functions[(len(s.functions)-1)*p/100]
}

func printTable(out io.Writer, packages []pack) {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "files\tlines\tfunc p50\tp90\tmax\tnesting\tparams\tcomments/100\ttest/code\t  package")
	for _, p := range packages {
		s, tests := p.total(false), p.total(true)
		if s.files == 0 {
			s, tests = tests, sum{}
		}
		fmt.Fprintf(w, "%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t  %s\n",
			s.files, s.lines, s.percentile(50), s.percentile(90), s.percentile(100), s.nesting, s.parameters,
			s.comments(), float64(tests.code)/float64(max(1, s.code)), p.folder)
	}
	w.Flush()
}

// printBreaches prints every breach and returns how many of them fail.
func printBreaches(out io.Writer, breaches []breach) (failed int) {
	for _, b := range breaches {
		kind := "note"
		if b.fails {
			kind = "FAIL"
			failed++
		}
		fmt.Fprintf(out, "%s %s: %s\n", kind, b.at, b.text)
	}
	return failed
}
