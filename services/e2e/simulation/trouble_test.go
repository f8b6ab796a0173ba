package simulation_test

import (
	"cmp"
	"time"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
)

func compareCalls(a, b *call) int {
	return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(a.proc.name, b.proc.name), cmp.Compare(a.task, b.task), cmp.Compare(a.name, b.name))
}

// trouble happens before a step, seldom.
func (w *world) trouble() {
	switch lot := w.random.IntN(2000); {
	case lot < 12:
		w.kill(w.procs[w.random.IntN(len(w.procs))])
	case lot < 50:
		if p := w.procs[w.random.IntN(len(w.procs))]; p.dead {
			p.start()
		}
	case lot < 56:
		p := w.procs[w.random.IntN(len(w.procs))]
		p.paused = time.Now().Add(time.Duration(w.random.IntN(30)) * time.Second)
		w.met["paused"]++
		w.note("%s is paused", p.name)
	case lot < 64:
		where := []string{"redis", "postgres"}[w.random.IntN(2)]
		w.down[where] = time.Now().Add(time.Duration(w.random.IntN(8000)) * time.Millisecond)
		w.met[where+" away"]++
		w.note("%s is away", where)
	case lot < 70 && w.lossy:
		w.lose()
	case lot < 74 && w.lossy:
		s := w.streams.Save()
		w.saved = &s
	}
}

// lose has Redis come back with nothing, or with what it had some time ago. What its
// books said by then was seen by whoever searches for lost hits.
func (w *world) lose() {
	w.mark()
	old := streamtest.State{}
	if w.saved != nil && w.chance(500) {
		old = *w.saved
	}
	w.streams.Restart(old)
	w.lost = true
	w.met["redis lost data"]++
	w.note("redis loses data")
}

// mark notes how far numbers were appended, as the ledger's watch does every two seconds.
func (w *world) mark() {
	for _, b := range w.streams.Books() {
		for epoch, last := range b.Appended {
			of := hit.Receipt{Epoch: epoch, Shard: b.Shard}
			w.marked[of] = max(w.marked[of], last)
		}
	}
	for of, last := range w.store.Last() {
		of := hit.Receipt{Epoch: of.Epoch, Shard: of.Shard}
		w.marked[of] = max(w.marked[of], last)
	}
}

// heal ends all trouble and starts whoever is dead.
func (w *world) heal() {
	w.calm, w.healed = true, time.Now()
	w.note("all is well from now on")
	for _, p := range w.procs {
		if p.dead {
			p.start()
		}
	}
}
