package memory

import (
	"context"
	"math"
	"runtime"
	"runtime/debug"
	"sync"
	"testing"
)

const soft = 192 << 20

// What the operator sets stands; what is not set is eased.
func TestEase(t *testing.T) { //nolint:paralleltest // it is the whole process that is set
	percent, former := debug.SetGCPercent(100), debug.SetMemoryLimit(math.MaxInt64)
	t.Cleanup(func() { debug.SetGCPercent(percent); debug.SetMemoryLimit(former) })
	for _, c := range []struct {
		name    string
		env     map[string]string
		percent int
		limit   int64
	}{
		{"nothing is set", nil, heapPercent, soft},
		{"GOGC is set", map[string]string{"GOGC": "100"}, 100, soft},
		{"GOMEMLIMIT is set", map[string]string{"GOMEMLIMIT": "1GiB"}, heapPercent, math.MaxInt64},
		{"both are set", map[string]string{"GOGC": "100", "GOMEMLIMIT": "1GiB"}, 100, math.MaxInt64},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		Ease(ctx, soft, func(name string) (string, bool) { value, set := c.env[name]; return value, set })
		cancel()
		if got := debug.SetGCPercent(100); got != c.percent {
			t.Errorf("%s: GOGC is %d, want %d", c.name, got, c.percent)
		}
		if got := debug.SetMemoryLimit(math.MaxInt64); got != c.limit {
			t.Errorf("%s: the limit is %d, want %d", c.name, got, c.limit)
		}
	}
}

// What is alive never leaves the collector without room: it would do nothing else.
func TestLimit(t *testing.T) {
	t.Parallel()
	for _, mib := range []uint64{0, 10, 50, 96, 200, 1000, 10_000} {
		for _, beside := range []uint64{0, 20 << 20, 200 << 20} {
			alive := mib << 20
			if got := limit(soft, alive, beside); got < soft || uint64(got) < max(alive+alive/2, alive+soft/2)+beside {
				t.Errorf("%d MiB alive, %d beside: a limit of %d MiB", mib, beside>>20, got>>20)
			}
		}
	}
}

// Stacks are no heap, and the limit counts them.
func TestInUse(t *testing.T) { //nolint:paralleltest // it is the whole process that is looked at
	runtime.GC()
	alive, before := inUse()
	if alive == 0 {
		t.Error("nothing is alive")
	}
	const stacks, size = 1000, 64 << 10
	var deep, all sync.WaitGroup
	release := make(chan struct{})
	deep.Add(stacks)
	for range stacks {
		all.Go(func() {
			var room [size / 2]byte
			fill(&room)
			deep.Done()
			<-release
			fill(&room)
		})
	}
	deep.Wait()
	if _, beside := inUse(); beside < before+stacks*size/2 {
		t.Errorf("%d MiB are no heap with %d stacks of %d KiB, %d without", beside>>20, stacks, size>>10, before>>20)
	}
	close(release)
	all.Wait()
}

//go:noinline
func fill(room *[32 << 10]byte) {
	for i := range room {
		room[i]++
	}
}
