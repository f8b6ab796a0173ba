package stream

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
)

// server is one Redis that a test runs against.
type server struct {
	client redis.UniversalClient
	addr   string
	cfg    Config
	mini   bool // it is miniredis
}

// realOnly skips what miniredis does otherwise.
func (s server) realOnly(t *testing.T, why string) {
	t.Helper()
	if s.mini {
		t.Skip("skipped on miniredis: " + why)
	}
}

// eachServer runs a test over miniredis, and over a real Redis when there is one.
func eachServer(t *testing.T, test func(t *testing.T, s server)) {
	t.Helper()
	quiet := slog.New(slog.NewTextHandler(io.Discard, nil))
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		addr := miniredis.RunT(t).Addr()
		client, err := NewWriterClient("redis://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close() })
		test(t, server{client: client, addr: addr, cfg: Config{Shards: 2, Timeout: time.Minute, Logger: quiet, disk: time.Minute}, mini: true})
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client, prefix := redistest.New(t)
		node, ok := client.(*redis.Client)
		if !ok {
			t.Fatal("the test Redis is a cluster")
		}
		test(t, server{client: client, addr: node.Options().Addr, cfg: Config{Prefix: prefix, Shards: 2, Timeout: time.Minute, Logger: quiet, disk: time.Minute}})
	})
}

func newWriter(t testing.TB, client redis.UniversalClient, cfg Config, epoch uuid.UUID) *Writer {
	t.Helper()
	w, err := NewWriter(client, cfg, epoch)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// writer starts a writer that is closed with the test.
func (s server) writer(t *testing.T, client redis.UniversalClient) *Writer {
	t.Helper()
	w := newWriter(t, client, s.cfg, uuid.New())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = w.Close(ctx)
	})
	return w
}

func (s server) reader() *Reader { return NewReader(s.client, s.cfg, "test", uuid.New()) }

// through returns a client whose connections go through a fault proxy.
func (s server) through(t *testing.T) (redis.UniversalClient, *proxy) {
	t.Helper()
	p := newProxy(t, s.addr)
	address := url.URL{Scheme: "redis", Host: p.listener.Addr().String()}
	if node, ok := s.client.(*redis.Client); ok && node.Options().Password != "" {
		address.User = url.UserPassword(node.Options().Username, node.Options().Password)
	}
	client, err := NewWriterClient(address.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client, p
}

// newHits returns n hits of one source with ids of their own.
func newHits(n int) []hit.Hit {
	hits := make([]hit.Hit, n)
	source, workspace := uuid.New(), uuid.New()
	for i := range hits {
		hits[i] = hit.Hit{Workspace: workspace, Fact: hit.Fact{
			Kind: hit.KindEvent, Source: source, Trust: hit.TrustServer, ID: uuid.NewString(),
			At: 1, ReceivedAt: 2, Event: &hit.Event{Name: "Order Completed"},
		}}
	}
	return hits
}

func mustAppend(t *testing.T, w *Writer, hits []hit.Hit) hit.Receipt {
	t.Helper()
	receipt, err := w.Append(t.Context(), hits)
	if err != nil {
		t.Fatalf("append: %v", err)
	}
	return receipt
}

// eventually polls a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline:
			t.Fatalf("not within a minute: %s", what)
		case <-tick.C:
		}
	}
}

// fault is what a proxy does with the bytes it sees.
type fault int

const (
	faultNone    fault = iota
	faultSwallow       // requests arrive, answers don't
	faultCut           // requests arrive, the connection is closed instead of an answer
	faultLate          // requests arrive after lateBy, even when the client has gone; answers don't
	faultRefuse        // connections are closed at once
)

const lateBy = 120 * time.Millisecond

// proxy stands between a client and Redis.
type proxy struct {
	listener net.Listener
	target   string
	mu       sync.Mutex
	fault    fault
	late     atomic.Int64 // requests that are still held back
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go p.serve(conn)
		}
	}()
	return p
}

func (p *proxy) set(f fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.fault = f
}

func (p *proxy) now() fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.fault
}

// serve carries one connection. The way to Redis outlives the client's side by
// lateBy, so that a held back request is delivered.
func (p *proxy) serve(client net.Conn) {
	defer client.Close()
	if p.now() == faultRefuse {
		return
	}
	upstream, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer time.AfterFunc(2*lateBy, func() { _ = upstream.Close() })
	go p.answers(upstream, client)
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		switch p.now() {
		case faultRefuse:
			return
		case faultLate:
			held := append([]byte(nil), buf[:n]...)
			p.late.Add(1)
			time.AfterFunc(lateBy, func() {
				defer p.late.Add(-1)
				_, _ = upstream.Write(held)
			})
		default:
			if _, err := upstream.Write(buf[:n]); err != nil {
				return
			}
		}
	}
}

func (p *proxy) answers(upstream, client net.Conn) {
	buf := make([]byte, 1<<16)
	for {
		n, err := upstream.Read(buf)
		if err != nil {
			_ = client.Close()
			return
		}
		switch p.now() {
		case faultNone:
			if _, err := client.Write(buf[:n]); errors.Is(err, net.ErrClosed) {
				continue
			}
		case faultCut, faultRefuse:
			_ = client.Close()
		}
	}
}

// fieldOf names a source in the books.
func fieldOf(workspace, source uuid.UUID) string { return workspace.String() + "/" + source.String() }
