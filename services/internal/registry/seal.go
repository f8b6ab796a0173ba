package registry

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
)

// KeySize is the length of the key of [NewPublisher] and [NewDirectory] in bytes.
const KeySize = 32

// errSealed says that a value was not sealed with our key under this name.
var errSealed = errors.New("not sealed with this key")

// sealer encrypts values. The zero one, of a key of the wrong size, refuses with err.
type sealer struct {
	aead cipher.AEAD
	err  error
}

func newSealer(key []byte) sealer {
	if len(key) != KeySize {
		return sealer{err: fmt.Errorf("registry key of %d bytes, not %d", len(key), KeySize)}
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{err: err}
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead: aead, err: err}
}

// seal encrypts v as JSON. The name is authenticated with it, so that a value
// cannot stand in for another.
func (s sealer) seal(name string, v any) ([]byte, error) {
	if s.err != nil {
		return nil, s.err
	}
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	return s.aead.Seal(nil, nil, plain, []byte(name)), nil
}

// open reverses seal.
func (s sealer) open(name string, sealed []byte, v any) error {
	if s.err != nil {
		return s.err
	}
	plain, err := s.aead.Open(nil, nil, sealed, []byte(name))
	if err != nil {
		return fmt.Errorf("open %s: %w", name, errSealed)
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return fmt.Errorf("decode %s: %w", name, err)
	}
	return nil
}
