// Package handover makes and checks the tokens by which a visitor who follows a link
// from one site of a customer to another stays one device. A browser gives each site a
// storage of its own; the link carries the id across, signed, so that a link that is
// passed on to somebody else does not make them one. It is pure.
package handover

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/tracking/edge/site"
)

// Valid is how long a token is good for: long enough for a link to be followed, too
// short for it to be passed on and opened elsewhere. Guessed.
const Valid = 120 * time.Second

const (
	minDevice, maxDevice = 8, 64 // bytes of a device's id
	macBytes             = 16
	// maxToken is the most bytes of a token: id, 13 digits of base 36, 22 of the MAC.
	maxToken = maxDevice + 1 + 13 + 1 + 22
)

// Key signs tokens.
type Key struct{ secret []byte }

// NewKey derives a key from the secret that all edges share.
func NewKey(secret []byte) (Key, error) {
	derived, err := hkdf.Key(sha256.New, secret, nil, "touchline handover", sha256.Size)
	if err != nil {
		return Key{}, fmt.Errorf("derive the key of handovers: %w", err)
	}
	return Key{secret: derived}, nil
}

// IsDevice reports whether text may be the id of a device that a cookie or a token
// carries: 8 to 64 letters, digits, dots, hyphens and underscores. Both come from a
// browser, where anything can be written into them.
func IsDevice(text string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	return len(text) >= minDevice && len(text) <= maxDevice && strings.Trim(text, alphabet) == ""
}

// Target is what a token is for.
type Target struct {
	Source uuid.UUID // whose pixel is on both sites
	// Host is the one that the link leads to, as [site.Host] returns it. A token holds on
	// its whole site: many a shop.example sends everybody on to www.shop.example.
	Host string
}

// Sign returns the token of a device for a target, good until [Valid] after now:
// <id>.<end in seconds since 1970, base 36>.<MAC in base64url>.
func (k Key) Sign(device string, to Target, now time.Time) string {
	end := strconv.FormatInt(now.Add(Valid).Unix(), 36)
	return device + "." + end + "." + k.mac(device, end, to)
}

// Check reports whether a token was signed for this device and target and is good at a
// time.
func (k Key) Check(token, device string, to Target, at time.Time) bool {
	if len(token) > maxToken || !IsDevice(device) {
		return false
	}
	rest, found := strings.CutPrefix(token, device+".")
	end, mac, _ := strings.Cut(rest, ".")
	if !found || !hmac.Equal([]byte(mac), []byte(k.mac(device, end, to))) {
		return false
	}
	seconds, err := strconv.ParseInt(end, 36, 64)
	return err == nil && at.Unix() <= seconds
}

func (k Key) mac(device, end string, to Target) string {
	mac := hmac.New(sha256.New, k.secret)
	mac.Write(to.Source[:])
	for _, part := range []string{site.Of(to.Host), device, end} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:macBytes])
}
