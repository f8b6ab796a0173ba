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
// while the process uses fewer than soft bytes, without its binary. What is alive bounds
// it from below, so that a large heap is collected as Go does by default, and no more
// often. Of GOGC and GOMEMLIMIT whatever look finds in the environment stands as it is.
func Ease(ctx context.Context, soft int64, look func(name string) (string, bool)) {
	if _, set := look("GOGC"); !set {
		debug.SetGCPercent(heapPercent)
	}
	if _, set := look("GOMEMLIMIT"); set {
		return
	}
	debug.SetMemoryLimit(limit(soft, 0))
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				debug.SetMemoryLimit(limit(soft, aliveBytes()))
			}
		}
	}()
}

// limit is that of a process of which so many bytes were alive when the heap was last
// collected.
func limit(soft int64, alive uint64) int64 {
	return max(soft, int64(2*alive)+soft/4)
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
