package digest_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/internal/hit"
)

var (
	shop  = uuid.MustParse("11111111-1111-1111-1111-111111111111")
	other = uuid.MustParse("22222222-2222-2222-2222-222222222222")
)

func ring(t testing.TB, first byte) *digest.Ring {
	t.Helper()
	r, err := digest.New(append([]byte{first}, bytes.Repeat([]byte{7}, digest.Size-1)...))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The stored form is a promise: a change of it would separate every person from
// their past.
func TestRing_identifierIsHMACOfKindAndValue(t *testing.T) {
	t.Parallel()
	master := append([]byte{1}, bytes.Repeat([]byte{7}, digest.Size-1)...)
	key, err := hkdf.Key(sha256.New, master, shop[:], "touchline digest", 32)
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("\x00phone\x00+4790000001"))
	want := hex.EncodeToString(mac.Sum(nil)[:16])
	id := ring(t, 1).Identifier(shop, hit.Identifier{Kind: hit.Phone, Value: "+4790000001"})
	if got := id.Value; got != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestRing_identifierDiffersByKeyWorkspaceKindAndValue(t *testing.T) {
	t.Parallel()
	seen := map[string]string{}
	for name, c := range map[string]struct {
		key       byte
		workspace uuid.UUID
		kind      hit.IdentifierKind
		value     string
	}{
		"base":            {1, shop, "phone", "1"},
		"other key":       {2, shop, "phone", "1"},
		"other workspace": {1, other, "phone", "1"},
		"other kind":      {1, shop, "user_id", "1"},
		"other value":     {1, shop, "phone", "2"},
		"shifted":         {1, shop, "phon", "e1"},
	} {
		got := digest.Hex(ring(t, c.key).Digest(c.workspace, c.kind, c.value))
		if twin, ok := seen[got]; ok {
			t.Errorf("%s and %s have one digest", name, twin)
		}
		seen[got] = name
	}
}

func TestRing_foldedIgnoresCase(t *testing.T) {
	t.Parallel()
	r := ring(t, 1)
	lower := r.Identifier(shop, hit.Identifier{Kind: hit.UserID, Value: "[object object] å ς k straße"})
	upper := r.Identifier(shop, hit.Identifier{Kind: hit.UserID, Value: "[OBJECT Object] Å Σ \u212a STRASSE"}) // the Kelvin sign folds to k
	if lower.Value == upper.Value {
		t.Error("digests ignore case")
	}
	if lower.Folded != upper.Folded {
		t.Error("folded digests heed case")
	}
	if lower.Folded == lower.Value {
		t.Error("a digest is its own folded digest")
	}
	if digest.Hex(r.Folded(shop, hit.UserID, "[Object OBJECT] å σ K Straẞe")) != lower.Folded {
		t.Error("a block list's entry has another digest")
	}
}

func TestRing_sealAndOpen(t *testing.T) {
	t.Parallel()
	r := ring(t, 1)
	id := r.Digest(shop, hit.Email, "eva@example.org")
	first, err := r.Seal(shop, id, "eva@example.org")
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.Seal(shop, id, "eva@example.org")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first, second) {
		t.Error("two ciphertexts of one value are equal: the nonce is not random")
	}
	if bytes.Contains(first, []byte("eva")) {
		t.Error("the ciphertext shows the value")
	}
	if value, err := r.Open(shop, id, first); err != nil || value != "eva@example.org" {
		t.Errorf("opened %q, %v", value, err)
	}

	changed := bytes.Clone(first)
	changed[len(changed)-1] ^= 1
	_, err1 := r.Open(other, id, first)
	_, err2 := r.Open(shop, uuid.New(), first)
	_, err3 := r.Open(shop, id, changed)
	_, err4 := r.Open(shop, id, first[:5])
	_, err5 := ring(t, 2).Open(shop, id, first)
	for name, err := range map[string]error{"workspace": err1, "digest": err2, "bytes": err3, "length": err4, "key": err5} {
		if !errors.Is(err, digest.ErrSealed) {
			t.Errorf("with another %s: %v, want ErrSealed", name, err)
		}
	}
}

func TestNew_refusesAShortKey(t *testing.T) {
	t.Parallel()
	if _, err := digest.New(make([]byte, 16)); !errors.Is(err, digest.ErrKey) {
		t.Errorf("got %v, want ErrKey", err)
	}
}

// More workspaces than are kept, from many goroutines: still the same digests.
func TestRing_boundedAndConcurrent(t *testing.T) {
	t.Parallel()
	r := ring(t, 1)
	want := r.Digest(shop, hit.Phone, "1")
	var group sync.WaitGroup
	for g := range 4 {
		group.Go(func() {
			for i := range 600 {
				ws := uuid.UUID{byte(g), byte(i >> 8), byte(i)}
				if r.Digest(ws, hit.Phone, "1") == want {
					t.Error("two workspaces, one digest")
				}
			}
		})
	}
	group.Wait()
	if r.Digest(shop, hit.Phone, "1") != want {
		t.Error("the digest changed")
	}
}

func BenchmarkRing_Digest(b *testing.B) {
	keys := ring(b, 1)
	b.ReportAllocs()
	for b.Loop() {
		keys.Digest(shop, hit.Phone, "+4790000001")
	}
}
