package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A worker's heap is small beside what it allocates in a second, so that by default it
// would collect garbage dozens of times a second: a seventh of its time.
const (
	// heapPercent is by how much the heap may grow over what is alive before it is
	// collected, in place of Go's 100.
	heapPercent = 400
	// memorySoft is what the process may use before it is collected sooner: with the
	// binary itself it stays below 256 MiB.
	memorySoft = 192 << 20
	// memoryEvery is how often the limit is set anew.
	memoryEvery = time.Second
)

// EaseCollection sets the garbage collector of this process up for a worker, until ctx
// ends: it collects less often while there is little memory in use. What is alive bounds
// it from below, so that a large heap is collected as Go does by default, and no more
// often. Of GOGC and GOMEMLIMIT whatever look finds in the environment stands as it is.
func EaseCollection(ctx context.Context, look func(name string) (string, bool)) {
	if _, set := look("GOGC"); !set {
		debug.SetGCPercent(heapPercent)
	}
	if _, set := look("GOMEMLIMIT"); set {
		return
	}
	debug.SetMemoryLimit(memoryLimit(0))
	go func() {
		tick := time.NewTicker(memoryEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				debug.SetMemoryLimit(memoryLimit(aliveBytes()))
			}
		}
	}()
}

// memoryLimit is the limit for a process of which so many bytes were alive when the heap was
// last collected.
func memoryLimit(alive uint64) int64 {
	return max(memorySoft, int64(2*alive)+memorySoft/4)
}

// aliveBytes is how much of the heap the last collection left.
func aliveBytes() uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	if sample[0].Value.Kind() != metrics.KindUint64 {
		return 0
	}
	return sample[0].Value.Uint64()
}
