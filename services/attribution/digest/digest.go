// Package digest makes identifiers safe to store: a keyed digest to compare by, and
// a ciphertext to show to those who may see it. Both need a key that is not in the
// database, so that a copy of the database names nobody: without the key the
// digest of a phone number could be tried out for every number there is.
//
// It is pure but for the random nonces of [Ring.Seal].
package digest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"unicode"

	"github.com/google/uuid"
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
	digest []byte
	seal   cipher.AEAD
}

// New returns a Ring over a master key of [Size] bytes.
func New(master []byte) (*Ring, error) {
	if len(master) != Size {
		return nil, ErrKey
	}
	return &Ring{master: append([]byte(nil), master...), keys: make(map[uuid.UUID]keys)}, nil
}

// Identifier returns the digest of an identifier in its workspace, and that of its
// value with the case folded ([Ring.Folded]), both as 32 hex digits.
func (r *Ring) Identifier(workspace uuid.UUID, kind, value string) (sum, folded string, err error) {
	k, err := r.of(workspace)
	if err != nil {
		return "", "", err
	}
	return k.sum(kind, value), k.sum(foldedKind, fold(value)), nil
}

// foldedKind is no kind of identifier: block lists name values whatever their kind.
const foldedKind = "folded"

// Folded returns the digest of a value by which block lists are compared: without
// case and whatever the kind, 32 hex digits.
func (r *Ring) Folded(workspace uuid.UUID, value string) (string, error) {
	k, err := r.of(workspace)
	if err != nil {
		return "", err
	}
	return k.sum(foldedKind, fold(value)), nil
}

// Seal encrypts the value of the identifier that has the digest sum, nonce first.
// Two calls return different ciphertexts.
func (r *Ring) Seal(workspace uuid.UUID, sum, value string) ([]byte, error) {
	k, err := r.of(workspace)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, k.seal.NonceSize(), k.seal.NonceSize()+len(value)+k.seal.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("make a nonce: %w", err)
	}
	return k.seal.Seal(nonce, nonce, []byte(value), bound(workspace, sum)), nil
}

// Open returns the value that [Ring.Seal] encrypted for the same workspace and
// digest, and [ErrSealed] for anything else.
func (r *Ring) Open(workspace uuid.UUID, sum string, sealed []byte) (string, error) {
	k, err := r.of(workspace)
	if err != nil {
		return "", err
	}
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
func bound(workspace uuid.UUID, sum string) []byte {
	return append(workspace[:], sum...)
}

// of returns the keys of a workspace, derived when they are not at hand.
func (r *Ring) of(workspace uuid.UUID) (keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.keys[workspace]; ok {
		return k, nil
	}
	k, err := derive(r.master, workspace)
	if err != nil {
		return keys{}, err
	}
	if len(r.keys) >= maxKeys {
		for any := range r.keys { // whichever: deriving again takes microseconds
			delete(r.keys, any)
			break
		}
	}
	r.keys[workspace] = k
	return k, nil
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
	return keys{digest: sum, seal: aead}, nil
}

// sum is HMAC-SHA-256 over kind and value, cut to 16 bytes. A zero byte keeps them
// apart: no kind contains one.
func (k keys) sum(kind, value string) string {
	mac := hmac.New(sha256.New, k.digest)
	mac.Write([]byte(kind))
	mac.Write([]byte{0})
	mac.Write([]byte(value))
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// fold is Unicode's simple case folding: of all letters that differ in case only,
// the one with the smallest number. (Full folding, in which ß is ss, is not in the
// standard library and no block list needs it.)
func fold(s string) string {
	out := make([]rune, 0, len(s))
	for _, r := range s {
		smallest := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			smallest = min(smallest, next)
		}
		out = append(out, smallest)
	}
	return string(out)
}
