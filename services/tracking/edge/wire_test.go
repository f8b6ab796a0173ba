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

// limits are how long a sender may take for the header of a request and for all of it.
type limits struct{ header, whole time.Duration }

var (
	ample       = limits{time.Minute, time.Minute} // which nobody runs into, however busy the machine is
	shortHeader = limits{300 * time.Millisecond, time.Minute}
	shortWhole  = limits{time.Minute, 600 * time.Millisecond}
)

// listening is the edge on a real port.
func listening(t *testing.T, l limits) (b *bench, addr string) {
	t.Helper()
	b = newBench(t)
	s, err := httpserver.Listen("127.0.0.1:0", b.router)
	if err != nil {
		t.Fatal(err)
	}
	s.HTTP.ReadHeaderTimeout, s.HTTP.ReadTimeout = l.header, l.whole
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
		_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
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

// wireCase is raw bytes, and what becomes of them: the connection is closed in the end.
type wireCase struct {
	name, raw string
	statuses  string // one after the other; "|" between what is allowed
	kept      int    // hits; -1: one if it is answered 200
}

func (c wireCase) run(t *testing.T, l limits) {
	t.Helper()
	t.Run(c.name, func(t *testing.T) {
		t.Parallel()
		b, addr := listening(t, l)
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

// What is said of a body's length decides where the next request begins. Two servers
// that read it differently can be made to take the one for the other, so that all that
// is ambiguous is refused, and the connection closed.
func TestWire(t *testing.T) {
	t.Parallel()
	const closing = "Connection: close\r\n"
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(good), good)
	smuggled := "GET /p.js HTTP/1.1\r\nHost: e\r\n\r\n"
	for _, c := range []wireCase{
		{"as it should be", post(length(good)+closing, good), "[200]", 1},
		{"chunked", post("Transfer-Encoding: chunked\r\n"+closing, chunked), "[200]", 1},
		{"two in one write", post(length(good), good) + post(length(good)+closing, good), "[200 200]", 2},
		// The smuggled request is not answered.
		{"both lengths", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunked+smuggled), "[200]", 1},
		{"both lengths, the other order", post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunked+smuggled), "[200]", 1},
		{"two lengths", post("Content-Length: 5\r\n"+length(good), good), "[400]", 0},
		{"two lengths in one line", post("Content-Length: 5, 26\r\n", good), "[400]", 0},
		{"a length that is none", post("Content-Length: +26\r\n", good), "[400]", 0},
		{"a length below zero", post("Content-Length: -1\r\n", good), "[400]", 0},
		{"a length beyond all", post("Content-Length: 99999999999999999999\r\n", good), "[400]", 0},
		{"chunked in another word", post("Transfer-Encoding: xchunked\r\n", chunked), "[501]", 0},
		{"chunked twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", chunked), "[400]|[501]", 0},
		{"a space before the colon", post("Transfer-Encoding : chunked\r\n", chunked), "[400]", 0},
		{"a folded header", post(closing+length(good)+"X-A: 1\r\n 2\r\n", good), "[200]|[400]", -1},
		{"a chunk of no size", post("Transfer-Encoding: chunked\r\n", "zz\r\nabc\r\n0\r\n\r\n"), "[400]", 0},
		{"a chunk beyond all", post("Transfer-Encoding: chunked\r\n", "ffffffffffffffffff\r\nabc\r\n0\r\n\r\n"), "[400]", 0},
		{"chunks with bare line feeds", post("Transfer-Encoding: chunked\r\n", strings.ReplaceAll(chunked, "\r\n", "\n")), "[400]", 0},
		{"bare line feeds", strings.ReplaceAll(post(closing+length(good), good), "\r\n", "\n"), "[200]|[400]", -1},
		{"a NUL in a header", post(length(good)+"X-A: a\x00b\r\n", good), "[400]", 0},
		{"no host", "GET /p.js HTTP/1.1\r\n\r\n", "[400]", 0},
		{"two hosts", "GET /p.js HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "[400]", 0},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "[400]", 0},
		{"HTTP of another version", "GET /p.js HTTP/9.9\r\nHost: e\r\n\r\n", "[505]|[400]", 0},
		{"a header over 16 KB", post(length(good)+"X-A: "+strings.Repeat("a", 24<<10)+"\r\n", good), "[431]", 0},
		{"10,000 headers", post(length(good)+strings.Repeat("A: b\r\n", 10_000), good), "[431]", 0},
		{"an address over 16 KB", "GET /e.gif?" + strings.Repeat("a", 24<<10) + " HTTP/1.1\r\nHost: e\r\n\r\n", "[431]", 0},
		{"more body than stated", post("Content-Length: 26\r\n", good+"more\r\n\r\n"), "[200 400]", 1},
		{"more stated than may be", post("Content-Length: 600000\r\n", good), "[413]", 0},
		{"chunks without end", post("Transfer-Encoding: chunked\r\n", strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 500)), "[413]", 0},
	} {
		c.run(t, ample)
	}
}

// Who sends less than he said is cut when the time for it is over.
func TestWire_Unfinished(t *testing.T) {
	t.Parallel()
	wireCase{"nothing", "", "[]", 0}.run(t, shortHeader)
	wireCase{"a header", "POST /v1/track HTTP/1.1\r\nHost: e\r\nX-A: ", "[]", 0}.run(t, shortHeader)
	wireCase{"a body", post("Transfer-Encoding: chunked\r\n", "5\r\nab"), "[400]", 0}.run(t, shortWhole)
	wireCase{"less body than stated", post("Content-Length: 100\r\n", good), "[400]", 0}.run(t, shortWhole)
}

// Who sends a byte now and then is cut when the time for the whole is over, however
// lively it looks.
func TestWire_SlowSenders(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begin  string
		limits limits
	}{
		"header": {"POST /v1/track?key=server-key HTTP/1.1\r\nHost: e\r\nX-A: ", shortHeader},
		"body":   {post("Content-Length: 100000\r\n", `{"event":"`), shortWhole},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, addr := listening(t, c.limits)
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = conn.Close() }()
			if _, err := io.WriteString(conn, c.begin); err != nil {
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
