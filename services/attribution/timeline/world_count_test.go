package timeline_test

import (
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/touchline/touchline/services/attribution/timeline"
)

// The count that `make e2e` prints beside those of the whole system: every world
// straight through the pure packages, in order, and permuted with copies among the
// facts. The time is told, not judged.
func TestDerive_WorldsCounted(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(worlds, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no worlds in %s: %v", worlds, err)
	}
	const orders = 5
	var inOrder, permuted time.Duration
	passed, failed := 0, 0
	for _, file := range files {
		w := readWorld(t, file)
		in := w.input(t)
		agrees := t.Run(w.Name, func(t *testing.T) {
			begun := time.Now()
			out := timeline.Derive(in)
			inOrder += time.Since(begun)
			w.compare(t, out)
			for seed := range uint64(orders) {
				in := in
				in.Facts = permute(in.Facts, seed)
				begun := time.Now()
				out := timeline.Derive(in)
				permuted += time.Since(begun)
				w.compare(t, out)
			}
		})
		if agrees {
			passed++
		} else {
			failed++
		}
	}
	t.Logf("%d passed, %d failed: %d ms in order, %d ms in %d permutations each",
		passed, failed, inOrder.Milliseconds(), permuted.Milliseconds(), orders)
}

// permute shuffles a copy of a list, about every other element of which is there
// twice.
func permute[T any](list []T, seed uint64) []T {
	random := rand.New(rand.NewPCG(seed, 1))
	all := slices.Clone(list)
	for _, x := range list {
		if random.IntN(2) == 0 {
			all = append(all, x)
		}
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}
