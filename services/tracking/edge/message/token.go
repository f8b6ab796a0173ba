package message

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/google/uuid"
)

// Tokens returns a maker of click tokens under a secret. A token is a digest of what
// the message is known by, so that registering it again, by whichever source of the
// workspace, gives the same one; it says nothing to who lacks the secret. 22
// characters that need no escaping in a URL.
func Tokens(secret []byte) (TokenMaker, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "touchline click token", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of click tokens: %w", err)
	}
	return func(workspace uuid.UUID, channel, messageID string) string {
		mac := hmac.New(sha256.New, key)
		mac.Write(workspace[:])
		for _, part := range []string{channel, messageID} {
			mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
			mac.Write([]byte(part))
		}
		return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
	}, nil
}
