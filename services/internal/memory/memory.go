// Package memory has the garbage of a process collected less often than Go would, while
// there is little memory in use. The heap of a worker or an edge is small beside what it
// allocates in a second, so that by default it would be collected dozens of times a second:
// between a seventh and a tenth of its time.
package memory

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// heapPercent is by how much the heap may grow over what is alive before it is collected, in
// place of Go's 100.
const heapPercent = 400

// every is how often the limit is set anew.
const every = time.Second

// Ease sets the garbage collector of this process up, until ctx ends: it collects less often
// while the process uses fewer than soft bytes, without its binary. What is alive, and what
// is no heap, bound that from below, so that a large heap, or one beside many stacks, may grow
// by half before it is collected, and always by half of soft. Of GOGC and GOMEMLIMIT whatever look
// finds in the environment stands as it is.
func Ease(ctx context.Context, soft int64, look func(name string) (string, bool)) {
	if _, set := look("GOGC"); !set {
		debug.SetGCPercent(heapPercent)
	}
	if _, set := look("GOMEMLIMIT"); set {
		return
	}
	debug.SetMemoryLimit(limit(soft, 0, 0))
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				alive, beside := inUse()
				debug.SetMemoryLimit(limit(soft, alive, beside))
			}
		}
	}()
}

// limit is that of a process of which so many bytes were alive when the heap was last
// collected, beside so many that are no heap.
func limit(soft int64, alive, beside uint64) int64 {
	return max(soft, int64(alive+beside)+max(int64(alive/2), soft/4)+soft/4)
}

// inUse is how much of the heap the last collection left, and what else the limit counts: stacks
// and the runtime's own.
func inUse() (alive, beside uint64) {
	samples := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
	}
	metrics.Read(samples)
	values := make([]uint64, len(samples))
	for i, sample := range samples {
		if sample.Value.Kind() == metrics.KindUint64 {
			values[i] = sample.Value.Uint64()
		}
	}
	total, others := values[1], values[2]+values[3]+values[4]
	return values[0], total - min(total, others)
}
