// Package load sends prepared requests over connections that are kept open, and measures
// how long the answers took. It is written for little CPU time of its own: requests are
// bytes before the clock starts, and of an answer only status and length are read.
package load

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Request is a whole request of HTTP/1.1, head and body.
type Request struct {
	Bytes []byte
	Items int // what it carries: hits, statuses
}

// Plan says what to send.
type Plan struct {
	Addr     string // host:port
	Conns    int    // connections, each with one request under way at a time
	Requests []Request
	Times    int           // how often each request is sent, in turn; 0: until For is over
	For      time.Duration // 0: no limit
	// Rate is how many requests are due a second, evenly; 0: each as soon as the answer
	// before it has come. A late request's latency counts from when it was due.
	Rate float64
	// Hold, when set, keeps requests back for as long as it says so.
	Hold func() bool
	// Answered, when set, is told of each request by its number, counted from 0.
	Answered func(n int)
}

// Result is what came of a plan.
type Result struct {
	Requests, Items int
	Wall            time.Duration
	latencies       []time.Duration // in order of size
}

// Quantile is the latency that the given part of all answers did not exceed.
func (r *Result) Quantile(part float64) time.Duration {
	if len(r.latencies) == 0 {
		return 0
	}
	return r.latencies[min(len(r.latencies)-1, int(part*float64(len(r.latencies))))]
}

// run is a plan under way.
type run struct {
	Plan
	begun time.Time
	next  atomic.Int64
}

// Send sends everything and waits for the answers. An answer that is no success ends it
// with an error.
func Send(ctx context.Context, plan Plan) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &run{Plan: plan, begun: time.Now()}
	if plan.For > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithDeadline(ctx, r.begun.Add(plan.For))
		defer stop()
	}
	results := make([]Result, plan.Conns)
	var group sync.WaitGroup
	for i := range results {
		group.Go(func() {
			if err := r.connection(ctx, &results[i]); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	total := Result{Wall: time.Since(r.begun)}
	for i := range results {
		total.Requests += results[i].Requests
		total.Items += results[i].Items
		total.latencies = append(total.latencies, results[i].latencies...)
	}
	slices.Sort(total.latencies)
	err := context.Cause(ctx)
	if plan.For > 0 && errors.Is(err, context.DeadlineExceeded) {
		err = nil // as planned
	}
	return total, err
}

// connection sends one request after the other until nothing is left or ctx ends.
func (r *run) connection(ctx context.Context, result *Result) error {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4096)
	for {
		n := int(r.next.Add(1) - 1)
		if r.Times > 0 && n >= r.Times*len(r.Requests) {
			return nil
		}
		due, err := r.wait(ctx, n)
		if err != nil {
			return nil // the time is over
		}
		request := &r.Requests[n%len(r.Requests)]
		if _, err := conn.Write(request.Bytes); err != nil {
			return err
		}
		if err := readAnswer(in); err != nil {
			return err
		}
		result.Requests++
		result.Items += request.Items
		result.latencies = append(result.latencies, time.Since(due))
		if r.Answered != nil {
			r.Answered(n)
		}
	}
}

// wait waits until the n-th request is due and returns when that was.
func (r *run) wait(ctx context.Context, n int) (time.Time, error) {
	for r.Hold != nil && r.Hold() && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	if r.Rate <= 0 {
		return time.Now(), ctx.Err()
	}
	due := r.begun.Add(time.Duration(float64(n) / r.Rate * float64(time.Second)))
	if rest := time.Until(due); rest > 0 {
		select {
		case <-ctx.Done():
		case <-time.After(rest):
		}
	}
	return due, ctx.Err()
}

// most of an answer that is no success is quoted.
const most = 500

// readAnswer reads one answer to its end; one that is no success is an error.
func readAnswer(in *bufio.Reader) error {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return fmt.Errorf("read an answer: %w", err)
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return fmt.Errorf("%q is no answer", line)
	}
	success, status := line[9] == '2', string(line[9:12])
	length, err := readHead(in)
	if err != nil {
		return err
	}
	if !success {
		text, _ := in.Peek(min(max(length, in.Buffered()), most)) // what there is of it
		return fmt.Errorf("answered %s: %s", status, text)
	}
	if length != chunked {
		_, err = in.Discard(length)
		return err
	}
	for length != 0 && err == nil {
		length, err = skipChunk(in)
	}
	return err
}

// chunked is the length of a body that comes in pieces.
const chunked = -1

// skipChunk reads one piece and returns its length; the last one is empty.
func skipChunk(in *bufio.Reader) (int, error) {
	line, err := in.ReadSlice('\n')
	if err != nil {
		return 0, fmt.Errorf("read an answer: %w", err)
	}
	length, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
	if err != nil {
		return 0, fmt.Errorf("length of a piece of an answer: %w", err)
	}
	_, err = in.Discard(int(length) + len("\r\n"))
	return int(length), err
}

// readHead reads the header and returns the length of the body, or chunked.
func readHead(in *bufio.Reader) (length int, err error) {
	for {
		line, err := in.ReadSlice('\n')
		if err != nil {
			return 0, fmt.Errorf("read an answer: %w", err)
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			return length, nil
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, fmt.Errorf("length of an answer: %w", err)
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			length = chunked
		}
	}
}
