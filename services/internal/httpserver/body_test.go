package httpserver

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func packed(t *testing.T, body []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	if _, err := z.Write(body); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// readStatus reads a body and returns the status of the problem, 200 without one.
func readStatus(t *testing.T, r *http.Request, limit int64) (body []byte, status int) {
	t.Helper()
	body, err := ReadBody(New(Config{}).NewContext(r, httptest.NewRecorder()), limit)
	if err == nil {
		return body, http.StatusOK
	}
	var p *Problem
	if !errors.As(err, &p) {
		t.Fatalf("error %v is no problem", err)
	}
	return nil, p.Status
}

func TestReadBody(t *testing.T) {
	t.Parallel()
	const limit = 1000
	text := []byte(strings.Repeat(`{"event":"Order Completed"} `, 10))
	full := bytes.Repeat([]byte("x"), limit)
	var two bytes.Buffer // gzip members may follow one another
	two.Write(packed(t, []byte("one ")))
	two.Write(packed(t, []byte("two")))
	for name, c := range map[string]struct {
		sent     []byte
		encoding string
		want     []byte
		status   int
	}{
		"plain":                       {sent: text, want: text, status: 200},
		"empty":                       {sent: nil, want: nil, status: 200},
		"one byte":                    {sent: []byte{0x1f}, want: []byte{0x1f}, status: 200},
		"as large as allowed":         {sent: full, want: full, status: 200},
		"one byte too large":          {sent: append(full[:limit:limit], 'x'), status: 413},
		"gzip":                        {sent: packed(t, text), encoding: "gzip", want: text, status: 200},
		"gzip that does not say so":   {sent: packed(t, text), want: text, status: 200},
		"gzip in upper case":          {sent: packed(t, text), encoding: " GZIP", want: text, status: 200},
		"plain that says gzip":        {sent: text, encoding: "gzip", want: text, status: 200},
		"gzip as large as allowed":    {sent: packed(t, full), want: full, status: 200},
		"gzip one byte too large":     {sent: packed(t, append(full[:limit:limit], 'x')), status: 413},
		"members":                     {sent: two.Bytes(), want: []byte("one two"), status: 200},
		"bomb":                        {sent: packed(t, make([]byte, 900_000)), status: 413},
		"packed twice":                {sent: packed(t, packed(t, text)), status: 400},
		"torn gzip":                   {sent: packed(t, text)[:30], status: 400},
		"gzip with rubbish behind it": {sent: append(packed(t, text), "rubbish"...), status: 400},
		"gzip of nothing but a head":  {sent: []byte{0x1f, 0x8b, 8}, status: 400},
		"brotli":                      {sent: text, encoding: "br", status: 415},
		"two encodings":               {sent: packed(t, text), encoding: "gzip, gzip", status: 415},
		"deflate":                     {sent: text, encoding: "deflate", status: 415},
	} {
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(c.sent))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			r.Header.Set("Content-Encoding", c.encoding)
			if chunked {
				r.ContentLength = -1
			}
			got, status := readStatus(t, r, limit)
			if status != c.status || !bytes.Equal(got, c.want) {
				t.Errorf("%s (chunked %t): %d %.40q, want %d %.40q", name, chunked, status, got, c.status, c.want)
			}
		}
	}
}

func TestReadBody_RatioIsLimited(t *testing.T) {
	t.Parallel()
	const limit = 4 << 20
	zeros := packed(t, make([]byte, limit)) // about 1000:1
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(zeros))
	if _, status := readStatus(t, r, limit); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a bomb within the size limit: %d, want 413", status)
	}
	var events bytes.Buffer
	for i := range 500 {
		fmt.Fprintf(&events, `{"type":"track","event":"Order Completed","messageId":"id-%d","userId":"u"},`, i)
	}
	r = httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(packed(t, events.Bytes())))
	if got, status := readStatus(t, r, limit); status != http.StatusOK || len(got) != events.Len() {
		t.Errorf("a batch of like events: %d with %d bytes, want 200", status, len(got))
	}
}

func TestReadBody_LiarAboutItsLength(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodPost, "/", io.NopCloser(cutBody{}))
	r.ContentLength = 100
	if _, status := readStatus(t, r, 1000); status != http.StatusBadRequest {
		t.Errorf("a body that ends early: %d, want 400", status)
	}
}

// cutBody is a body whose connection was cut.
type cutBody struct{}

func (cutBody) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func FuzzInflate(f *testing.F) {
	f.Add([]byte("{}"), "")
	f.Add([]byte{0x1f, 0x8b, 8, 0}, "gzip")
	f.Fuzz(func(t *testing.T, raw []byte, encoding string) {
		const limit = 1 << 16
		body, err := Inflate(raw, encoding, limit)
		var p *Problem
		if err != nil && !errors.As(err, &p) {
			t.Errorf("error %v is no problem", err)
		}
		if len(body) > max(limit, len(raw)) {
			t.Errorf("%d bytes from %d", len(body), len(raw))
		}
	})
}
