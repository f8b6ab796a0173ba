package load

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
)

// Header is one field of a request's head.
type Header struct{ Name, Value string }

// Post is a request with a JSON body.
func Post(path string, headers []Header, body []byte, items int) Request {
	text := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\nContent-Length: %d\r\n", path, len(body))
	for _, h := range headers {
		text = fmt.Appendf(text, "%s: %s\r\n", h.Name, h.Value)
	}
	return Request{Bytes: append(append(text, "\r\n"...), body...), Items: items}
}

// Get is a request without a body.
func Get(path string) Request {
	return Request{Bytes: fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: bench\r\n\r\n", path), Items: 1}
}

// Key signs in with a write key.
func Key(key string) []Header {
	return []Header{{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(key+":"))}}
}

// Signature signs a body as the Cloud API does.
func Signature(secret string, body []byte) []Header {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return []Header{{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil))}}
}
