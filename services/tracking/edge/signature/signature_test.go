package signature

import (
	"strings"
	"testing"
)

// The vector that wire notes of the Graph API give for escapes: the body's bytes as
// they came are what is signed.
const (
	vectorBody = `{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"field":"messages","value":{"messaging_product":"whatsapp","messages":[{"from":"16505551234","id":"wamid.X","timestamp":"1749416383","type":"text","text":{"body":"\u00e4\u00f6\u00e5"}}]}}]}]}`
	vectorHex  = "8fe7a40ff84c3f79a2b465593b9bf16a252f0bdacb907f0c15dbbb620ea74201"
)

func TestValid(t *testing.T) {
	t.Parallel()
	decoded := strings.NewReplacer(`\u00e4`, "ä", `\u00f6`, "ö", `\u00e5`, "å").Replace(vectorBody)
	right := "sha256=" + vectorHex
	for _, c := range []struct {
		name    string
		headers []string
		body    string
		secrets []string
		want    bool
	}{
		{"the right one", []string{right}, vectorBody, []string{"appsecret"}, true},
		{"upper-case hex", []string{"sha256=" + strings.ToUpper(vectorHex)}, vectorBody, []string{"appsecret"}, true},
		{"one of several secrets", []string{right}, vectorBody, []string{"", "old", "appsecret"}, true},
		{"the same JSON re-encoded", []string{right}, decoded, []string{"appsecret"}, false},
		{"another secret", []string{right}, vectorBody, []string{"verify-token"}, false},
		{"no secret", []string{right}, vectorBody, nil, false},
		{"no header", nil, vectorBody, []string{"appsecret"}, false},
		{"an empty header", []string{""}, vectorBody, []string{"appsecret"}, false},
		{"only the prefix", []string{"sha256="}, vectorBody, []string{"appsecret"}, false},
		{"without the prefix", []string{vectorHex}, vectorBody, []string{"appsecret"}, false},
		{"sha1", []string{"sha1=" + vectorHex}, vectorBody, []string{"appsecret"}, false},
		{"cut short", []string{right[:len(right)-2]}, vectorBody, []string{"appsecret"}, false},
		{"two headers", []string{right, right}, vectorBody, []string{"appsecret"}, false},
		{"a list in one header", []string{right + ", " + right}, vectorBody, []string{"appsecret"}, false},
		{"one bit of the body", []string{right}, vectorBody + " ", []string{"appsecret"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := Valid(c.headers, []byte(c.body), c.secrets); got != c.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

// An HMAC under an empty key can be made by anybody, so an unset secret is none.
func TestValid_EmptySecret(t *testing.T) {
	t.Parallel()
	const emptyKeyed = "sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad" // HMAC-SHA-256("", "")
	if Valid([]string{emptyKeyed}, nil, []string{""}) {
		t.Error("an empty secret signed a body")
	}
}
