// Package digest makes identifiers safe to store: a keyed digest to compare by, and
// a ciphertext to show to those who may see it. Both need a key that is not in the
// database, so that a copy of the database names nobody: without the key the
// digest of a phone number could be tried out for every number there is.
//
// It is pure but for the random nonces of [Ring.Seal].
package digest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"sync"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// Size is the length of a master key, in bytes.
const Size = 32

// KeyID names the master key in stored rows. There is one so far.
const KeyID int16 = 1

// maxKeys bounds the workspaces whose keys are kept; 1,000 take about 1 MB.
const maxKeys = 1000

// The errors of the package.
var (
	// ErrKey is a master key of the wrong length.
	ErrKey = errors.New("identity key must have 32 bytes")
	// ErrSealed is a ciphertext that another key, workspace or identifier made, or
	// that was changed.
	ErrSealed = errors.New("identifier cannot be opened")
)

// Ring holds a master key and the keys derived from it. Safe for concurrent use.
type Ring struct {
	master []byte

	mu   sync.Mutex
	keys map[uuid.UUID]keys
}

// keys are those of one workspace.
type keys struct {
	macs *sync.Pool // of *summer: to make one takes as long as to use it
	seal cipher.AEAD
}

// summer is at work on one digest at a time.
type summer struct {
	mac  hash.Hash
	text []byte
	sum  []byte
}

// New returns a Ring over a master key of [Size] bytes.
func New(master []byte) (*Ring, error) {
	if len(master) != Size {
		return nil, ErrKey
	}
	if _, err := derive(master, uuid.Nil); err != nil {
		return nil, err
	}
	return &Ring{master: bytes.Clone(master), keys: make(map[uuid.UUID]keys)}, nil
}

// Digest returns the digest of an identifier in its workspace.
func (r *Ring) Digest(workspace uuid.UUID, kind hit.IdentifierKind, value string) uuid.UUID {
	return r.of(workspace).sum("", kind, value)
}

// Folded returns the digest of the identifier's value with the case folded, as block
// lists fold theirs ([hit.FoldCase]).
func (r *Ring) Folded(workspace uuid.UUID, kind hit.IdentifierKind, value string) uuid.UUID {
	return r.of(workspace).sum("folded", kind, hit.FoldCase(value))
}

// Identifier returns id as facts store it: in place of the plain value its digests,
// each 32 hex digits.
func (r *Ring) Identifier(workspace uuid.UUID, id hit.Identifier) hit.Identifier {
	return hit.Identifier{
		Kind:   id.Kind,
		Value:  Hex(r.Digest(workspace, id.Kind, id.Value)),
		Folded: Hex(r.Folded(workspace, id.Kind, id.Value)),
	}
}

// Hex writes a digest as facts hold it: 32 hex digits, no hyphens.
func Hex(sum uuid.UUID) string { return hex.EncodeToString(sum[:]) }

// Seal encrypts the value of the identifier that has the digest sum, nonce first.
// Two calls return different ciphertexts.
func (r *Ring) Seal(workspace, sum uuid.UUID, value string) ([]byte, error) {
	k := r.of(workspace)
	nonce := make([]byte, k.seal.NonceSize(), k.seal.NonceSize()+len(value)+k.seal.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return k.seal.Seal(nonce, nonce, []byte(value), bound(workspace, sum)), nil
}

// Open returns the value that [Ring.Seal] encrypted for the same workspace and
// digest, and [ErrSealed] for anything else.
func (r *Ring) Open(workspace, sum uuid.UUID, sealed []byte) (string, error) {
	k := r.of(workspace)
	size := k.seal.NonceSize()
	if len(sealed) < size {
		return "", ErrSealed
	}
	value, err := k.seal.Open(nil, sealed[:size], sealed[size:], bound(workspace, sum))
	if err != nil {
		return "", ErrSealed
	}
	return string(value), nil
}

// bound is what a ciphertext is tied to, so that moving it to another row shows.
func bound(workspace, sum uuid.UUID) []byte {
	return append(workspace[:], sum[:]...)
}

// of returns the keys of a workspace, derived when they are not at hand.
func (r *Ring) of(workspace uuid.UUID) keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[workspace]; ok {
		return k
	}
	k, err := derive(r.master, workspace)
	if err != nil {
		panic(err) // cannot be: New has derived keys from the same master key
	}
	if len(r.keys) >= maxKeys {
		for which := range r.keys { // it does not matter: deriving again takes microseconds
			delete(r.keys, which)
			break
		}
	}
	r.keys[workspace] = k
	return k
}

func derive(master []byte, workspace uuid.UUID) (keys, error) {
	key := func(purpose string) ([]byte, error) {
		return hkdf.Key(sha256.New, master, workspace[:], "touchline "+purpose, Size)
	}
	sum, err := key("digest")
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of workspace %s: %w", workspace, err)
	}
	sealing, err := key("seal")
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of workspace %s: %w", workspace, err)
	}
	block, err := aes.NewCipher(sealing)
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of workspace %s: %w", workspace, err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return keys{}, fmt.Errorf("derive the keys of workspace %s: %w", workspace, err)
	}
	macs := &sync.Pool{New: func() any { return &summer{mac: hmac.New(sha256.New, sum)} }}
	return keys{macs: macs, seal: aead}, nil
}

// sum is HMAC-SHA-256 over form, kind and value, cut to 16 bytes. A zero byte keeps
// them apart: no form and no kind contains one.
func (k keys) sum(form string, kind hit.IdentifierKind, value string) uuid.UUID {
	s := k.macs.Get().(*summer) //nolint:forcetypeassert // New makes nothing else
	defer k.macs.Put(s)
	s.text = s.text[:0]
	for _, part := range []string{form, string(kind)} {
		s.text = append(append(s.text, part...), 0)
	}
	s.text = append(s.text, value...)
	s.mac.Reset()
	s.mac.Write(s.text)
	s.sum = s.mac.Sum(s.sum[:0])
	return uuid.UUID(s.sum[:16])
}
