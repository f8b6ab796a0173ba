package stream

import (
	"sync/atomic"
	"time"
)

const (
	// turnTime is how long a flush keeps those of other shards waiting. As a rule it takes a
	// millisecond or two; one that takes longer is held up, by a slow disk as a rule, and the
	// others go on without it. With 20 ms one call in a hundred waited for that long.
	turnTime = 3 * time.Millisecond
	// gatherTime is the least time from the beginning of a flush of several calls to that of
	// the next: where many come, more are gathered. To write one more hit takes Redis a
	// fifteenth of what a flush takes it, of which half is telling its disk.
	gatherTime = time.Millisecond
)

// turns has the shards of a writer flush one after the other, while Redis answers as it
// should. Calls are gathered by one shard until it is its turn, so that a flush takes what
// has come since the one before it, which was another shard's. What a flush costs beside
// its hits, in Redis and on its disk above all, is paid once for all of them. A shard that has
// gathered as much as a flush may have needs no turn. In a cluster the shards may be on several
// nodes and still take turns: one that answers slowly delays the others by up to its turn.
type turns struct {
	time      time.Duration // that a turn may take
	free      chan former   // holds the turn when nobody has it
	gathering atomic.Uint64 // the shard that calls go to, modulo their number
}

// former is the flush before.
type former struct {
	begun time.Time
	many  bool // it was of several calls
}

func newTurns(limit time.Duration) *turns {
	t := &turns{time: limit, free: make(chan former, 1)}
	t.free <- former{}
	return t
}

// take waits for the turn, or until full says that none is needed. It ends when the function
// that is returned is called, with how many calls it was for, or with its time.
func (t *turns) take(full <-chan struct{}) (end func(calls int)) {
	var before former
	select {
	case before = <-t.free:
	case <-full:
		return func(int) {}
	}
	if rest := gatherTime - time.Since(before.begun); before.many && rest > 0 {
		<-time.After(rest)
	}
	begun := time.Now()
	var ended atomic.Bool
	give := func(calls int) {
		if !ended.Swap(true) {
			t.free <- former{begun, calls > 1}
		}
	}
	late := time.AfterFunc(t.time, func() { give(0) })
	return func(calls int) {
		late.Stop()
		give(calls)
	}
}
