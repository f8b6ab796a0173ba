package simulation_test

import (
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// setting reads a number from the environment.
func setting(t *testing.T, name string, otherwise uint64) (uint64, bool) {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise, false
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n, true
}

// Not parallel: runs share the source of ids.
func TestSimulation(t *testing.T) {
	if seed, only := setting(t, "TOUCHLINE_SEED", 0); only {
		end := play(t, seed, "")
		t.Logf("the run:\n%s", strings.Join(end.trace, "\n"))
		t.Logf("seed %d, digest %016x", seed, end.digest)
		if end.fault != "" {
			t.Fatalf("seed %d: %s", seed, end.fault)
		}
		return
	}
	seeds, _ := setting(t, "TOUCHLINE_SEEDS", 500)
	met := map[string]int{}
	for seed := range seeds {
		end := play(t, seed, "")
		if end.fault != "" {
			t.Errorf("seed %d: %s\nTOUCHLINE_SEED=%d go test -v -run TestSimulation ./simulation shows the run, which ended with\n%s",
				seed, end.fault, seed, strings.Join(end.trace[max(0, len(end.trace)-40):], "\n"))
			break
		}
		for what, n := range end.met {
			met[what] += n
		}
	}
	for _, what := range slices.Sorted(maps.Keys(met)) {
		t.Logf("%-32s %d", what, met[what])
	}
}

// The same seed is the same run, step by step.
func TestSimulation_Repeats(t *testing.T) {
	for seed := range uint64(25) {
		first, second := play(t, seed, ""), play(t, seed, "")
		for i := range min(len(first.trace), len(second.trace)) {
			if first.trace[i] != second.trace[i] {
				t.Fatalf("seed %d differs:\n%s\n%s", seed, strings.Join(first.trace[max(0, i-5):i+1], "\n"), second.trace[i])
			}
		}
		if first.digest != second.digest {
			t.Fatalf("seed %d: digests %016x and %016x", seed, first.digest, second.digest)
		}
	}
}

// Bugs that are planted are found.
func TestSimulation_FindsBugs(t *testing.T) {
	for _, b := range []bug{ackFirst, settleFirst, noReceipts, sameNumbers, trimmed} {
		t.Run(string(b), func(t *testing.T) {
			const most = 40
			for seed := range uint64(most) {
				if end := play(t, seed, b); end.fault != "" {
					t.Logf("seed %d: %s", seed, end.fault)
					return
				}
			}
			t.Errorf("not found with %d seeds", most)
		})
	}
}
