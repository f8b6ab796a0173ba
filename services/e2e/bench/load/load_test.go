package load

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// counter is a server that adds up what arrived.
type counter struct {
	requests, bytes atomic.Int64
	status          int
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	c.requests.Add(1)
	c.bytes.Add(int64(len(body)))
	w.WriteHeader(c.status)
	fmt.Fprint(w, "thank you")
	if r.URL.Path == "/long" { // so long that it goes out in pieces
		fmt.Fprint(w, strings.Repeat("very ", 5000)+"much")
	}
}

func serve(t *testing.T, status int) (*counter, string) {
	t.Helper()
	c := &counter{status: status}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return c, strings.TrimPrefix(server.URL, "http://")
}

func TestSend_EachAsOftenAsSaid(t *testing.T) {
	t.Parallel()
	c, addr := serve(t, http.StatusOK)
	var told atomic.Int64
	requests := []Request{Post("/a", nil, []byte("four"), 4), Post("/b", nil, []byte("one"), 1)}
	got, err := Send(t.Context(), Plan{Addr: addr, Conns: 3, Requests: requests, Times: 5, Answered: func(n int) { told.Add(int64(n)) }})
	if err != nil || got.Requests != 10 || got.Items != 25 || c.requests.Load() != 10 || c.bytes.Load() != 35 || told.Load() != 45 {
		t.Errorf("%+v, %v; arrived %d requests of %d bytes, told %d", got, err, c.requests.Load(), c.bytes.Load(), told.Load())
	}
	if got.Quantile(0) <= 0 || got.Quantile(0.5) > got.Quantile(1) || len(got.latencies) != 10 {
		t.Errorf("latencies %v", got.latencies)
	}
}

// An answer that comes in pieces is read to its end, so that the next one is understood.
func TestSend_AnswersInPieces(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, http.StatusOK)
	got, err := Send(t.Context(), Plan{Addr: addr, Conns: 1, Requests: []Request{Get("/long"), Get("/a")}, Times: 3})
	if err != nil || got.Requests != 6 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSend_UntilTheTimeIsOver(t *testing.T) {
	t.Parallel()
	c, addr := serve(t, http.StatusOK)
	for span := 50 * time.Millisecond; ; span *= 2 {
		got, err := Send(t.Context(), Plan{Addr: addr, Conns: 2, Requests: []Request{Get("/a")}, For: span})
		if err != nil || int64(got.Requests) != c.requests.Load() || got.Wall < span {
			t.Fatalf("%+v, %v; arrived %d", got, err, c.requests.Load())
		}
		if got.Requests > 0 {
			return
		}
		if span > time.Minute {
			t.Fatalf("nothing was sent in %v", span)
		}
	}
}

// A rate holds requests back; it takes as long as the last one is due.
func TestSend_AtARate(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, http.StatusOK)
	got, err := Send(t.Context(), Plan{Addr: addr, Conns: 4, Requests: []Request{Get("/a")}, Times: 11, Rate: 200})
	if err != nil || got.Requests != 11 || got.Wall < 50*time.Millisecond {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestSend_TellsOfARefusal(t *testing.T) {
	t.Parallel()
	_, addr := serve(t, http.StatusTooManyRequests)
	if _, err := Send(t.Context(), Plan{Addr: addr, Conns: 2, Requests: []Request{Get("/a")}, For: time.Minute}); err == nil ||
		!strings.Contains(err.Error(), "429") || !strings.Contains(err.Error(), "thank you") {
		t.Errorf("%v", err)
	}
	if _, err := Send(t.Context(), Plan{Addr: "127.0.0.1:1", Conns: 1, Requests: []Request{Get("/a")}, For: time.Minute}); err == nil {
		t.Error("nobody answered, and nobody is told")
	}
}
