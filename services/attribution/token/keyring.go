package token

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// minSecret is the size in bytes that RFC 7518 section 3.2 asks of an HS256 key.
const minSecret = 32

// Keyring holds the keys that tokens are signed with. The first signs; all are
// accepted, so that a key can be replaced while tokens of the old one live.
type Keyring struct{ keys []key }

type key struct {
	id     string
	secret []byte
}

// ParseKeyring reads "kid=base64[,kid=base64…]", secrets of 32 bytes or more, as
// TOUCHLINE_JWT_KEYS has it. Its errors never quote a secret.
func ParseKeyring(text string) (*Keyring, error) {
	ring := &Keyring{}
	for part := range strings.SplitSeq(text, ",") {
		id, encoded, found := strings.Cut(strings.TrimSpace(part), "=")
		if !found || id == "" {
			return nil, errors.New("a key is kid=base64")
		}
		secret, err := base64.StdEncoding.DecodeString(encoded)
		if err != nil {
			return nil, fmt.Errorf("key %q: not base64", id)
		}
		if len(secret) < minSecret {
			return nil, fmt.Errorf("key %q: %d bytes, at least %d are needed", id, len(secret), minSecret)
		}
		for _, other := range ring.keys {
			if other.id == id {
				return nil, fmt.Errorf("key %q is there twice", id)
			}
		}
		ring.keys = append(ring.keys, key{id: id, secret: secret})
	}
	return ring, nil
}
