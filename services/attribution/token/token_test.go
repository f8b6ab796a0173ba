package token_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/token"
)

var (
	now       = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	workspace = uuid.MustParse("0194b3a0-0000-7000-8000-000000000001")
	secret    = bytes.Repeat([]byte{7}, 32)
)

func ring(t *testing.T, text string) *token.Keyring {
	t.Helper()
	keys, err := token.ParseKeyring(text)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func encoded(b byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, 32))
}

func TestParse_ReadsWhatMintWrote(t *testing.T) {
	t.Parallel()
	keys := ring(t, "a="+encoded(7))
	for _, want := range []token.Claims{
		{Subject: "ops", Role: token.Platform},
		{Subject: "kari", Workspace: workspace, Role: token.Viewer},
	} {
		text, err := keys.Mint(want, now, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		got, err := keys.Parse(text, now.Add(59*time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if _, err := keys.Parse(text, now.Add(time.Hour+31*time.Second)); !errors.Is(err, token.ErrInvalid) {
			t.Errorf("after its end and the leeway: %v", err)
		}
	}
}

func TestParse_AcceptsAKeyThatNoLongerSigns(t *testing.T) {
	t.Parallel()
	old, err := ring(t, "old="+encoded(1)).Mint(token.Claims{Subject: "x", Role: token.Platform}, now, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring(t, "new="+encoded(2)+",old="+encoded(1)).Parse(old, now); err != nil {
		t.Error(err)
	}
	if _, err := ring(t, "new="+encoded(2)).Parse(old, now); !errors.Is(err, token.ErrInvalid) {
		t.Errorf("a key that is gone: %v", err)
	}
}

// forge signs whatever a test asks for with the true secret, so that only the one
// thing under test is wrong.
func forge(t *testing.T, method jwt.SigningMethod, header map[string]any, claims jwt.MapClaims) string {
	t.Helper()
	body := jwt.MapClaims{
		"iss": "touchline", "aud": "touchline-api", "sub": "x", "role": "admin", "ws": workspace.String(),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	for name, value := range claims {
		if value == nil {
			delete(body, name)
			continue
		}
		body[name] = value
	}
	unsigned := jwt.NewWithClaims(method, body)
	unsigned.Header["kid"] = "a"
	for name, value := range header {
		if value == nil {
			delete(unsigned.Header, name)
			continue
		}
		unsigned.Header[name] = value
	}
	var key any = secret
	if method == jwt.SigningMethodNone {
		key = jwt.UnsafeAllowNoneSignatureType
	}
	text, err := unsigned.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestParse_RefusesForgeries(t *testing.T) {
	t.Parallel()
	keys := ring(t, "a="+encoded(7))
	good := forge(t, jwt.SigningMethodHS256, nil, nil)
	if _, err := keys.Parse(good, now); err != nil {
		t.Fatalf("the token that all others differ from: %v", err)
	}
	hs := jwt.SigningMethodHS256
	for name, text := range map[string]string{
		"empty":                   "",
		"alg none":                forge(t, jwt.SigningMethodNone, nil, nil),
		"alg None":                forge(t, hs, map[string]any{"alg": "None"}, nil),
		"alg HS512":               forge(t, jwt.SigningMethodHS512, nil, nil),
		"no signature":            good[:strings.LastIndex(good, ".")+1],
		"two parts":               good[:strings.LastIndex(good, ".")],
		"signature of one more":   good + "A",
		"padding":                 good + "=",
		"many dots":               strings.Repeat(".", 8000),
		"more than 8 KB":          good + strings.Repeat("A", 9000),
		"unknown kid":             forge(t, hs, map[string]any{"kid": "b"}, nil),
		"kid is a path":           forge(t, hs, map[string]any{"kid": "../../dev/null"}, nil),
		"no kid":                  forge(t, hs, map[string]any{"kid": nil}, nil),
		"kid is a number":         forge(t, hs, map[string]any{"kid": 1}, nil),
		"crit":                    forge(t, hs, map[string]any{"crit": []string{"x"}}, nil),
		"b64 false":               forge(t, hs, map[string]any{"b64": false}, nil),
		"embedded jwk":            forge(t, hs, map[string]any{"jwk": map[string]any{"kty": "oct"}}, nil),
		"jku":                     forge(t, hs, map[string]any{"jku": "https://example.com"}, nil),
		"another type":            forge(t, hs, map[string]any{"typ": "refresh"}, nil),
		"no exp":                  forge(t, hs, nil, jwt.MapClaims{"exp": nil}),
		"exp past":                forge(t, hs, nil, jwt.MapClaims{"exp": now.Add(-31 * time.Second).Unix()}),
		"exp text":                forge(t, hs, nil, jwt.MapClaims{"exp": "tomorrow"}),
		"exp negative":            forge(t, hs, nil, jwt.MapClaims{"exp": -1}),
		"iat in the future":       forge(t, hs, nil, jwt.MapClaims{"iat": now.Add(time.Minute).Unix()}),
		"nbf in the future":       forge(t, hs, nil, jwt.MapClaims{"nbf": now.Add(time.Minute).Unix()}),
		"no aud":                  forge(t, hs, nil, jwt.MapClaims{"aud": nil}),
		"other aud":               forge(t, hs, nil, jwt.MapClaims{"aud": "touchline-edge"}),
		"other iss":               forge(t, hs, nil, jwt.MapClaims{"iss": "somebody"}),
		"no sub":                  forge(t, hs, nil, jwt.MapClaims{"sub": nil}),
		"no role":                 forge(t, hs, nil, jwt.MapClaims{"role": nil}),
		"a role that is none":     forge(t, hs, nil, jwt.MapClaims{"role": "root"}),
		"ws is no uuid":           forge(t, hs, nil, jwt.MapClaims{"ws": "'; drop table fact; --"}),
		"an admin of nothing":     forge(t, hs, nil, jwt.MapClaims{"ws": nil}),
		"a platform with a place": forge(t, hs, nil, jwt.MapClaims{"role": "platform"}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if claims, err := keys.Parse(text, now); !errors.Is(err, token.ErrInvalid) {
				t.Errorf("claims %+v, error %v", claims, err)
			}
		})
	}
}

func TestParseKeyring_RefusesWithoutQuotingSecrets(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"empty":     "",
		"no kid":    "=" + encoded(1),
		"no secret": "a",
		"short":     "a=c2hvcnQtc2VjcmV0",
		"no base64": "a=!!!c2hvcnQtc2VjcmV0!!!",
		"twice":     "a=" + encoded(1) + ",a=" + encoded(2),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := token.ParseKeyring(text)
			if err == nil {
				t.Fatal("accepted")
			}
			if strings.Contains(err.Error(), "c2hvcnQ") {
				t.Errorf("%v quotes the secret", err)
			}
		})
	}
}
