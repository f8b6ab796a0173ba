// Package signature checks the HMAC-SHA-256 that callbacks carry over their raw
// body. It is pure.
package signature

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const prefix = "sha256="

// Valid reports whether header is "sha256=" and the HMAC-SHA-256 in hex (either
// case) of body under one of secrets. Several secrets are several apps on one
// address, or an old and a new one while they are exchanged. Every secret is tried,
// in constant time, whatever the header says; without a secret nothing is valid.
//
// headers are all values of the header: none, several, or one with a list in it
// are all invalid, because then nobody knows which one the sender meant.
func Valid(headers []string, body []byte, secrets []string) bool {
	var stated []byte
	if len(headers) == 1 && strings.HasPrefix(headers[0], prefix) {
		decoded, err := hex.DecodeString(headers[0][len(prefix):])
		if err == nil && len(decoded) == sha256.Size {
			stated = decoded
		}
	}
	valid := false
	for _, secret := range secrets {
		if secret == "" {
			continue // an HMAC under no key is one that anybody can make
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		if hmac.Equal(stated, mac.Sum(nil)) {
			valid = true
		}
	}
	return valid
}
