package stream

import (
	"sync/atomic"
	"time"
)

// turnTime is how long a flush keeps those of other shards waiting. One that takes longer
// is held up, and the others go on without it.
const turnTime = 20 * time.Millisecond

// turns has the shards of a writer flush one after the other, while Redis answers as it
// should. Calls are gathered by one shard until it is its turn, so that a flush takes what
// has come since the one before it, which was another shard's. What a flush costs beside
// its hits, in Redis and on its disk above all, is paid once for all of them.
type turns struct {
	free      chan struct{} // holds the one turn when nobody has it
	gathering atomic.Uint64 // the shard that calls go to, modulo their number
}

func newTurns() *turns {
	t := &turns{free: make(chan struct{}, 1)}
	t.free <- struct{}{}
	return t
}

// take waits for the turn. It ends when the function that is returned is called, or with
// its time.
func (t *turns) take() (end func()) {
	<-t.free
	var ended atomic.Bool
	give := func() {
		if !ended.Swap(true) {
			t.free <- struct{}{}
		}
	}
	late := time.AfterFunc(turnTime, give)
	return func() {
		late.Stop()
		give()
	}
}
