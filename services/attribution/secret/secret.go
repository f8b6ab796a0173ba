// Package secret seals what the database must not know, like the secrets of
// sources, with AES-256-GCM under a key of the environment. It is pure.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// ErrSealed says that bytes were not sealed under this key, purpose and name.
var ErrSealed = errors.New("not sealed with this key")

// Box seals and opens values for one purpose. Safe for concurrent use.
type Box struct{ aead cipher.AEAD }

// NewBox derives the box's own key from key, so that one key of the environment can
// serve several purposes.
func NewBox(key []byte, purpose string) (*Box, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("a key of %d bytes, not %d", len(key), KeySize)
	}
	derived, err := hkdf.Key(sha256.New, key, nil, "touchline "+purpose, KeySize)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return &Box{aead: aead}, nil
}

// Seal encrypts value as JSON. The name is authenticated with it, so that the bytes
// cannot stand in for those of another name.
func (b *Box) Seal(name string, value any) ([]byte, error) {
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", name, err)
	}
	return b.aead.Seal(nil, nil, plain, []byte(name)), nil
}

// Open reverses [Box.Seal] into value.
func (b *Box) Open(name string, sealed []byte, value any) error {
	plain, err := b.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return fmt.Errorf("open %s: %w", name, ErrSealed)
	}
	if err := json.Unmarshal(plain, value); err != nil {
		return fmt.Errorf("open %s: %w", name, err)
	}
	return nil
}
