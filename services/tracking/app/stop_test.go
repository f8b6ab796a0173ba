package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/registry"
)

// When the program stops, requests that have begun are answered and what they brought
// is kept, and nobody new is let in.
func TestRun_StopsGracefully(t *testing.T) {
	t.Parallel()
	const requests = 20
	client, prefix := redistest.New(t)
	source := registry.Source{ID: uuid.New(), Workspace: uuid.New(), Kind: registry.KindServer, WriteKey: "key"}
	if err := registry.NewPublisher(client, prefix, bytes.Repeat([]byte{7}, 32)).Replace(t.Context(), []registry.Source{source}); err != nil {
		t.Fatal(err)
	}
	p := startReady(t, environment("REDIS_URL", os.Getenv(redistest.Env), "TOUCHLINE_STREAM_PREFIX", prefix))
	addr := strings.TrimPrefix(p.public, "http://")
	idle := dial(t, addr) // a connection without a request is nothing to wait for
	var begun []*slow
	for i := range requests {
		begun = append(begun, begin(t, addr, fmt.Sprintf(`{"writeKey":"key","userId":"u","event":"E","messageId":"m%d"}`, i)))
	}
	stopped := make(chan error, 1)
	go func() { stopped <- p.stop() }()
	refused(t, addr)
	select {
	case err := <-stopped:
		t.Fatalf("stopped with %d requests under way: %v", requests, err)
	default:
	}
	receipts := map[string]bool{}
	for _, s := range begun {
		receipts[s.finish(t)] = true
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := idle.Read(make([]byte, 1)); err == nil {
		t.Error("the idle connection was answered")
	}
	for _, entry := range readAll(t, newReader(t, prefix), requests) {
		h, err := hit.Decode(entry.Payload)
		if err != nil || h.Fact.Event == nil {
			t.Fatalf("%+v, %v", h, err)
		}
		delete(receipts, fmt.Sprintf("%s-%d-%d", entry.Receipt.Epoch, entry.Receipt.Shard, entry.Receipt.Number))
	}
	if len(receipts) > 0 {
		t.Errorf("acknowledged and not kept: %v", receipts)
	}
}

// slow is a request of which the first half was sent.
type slow struct {
	conn net.Conn
	rest string
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

// begin sends the first half of a request, and returns when the server reads the body:
// it says so to a client that asks before it sends one.
func begin(t *testing.T, addr, body string) *slow {
	t.Helper()
	s := &slow{conn: dial(t, addr), rest: body[len(body)/2:]}
	if _, err := fmt.Fprintf(s.conn, "POST /v1/track HTTP/1.1\r\nHost: e\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n", len(body)); err != nil {
		t.Fatal(err)
	}
	const goOn = "HTTP/1.1 100 Continue\r\n\r\n"
	answer := make([]byte, len(goOn))
	if _, err := io.ReadFull(s.conn, answer); err != nil || string(answer) != goOn {
		t.Fatalf("%q, %v", answer, err)
	}
	if _, err := io.WriteString(s.conn, body[:len(body)/2]); err != nil {
		t.Fatal(err)
	}
	return s
}

// finish sends the other half and returns the receipt.
func (s *slow) finish(t *testing.T) string {
	t.Helper()
	if _, err := io.WriteString(s.conn, s.rest); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(s.conn), nil)
	if err != nil {
		t.Fatalf("a request under way was not answered: %v", err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK || answer.Header.Get("Receipt") == "" {
		t.Fatalf("status %d, %v", answer.StatusCode, answer.Header)
	}
	return answer.Header.Get("Receipt")
}

// refused waits until nothing listens.
func refused(t *testing.T, addr string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; <-time.After(5 * time.Millisecond) {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("connections are still accepted")
		}
	}
}
