//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
)

// request is what a client sends, again and again under the same ids until it is
// acknowledged, as SDKs do.
type request struct {
	Path   string
	Header map[string]string
	Body   []byte
	Facts  []uuid.UUID // what must be stored once it is acknowledged, in order
}

// try is one sending of a request: a line of the witness.
type try struct {
	Request int       `json:"request"`
	At      time.Time `json:"at"`
	Took    string    `json:"took"`
	Status  int       `json:"status"` // 0: no answer
	Receipt string    `json:"receipt,omitempty"`
	Count   int       `json:"count,omitempty"`
	Retry   string    `json:"retry_after,omitempty"`
	Error   string    `json:"error,omitempty"`
}

// acknowledged tells whether the sender was told that its hits are safe.
func (t try) acknowledged() bool { return t.Status == http.StatusOK }

// load sends mixed requests in an open loop: how many depends on the clock and not on
// the answers. It is the witness too: what it was told is written down, also to a file.
type load struct {
	w       *world
	client  *http.Client
	patient bool // retries until acknowledged
	edges   []string
	making  *maker
	slots   chan struct{} // bounds requests under way
	done    sync.WaitGroup
	halt    chan struct{} // closed by stop
	giveUp  chan struct{} // closed when retrying ends

	acks    atomic.Int64 // acknowledged tries
	refused atomic.Int64 // answers 429 and 5xx
	silent  atomic.Int64 // no answer

	mu       sync.Mutex
	requests []request
	tries    []try
	log      *os.File
}

// pace says how a load goes.
type pace struct {
	rate      int  // requests a second
	impatient bool // never tries again
	fresh     bool // each request on a connection of its own
	padding   int  // bytes added to each event
}

// retryFor is how long after its stop a load goes on to retry. Long: a case that is
// over earlier does not use it.
const retryFor = time.Minute

// load begins to send.
func (w *world) load(p pace) *load {
	w.t.Helper()
	l := w.newLoad(p)
	l.done.Go(func() {
		tick := time.NewTicker(time.Second / time.Duration(p.rate))
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-l.halt:
				return
			case <-tick.C:
			}
			l.begin(l.making.next())
		}
	})
	return l
}

// newLoad is a load that sends only what it is told to, by send.
func (w *world) newLoad(p pace) *load {
	w.t.Helper()
	log, err := os.CreateTemp(w.dir, "witness-*.jsonl")
	if err != nil {
		w.t.Fatal(err)
	}
	l := &load{
		w: w, patient: !p.impatient, making: newMaker(w, p.padding), slots: make(chan struct{}, 400),
		halt: make(chan struct{}), giveUp: make(chan struct{}), log: log,
		client: &http.Client{Timeout: 8 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 100, DisableKeepAlives: p.fresh}},
	}
	for _, port := range w.edgePorts {
		l.edges = append(l.edges, "http://"+local(port))
	}
	w.t.Cleanup(func() { l.client.CloseIdleConnections(); _ = log.Close() })
	w.loads = append(w.loads, l)
	return l
}

// begin sends a request in the background, unless too many are under way.
func (l *load) begin(r request) {
	select {
	case l.slots <- struct{}{}:
	default:
		return // never sent: it is nobody's
	}
	l.done.Go(func() {
		defer func() { <-l.slots }()
		l.deliver(l.note(r), r)
	})
}

// note gives a request its number.
func (l *load) note(r request) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
	return len(l.requests) - 1
}

// deliver sends a request until it is acknowledged or the load gives up.
func (l *load) deliver(number int, r request) {
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if l.once(number, r).acknowledged() || !l.patient {
			return
		}
		select {
		case <-l.giveUp:
			return
		case <-time.After(pause):
		}
	}
}

// send sends a request once, in the foreground.
func (l *load) send(r request) try { return l.once(l.note(r), r) }

// once sends a request and writes down what came of it.
func (l *load) once(number int, r request) try {
	begun := time.Now()
	result := try{Request: number, At: begun.UTC()}
	header, err := l.post(l.edges[number%len(l.edges)]+r.Path, r, &result)
	result.Took = time.Since(begun).Round(time.Millisecond).String()
	switch {
	case err != nil:
		result.Error, result.Status = err.Error(), 0
		l.silent.Add(1)
	case result.acknowledged():
		result.Receipt = header.Get("Receipt")
		result.Count, _ = strconv.Atoi(header.Get("Receipt-Count")) // the checker compares it
		l.acks.Add(1)
	default:
		result.Retry = header.Get("Retry-After")
		l.refused.Add(1)
	}
	line, _ := json.Marshal(result) // of texts and numbers
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tries = append(l.tries, result)
	_, _ = l.log.Write(append(line, '\n')) // for people; the checker has tries
	return result
}

func (l *load) post(url string, r request, result *try) (http.Header, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	for name, value := range r.Header {
		request.Header.Set(name, value)
	}
	response, err := l.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	result.Status = response.StatusCode
	if response.StatusCode != http.StatusOK {
		result.Error = strings.TrimSpace(string(text[:min(len(text), 200)]))
	}
	return response.Header, err
}

// more waits until so many further requests were acknowledged.
func (l *load) more(n int64) {
	l.w.t.Helper()
	before := l.acks.Load()
	eventually(l.w.t, fmt.Sprintf("%d more requests are acknowledged", n), func() bool { return l.acks.Load() >= before+n })
}

// stop ends the sending of new requests and waits for those under way; with retries,
// until all are acknowledged.
func (l *load) stop() {
	close(l.halt)
	timer := time.AfterFunc(retryFor, func() { close(l.giveUp) })
	l.done.Wait()
	timer.Stop()
	if l.patient && l.unacknowledged() > 0 {
		l.w.t.Errorf("%d requests were not acknowledged a minute after the fault", l.unacknowledged())
	}
}

// unacknowledged is how many requests nobody said to be safe.
func (l *load) unacknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	told := map[int]bool{}
	for _, t := range l.tries {
		told[t.Request] = told[t.Request] || t.acknowledged()
	}
	return len(l.requests) - len(told) + countFalse(told)
}

func countFalse(told map[int]bool) int {
	n := 0
	for _, yes := range told {
		if !yes {
			n++
		}
	}
	return n
}

var loads atomic.Int64

// newMaker makes requests that no other maker of this run makes.
func newMaker(w *world, padding int) *maker {
	n := loads.Add(1)
	return &maker{
		w: w, name: fmt.Sprintf("%d-%d", w.seed, n), padding: strings.Repeat("x", padding),
		random: rand.New(rand.NewPCG(w.seed, uint64(n))),
	}
}
