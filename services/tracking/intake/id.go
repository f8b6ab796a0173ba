package intake

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// ContentID makes the id of an item that brings none: a digest of what it says, so
// that the same bytes sent again are the same fact. Parts are hashed with their
// lengths.
func ContentID(parts ...[]byte) string {
	h := sha256.New()
	var n [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(n[:], uint64(len(p)))
		h.Write(n[:])
		h.Write(p)
	}
	return "made-" + hex.EncodeToString(h.Sum(nil)[:16])
}
