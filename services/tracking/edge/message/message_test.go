package message

import (
	"regexp"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/intake"
)

func fakeToken(_ uuid.UUID, channel, id string) string { return "token-of-" + channel + "-" + id }

func TestDecode(t *testing.T) {
	t.Parallel()
	edgetest.Payloads(t, edgetest.Env(hit.TrustServer), func(t *testing.T, name string, body []byte) []intake.Item {
		decode := Statuses
		if name == "messages.json" {
			decode = func(body []byte) ([]intake.Item, error) { return Registrations(body, uuid.Nil, fakeToken) }
		}
		items, err := decode(body)
		if err != nil {
			t.Fatal(err)
		}
		return items
	})
}

func TestDecode_Unreadable(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{`, `[]`, `{}`, `{"messages":{},"statuses":{}}`} {
		if _, err := Registrations([]byte(body), uuid.Nil, fakeToken); err == nil {
			t.Errorf("%s was read as registrations", body)
		}
		if _, err := Statuses([]byte(body)); err == nil {
			t.Errorf("%s was read as statuses", body)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	tokens, err := Tokens([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := Tokens([]byte("another"))
	if err != nil {
		t.Fatal(err)
	}
	workspace := uuid.MustParse("00000000-0000-4000-8000-000000000001")
	token := tokens(workspace, "whatsapp", "wamid.1")
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{22}$`).MatchString(token) {
		t.Errorf("%q is not 22 characters that a URL takes as they are", token)
	}
	if token != tokens(workspace, "whatsapp", "wamid.1") {
		t.Error("a retry must get the token again")
	}
	for _, different := range []string{
		tokens(workspace, "whatsapp", "wamid.2"), tokens(workspace, "sms", "wamid.1"),
		tokens(workspace, "whatsappw", "amid.1"), tokens(uuid.Nil, "whatsapp", "wamid.1"),
		other(workspace, "whatsapp", "wamid.1"),
	} {
		if token == different {
			t.Errorf("%q for two messages", token)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"messages":[{"channel":"sms","message_id":"1","to":{"phone":"1"},"sent_at":1,"cost":{"amount":1}}],"statuses":[{"channel":"sms","message_id":"1","status":"read","at":"2026-09-01T11:00:00Z"}]}`))
	f.Add([]byte(`{"messages":[null,[],{"template":[]}],"statuses":[{}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if items, err := Registrations(body, uuid.Nil, fakeToken); err == nil {
			edgetest.Check(t, items)
		}
		if items, err := Statuses(body); err == nil {
			edgetest.Check(t, items)
		}
	})
}
