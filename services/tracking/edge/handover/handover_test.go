package handover

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

const device = "0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11"

var (
	now  = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)
	shop = Target{Source: uuid.MustParse("00000000-0000-4000-8000-0000000000a3"), Host: "shop.example"}
)

func newKey(t testing.TB, secret string) Key {
	t.Helper()
	key, err := NewKey([]byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Browsers and edges of two releases meet in a token.
func TestSign_Form(t *testing.T) {
	t.Parallel()
	const want = device + ".tkopfc.R4HwHryHfkFo30olfgjDfw"
	if got := newKey(t, "a secret").Sign(device, shop, now); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	key := newKey(t, "a secret")
	token := key.Sign(device, shop, now)
	other := shop
	other.Source = uuid.Max
	for _, c := range []struct {
		name, token, device string
		key                 Key
		to                  Target
		at                  time.Time
		want                bool
	}{
		{"at once", token, device, key, shop, now, true},
		{"at the end of its time", token, device, key, shop, now.Add(Valid), true},
		{"after it", token, device, key, shop, now.Add(Valid + time.Second), false},
		{"where a redirect leads", token, device, key, Target{shop.Source, "www.shop.example"}, now, true},
		{"on another site", token, device, key, Target{shop.Source, "pay.example"}, now, false},
		{"of another source", token, device, key, other, now, false},
		{"of another device", token, device + "x", key, shop, now, false},
		{"under another key", token, device, newKey(t, "another"), shop, now, false},
		{"with a later end", strings.Replace(token, ".tk", ".zk", 1), device, key, shop, now, false},
		{"cut off", token[:len(token)-1], device, key, shop, now, false},
		{"with more after it", token + ".", device, key, shop, now, false},
		{"without parts", "x", device, key, shop, now, false},
		{"empty", "", device, key, shop, now, false},
		{"endless", device + "." + strings.Repeat("z", 1<<20), device, key, shop, now, false},
		{"of nobody", key.Sign("", shop, now), "", key, shop, now, false},
	} {
		if got := c.key.Check(c.token, c.device, c.to, c.at); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
	dotted := "id.with.dots"
	if !key.Check(key.Sign(dotted, shop, now), dotted, shop, now) {
		t.Error("an id with dots")
	}
	longest := strings.Repeat("d", 64)
	if !key.Check(key.Sign(longest, shop, now), longest, shop, now) {
		t.Error("the longest id")
	}
}

func TestIsDevice(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		device: true, "12345678": true, "1234567": false, strings.Repeat("d", 65): false, "": false,
		"a b c d e": false, "abcdefgh\r\n": false, "abcdefg;": false, "abcdefgé": false, `"abcdefgh"`: false,
	} {
		if IsDevice(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func FuzzCheck(f *testing.F) {
	key := newKey(f, "a secret")
	f.Add(key.Sign(device, shop, now), device)
	f.Add("..", ".")
	good := key.Sign(device, shop, now)
	f.Fuzz(func(t *testing.T, token, id string) {
		if key.Check(token, id, shop, now) != (token == good && id == device) {
			t.Errorf("%q of %q", token, id)
		}
	})
}
