package edge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/touchline/touchline/services/internal/httpserver"
)

// listening is the edge on a real port, with limits that nobody meets, or ones that are short enough
// to be waited for.
func listening(t *testing.T, short bool) (b *bench, addr string) {
	t.Helper()
	b = newBench(t)
	s, err := httpserver.Listen("127.0.0.1:0", b.router)
	if err != nil {
		t.Fatal(err)
	}
	s.HTTP.ReadHeaderTimeout, s.HTTP.ReadTimeout = time.Minute, time.Minute
	if short {
		s.HTTP.ReadHeaderTimeout, s.HTTP.ReadTimeout = 300*time.Millisecond, 600*time.Millisecond
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- httpserver.Run(ctx, time.Minute, s) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b, s.Addr()
}

// said is what a server answered on one connection until it closed it.
type said struct {
	statuses []int
	cut      bool // closed by the server
}

// say writes raw bytes and reads answers until the server closes the connection, or
// for as long as one that is kept open may be silent.
func say(t *testing.T, addr, raw string) said {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	go func() { _, _ = io.WriteString(conn, raw) }()
	var s said
	reader := bufio.NewReader(conn)
	for {
		_ = conn.SetReadDeadline(time.Now().Add(30 * time.Second))
		answer, err := http.ReadResponse(reader, nil)
		if err != nil {
			timeout, isNet := err.(net.Error) //nolint:errorlint // as net returns it
			s.cut = !isNet || !timeout.Timeout()
			return s
		}
		_, _ = io.Copy(io.Discard, answer.Body)
		_ = answer.Body.Close()
		s.statuses = append(s.statuses, answer.StatusCode)
	}
}

const good = `{"event":"E","userId":"u"}`

func post(headers, body string) string {
	return "POST /v1/track?key=server-key HTTP/1.1\r\nHost: e\r\n" + headers + "\r\n" + body
}

func length(body string) string { return fmt.Sprintf("Content-Length: %d\r\n", len(body)) }

// What is said of a body's length decides where the next request begins. Two servers
// that read it differently can be made to take the one for the other, so that all that
// is ambiguous is refused, and the connection closed.
func TestWire(t *testing.T) {
	t.Parallel()
	const closing = "Connection: close\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)
	smuggled := "GET /p.js HTTP/1.1\r\nHost: e\r\n\r\n"
	for _, c := range []struct {
		name, raw string
		statuses  string // one after the other; "|" between what is allowed
		kept      int
		short     bool // it is cut when its time is over
	}{
		{"as it should be", post(length(good)+closing, good), "[200]", 1, false},
		{"chunked", post("Transfer-Encoding: chunked\r\n"+closing, chunked), "[200]", 1, false},
		{"two in one write", post(length(good), good) + post(length(good)+closing, good), "[200 200]", 2, false},
		// The smuggled request is not answered.
		{"both lengths", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunked+smuggled), "[200]", 1, false},
		{"both lengths, the other order", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked+smuggled), "[200]", 1, false},
		{"two lengths", post("Content-Length: 5\r\n"+length(good), good), "[400]", 0, false},
		{"two lengths in one line", post("Content-Length: 5, 26\r\n", good), "[400]", 0, false},
		{"a length that is none", post("Content-Length: +26\r\n", good), "[400]", 0, false},
		{"a length below zero", post("Content-Length: -1\r\n", good), "[400]", 0, false},
		{"a length beyond all", post("Content-Length: 99999999999999999999\r\n", good), "[400]", 0, false},
		{"chunked in another word", post("Transfer-Encoding: xchunked\r\n", chunked), "[501]", 0, false},
		{"chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunked), "[400]|[501]", 0, false},
		{"a space before the colon", post("Transfer-Encoding : chunked\r\n", chunked), "[400]", 0, false},
		{"a folded header", post(closing+length(good)+"X-A: 1\r\n 2\r\n", good), "[200]|[400]", -1, false},
		{"a chunk of no size", post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"), "[400]", 0, false},
		{"a chunk beyond all", post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"), "[400]", 0, false},
		{"chunks with bare line feeds", post("Transfer-Encoding: chunked\r\n", strings.ReplaceAll(chunked, "\r\n", "\n")), "[400]", 0, false},
		{"bare line feeds", strings.ReplaceAll(post(closing+length(good), good), "\r\n", "\n"), "[200]|[400]", -1, false},
		{"a NUL in a header", post(length(good)+"X-A: a\x00b\r\n", good), "[400]", 0, false},
		{"no host", "GET /p.js HTTP/1.1\r\n\r\n", "[400]", 0, false},
		{"two hosts", "GET /p.js HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "[400]", 0, false},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "[400]", 0, false},
		{"HTTP of another version", "GET /p.js HTTP/9.9\r\nHost: e\r\n\r\n", "[505]|[400]", 0, false},
		{"a header over 16 KB", post(length(good)+"X-A: "+strings.Repeat("a", 24<<10)+"\r\n", good), "[431]", 0, false},
		{"10,000 headers", post(length(good)+strings.Repeat("A: b\r\n", 10_000), good), "[431]", 0, false},
		{"an address over 16 KB", "GET /e.gif?" + strings.Repeat("a", 24<<10) + " HTTP/1.1\r\nHost: e\r\n\r\n", "[431]", 0, false},
		{"less body than stated", post("Content-Length: 100\r\n", good), "[400]", 0, true},
		{"more body than stated", post("Content-Length: 26\r\n", good+"more\r\n\r\n"), "[200 400]", 1, false},
		{"more stated than may be", post("Content-Length: 600000\r\n", good), "[413]", 0, false},
		{"chunks without end", post("Transfer-Encoding: chunked\r\n", strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 500)), "[413]", 0, false},
		{"a header that is not finished", "POST /v1/track HTTP/1.1\r\nHost: e\r\nX-A: ", "[]", 0, true},
		{"a body that is not finished", post("Transfer-Encoding: chunked\r\n", "5\r\nab"), "[400]", 0, true},
		{"nothing", "", "[]", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b, addr := listening(t, c.short)
			got := say(t, addr, c.raw)
			statuses := fmt.Sprint(got.statuses)
			known := false
			for _, allowed := range strings.Split(c.statuses, "|") {
				known = known || allowed == statuses
			}
			kept := len(b.appender.all())
			if !known || !got.cut || c.kept >= 0 && kept != c.kept || c.kept < 0 && (kept == 1) != (statuses == "[200]") {
				t.Errorf("answered %s, cut %v, kept %d; want %s, cut, %d", statuses, got.cut, kept, c.statuses, c.kept)
			}
		})
	}
}

// Who sends a byte now and then is cut when the time for the whole is over, however
// lively it looks.
func TestWire_SlowSenders(t *testing.T) {
	t.Parallel()
	for name, begin := range map[string]string{
		"header": "POST /v1/track?key=server-key HTTP/1.1\r\nHost: e\r\nX-A: ",
		"body":   post("Content-Length: 100000\r\n", `{"event":"`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, addr := listening(t, true)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, begin); err != nil {
				t.Fatal(err)
			}
			drips := 0
			for ; drips < 1000; drips++ { // 20 s, if nobody cuts it
				if _, err := io.WriteString(conn, "a"); err != nil {
					break
				}
				<-time.After(20 * time.Millisecond)
			}
			if drips == 1000 || len(b.appender.all()) > 0 {
				t.Errorf("not cut after %d bytes; %d hits kept", drips, len(b.appender.all()))
			}
		})
	}
}
