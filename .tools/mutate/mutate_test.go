package main

import (
	"bytes"
	"fmt"
	"go/format"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// The sample's survivors are those that its tests must leave alive, no more and no
// fewer; what is killed is counted by place.
func TestRun_Sample(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Chdir("testdata/sample")
	shortest = time.Second // Endless is ended after that
	mutants, err := run(t.Context(), []string{"."}, options{workers: 2, skip: "^$", choose: func(*mutant) bool { return true }})
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	killedAt, endedAt := map[int]int{}, map[int]int{}
	for _, m := range mutants {
		switch m.fate {
		case killed:
			killedAt[m.line]++
			continue
		case ended:
			endedAt[m.line]++
			continue
		}
		left = append(left, fmt.Sprintf("%s %d: %s -> %s", m.fate, m.line, m.before, m.after))
	}
	want := []string{
		"survived 13: n < 10 -> n <= 10", "survived 13: 10 -> one less",
		"unreached 20: a + b -> nothing", "unreached 20: a + b -> a - b",
		"survived 33: cmp.Compare(a[1], b[1]) -> reversed", "survived 33: cmp.Compare(a[1], b[1]) -> 0",
		"survived 33: 1 -> one less", "survived 33: 1 -> one less", // the first part again
	}
	slices.Sort(want)
	slices.Sort(left)
	if got, want := strings.Join(left, "\n"), strings.Join(want, "\n"); got != want {
		t.Errorf("left alive:\n%s\nwant:\n%s", got, want)
	}
	// && and its sides: 3, either edge: 2 each (boundary, negation), either constant: 1.
	if killedAt[9] != 9 {
		t.Errorf("%d mutants of line 9 are killed, want 9", killedAt[9])
	}
	// Without its step the loop has no end.
	if endedAt[25] == 0 {
		t.Error("a mutant that runs for ever was not ended")
	}
	var out bytes.Buffer
	if report(&out, mutants, 100) || !report(&out, mutants, 10) {
		t.Error("the least share decides nothing")
	}
	if !strings.Contains(out.String(), "example.test/sample") {
		t.Errorf("no row for the package:\n%s", out.String())
	}
}

// A mutant is tried by the tests alone under which it does something else than the code
// as it is.
func TestCompile_Differs(t *testing.T) {
	t.Setenv("GOWORK", "off")
	t.Chdir("testdata/sample")
	w, err := newWorkshop(t.TempDir(), []string{"."})
	if err != nil {
		t.Fatal(err)
	}
	overlay, _, err := w.build()
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.compile("example.test/sample", overlay, options{skip: "^TestFirst$"})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"9 n > 0 -> n >= 0":       "TestKept",
		"13 n < 10 -> n <= 10":    "", // reached, and never with a 10
		"13 n < 10 -> true":       "TestLoose",
		"20 a + b -> a - b":       "",
		"24 n > 0 -> n >= 0":      "TestEndless",
		"39 n%2 != 0 -> true":     "", // skipped
		"33 1 -> one less":        "TestOrder",
		"9 n <= most -> n < most": "TestKept",
	}
	for _, m := range w.mutants {
		key := fmt.Sprintf("%d %s -> %s", m.line, m.before, m.after)
		tests, known := want[key]
		if !known {
			continue
		}
		var names []string
		for _, part := range b.parts(m.id) {
			for _, test := range part {
				names = append(names, test.name)
			}
		}
		if got := strings.Join(names, " "); got != tests {
			t.Errorf("%s is tried by %q, want %q", key, got, tests)
		}
		if m.line != 33 { // its parts are alike
			delete(want, key)
		}
	}
	delete(want, "33 1 -> one less")
	if len(want) > 0 {
		t.Errorf("no such mutants: %v", want)
	}
}

// Tests run by their cost, the small ones together.
func TestParts(t *testing.T) {
	t.Parallel()
	costs := []time.Duration{10, 20, 80, 30, 90, 300, 400} // ms
	b := &binary{}
	for i, ms := range costs {
		b.tests = append(b.tests, test{fmt.Sprint(i), ms * time.Millisecond, map[int]bool{7: i != 1}})
	}
	var got []string
	for _, part := range b.parts(7) {
		names := ""
		for _, one := range part {
			names += one.name
		}
		got = append(got, names)
	}
	if want := "023 45 6"; strings.Join(got, " ") != want {
		t.Errorf("parts %q, want %q", got, want)
	}
	if parts := b.parts(8); parts != nil {
		t.Errorf("no test differs, and %v are run", parts)
	}
}

// A share is the same for one seed, and about as large as asked.
func TestChooser(t *testing.T) {
	t.Parallel()
	first, again, other := chooser(0.2, 1), chooser(0.2, 1), chooser(0.2, 2)
	chosen, differ := 0, 0
	for id := range 1000 {
		if first(id) != again(id) {
			t.Fatalf("mutant %d is chosen by chance", id)
		}
		if first(id) {
			chosen++
		}
		if first(id) != other(id) {
			differ++
		}
	}
	if chosen < 150 || chosen > 250 || differ == 0 {
		t.Errorf("%d of 1000 chosen, %d otherwise with another seed", chosen, differ)
	}
}

// The schema is Go, for every operator.
func TestSchema(t *testing.T) {
	t.Parallel()
	if _, err := format.Source([]byte(schemaOf("p"))); err != nil {
		t.Error(err)
	}
	for _, op := range operators {
		if !strings.Contains(schemaOf("p"), "func mutant"+op.name+"[") {
			t.Errorf("%s has no function", op.name)
		}
	}
}

// Errors drop the mutants that begin on their line or last before it.
func TestDrop(t *testing.T) {
	t.Parallel()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	w := &workshop{mutants: []*mutant{{file: folder + "/a.go", line: 3}, {file: folder + "/a.go", line: 9}, {file: folder + "/b.go", line: 4}}}
	dropped := map[place]bool{}
	if !w.drop([]byte("# p\na.go:5:1: missing return\n"), dropped) || len(dropped) != 1 || !dropped[place{folder + "/a.go", 3}] {
		t.Errorf("dropped %v", dropped)
	}
	if w.drop([]byte("a.go:5:1: missing return\nc.go:1:1: other\n"), dropped) {
		t.Error("there was nothing more to drop")
	}
}
