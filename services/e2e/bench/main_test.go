package main

import (
	"testing"
	"time"
)

func TestParseBenchmark(t *testing.T) {
	t.Parallel()
	s, err := parseBenchmark([]byte("goos: linux\nBenchmarkAssign-2   \t    3000\t      4000 ns/op\t   42877 B/op\t    1232 allocs/op\nPASS\n"))
	if err != nil || s.Count != 3000 || s.Wall != 12*time.Millisecond || s.Extra["µs"] != 4 || s.Extra["allocations"] != 1232 {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := parseBenchmark([]byte("PASS\n")); err == nil {
		t.Errorf("no result reads as %+v", s)
	}
}

func TestParseOptions(t *testing.T) {
	for _, name := range []string{"DATABASE_URL", "REDIS_URL"} {
		t.Setenv(name, "set")
	}
	if o, err := parseOptions([]string{"-run", "edge", "-scale", "0.5"}); err != nil || !o.run.MatchString("edge-single") || o.run.MatchString("consume") || o.scale != 0.5 {
		t.Errorf("%+v, %v", o, err)
	}
	for _, bad := range [][]string{{"-run", "("}, {"-scale", "0"}, {"-rounds", "0"}, {"more"}} {
		if o, err := parseOptions(bad); err == nil {
			t.Errorf("%v is taken as %+v", bad, o)
		}
	}
	t.Setenv("REDIS_URL", "")
	if _, err := parseOptions(nil); err == nil {
		t.Error("without a Redis it begins")
	}
}

func TestSizeInWords(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{"auto-aof-rewrite-min-size", "67108864", "64mb"},
		{"auto-aof-rewrite-min-size", "1073741824", "1gb"},
		{"auto-aof-rewrite-min-size", "1500", "1500"},
		{"auto-aof-rewrite-min-size", "0", "0"},
		{"auto-aof-rewrite-percentage", "1024", "1024"},
		{"appendfsync", "always", "always"},
	} {
		if got := sizeInWords(c[0], c[1]); got != c[2] {
			t.Errorf("%s %s is written %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// Each row is of one group, so that -run finds it.
func TestGroups(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, g := range groups() {
		for _, row := range g.rows {
			if seen[row] || g.measure == nil {
				t.Errorf("%s is measured twice or not at all", row)
			}
			seen[row] = true
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d rows", len(seen))
	}
}
