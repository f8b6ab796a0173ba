package httpserver

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// Limits of compression, against bombs that stay under the size limit. JSON of one
// repeated event reaches about 200:1, deflate's own limit is 1032:1; guessed between
// them. Small bodies are spared.
const (
	inflateRatio = 400
	inflateSpare = 256 << 10
)

// ReadBody returns the body of a request, unpacked, of at most limit bytes. What is
// larger is a 413 problem, a broken or twice packed one a 400, an encoding other than
// gzip a 415. A body is taken for gzip when it says so or begins like it; the
// Content-Type is not looked at, because SDKs send gzip labelled as a form.
func ReadBody(c echo.Context, limit int64) ([]byte, error) {
	raw, err := ReadRaw(c, limit)
	if err != nil {
		return nil, err
	}
	return Inflate(raw, c.Request().Header.Get(echo.HeaderContentEncoding), limit)
}

// ReadRaw returns the body as it was sent, of at most limit bytes, for signatures
// over it. What is larger is a 413 problem.
func ReadRaw(c echo.Context, limit int64) ([]byte, error) {
	r := c.Request()
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	if r.ContentLength >= 0 { // net/http gives no more than that
		raw := make([]byte, r.ContentLength)
		if _, err := io.ReadFull(r.Body, raw); err != nil {
			return nil, NewProblem(http.StatusBadRequest, "The body ended early.")
		}
		return raw, nil
	}
	// The reader closes the connection of a sender that goes on regardless.
	limited := http.MaxBytesReader(c.Response(), r.Body, limit)
	raw, err := io.ReadAll(limited)
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		return nil, tooLarge(limit)
	case err != nil:
		return nil, NewProblem(http.StatusBadRequest, "The body ended early.")
	}
	return raw, nil
}

// Inflate unpacks a body whose Content-Encoding is encoding, to at most limit bytes;
// see [ReadBody] for what it refuses. One that is not packed is returned as it is.
func Inflate(raw []byte, encoding string, limit int64) ([]byte, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "identity", "gzip", "x-gzip":
	default:
		p := NewProblem(http.StatusUnsupportedMediaType, "Content-Encoding may be gzip or identity.")
		return nil, p
	}
	// What says gzip but is plain was unpacked by a proxy that left the header.
	if !IsGzip(raw) {
		return raw, nil
	}
	body, err := gunzip(raw, limit)
	if err != nil {
		return nil, err
	}
	if IsGzip(body) {
		return nil, NewProblem(http.StatusBadRequest, "The body is compressed more than once.")
	}
	return body, nil
}

// IsGzip reports whether a body begins as gzip does.
func IsGzip(b []byte) bool { return len(b) >= 2 && b[0] == 0x1f && b[1] == 0x8b }

func gunzip(raw []byte, limit int64) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, NewProblem(http.StatusBadRequest, "The body is no valid gzip.")
	}
	most := min(limit, max(inflateSpare, inflateRatio*int64(len(raw))))
	body, err := io.ReadAll(io.LimitReader(z, most+1))
	if int64(len(body)) > most {
		return nil, tooLarge(most)
	}
	if err != nil {
		return nil, NewProblem(http.StatusBadRequest, "The body is no valid gzip.")
	}
	return body, nil
}

func tooLarge(limit int64) *Problem {
	return NewProblem(http.StatusRequestEntityTooLarge, fmt.Sprintf("The body exceeds %d bytes.", limit))
}
