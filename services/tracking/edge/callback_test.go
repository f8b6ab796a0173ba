package edge

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

func TestWhatsAppVerify(t *testing.T) {
	t.Parallel()
	challenge := `<script>"1158201444"`
	ask := func(id, mode, token string) string {
		return "/webhooks/whatsapp/" + id + "?" + url.Values{"hub.mode": {mode}, "hub.challenge": {challenge}, "hub.verify_token": {token}}.Encode()
	}
	b := newBench(t)
	w := b.do(http.MethodGet, ask(whatsappID, "subscribe", "verify"), "")
	if w.Code != http.StatusOK || w.Body.String() != challenge ||
		!strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain") || w.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%d %q %v", w.Code, w.Body, w.Header())
	}
	for _, target := range []string{
		ask(whatsappID, "subscribe", "wrong"), ask(whatsappID, "subscribe", ""), ask(whatsappID, "unsubscribe", "verify"),
		ask(webhookID, "subscribe", ""), ask(uuid.NewString(), "subscribe", "verify"), ask("x", "subscribe", "verify"),
	} {
		w := b.do(http.MethodGet, target, "")
		want(t, w, http.StatusForbidden)
		if strings.Contains(w.Body.String(), "1158201444") {
			t.Error("the challenge was told without the token")
		}
	}
}

func TestWhatsApp_Signature(t *testing.T) {
	t.Parallel()
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"1001"},"statuses":[{"id":"w1","status":"read","timestamp":"1788260400","recipient_id":"4791234567"}],"messages":[{"id":"i1","from":"4791234567","timestamp":"1788260400","type":"text","text":{"body":"hei"}}]}}]}]}`
	path := "/webhooks/whatsapp/" + whatsappID
	for _, secret := range []string{"appsecret", "old"} {
		b := newBench(t)
		want(t, b.do(http.MethodPost, path, body, "X-Hub-Signature-256", sign(secret, body)), http.StatusOK)
		hits := b.appender.all()
		if len(hits) != 2 || len(b.appender.calls) != 1 || hits[0].Fact.Trust != hit.TrustWebhook {
			t.Errorf("%d hits in %d calls", len(hits), len(b.appender.calls))
		}
	}
	b := newBench(t)
	wrong := want(t, b.do(http.MethodPost, path, body, "X-Hub-Signature-256", sign("verify", body)), http.StatusUnauthorized)
	want(t, b.do(http.MethodPost, path, body), http.StatusUnauthorized)
	want(t, b.do(http.MethodPost, path, body+" ", "X-Hub-Signature-256", sign("appsecret", body)), http.StatusUnauthorized)
	unknown := want(t, b.do(http.MethodPost, "/webhooks/whatsapp/"+uuid.NewString(), body, "X-Hub-Signature-256", sign("no such source", body)), http.StatusUnauthorized)
	want(t, b.do(http.MethodPost, "/webhooks/whatsapp/"+webhookID, body, "X-Hub-Signature-256", sign("hush", body)), http.StatusUnauthorized)
	if wrong["detail"] != unknown["detail"] || wrong["title"] != unknown["title"] {
		t.Error("the answer tells whether the source exists")
	}
	if len(b.appender.all()) != 0 {
		t.Error("an unsigned body was kept")
	}
}

func TestWhatsApp_SignedIsAlwaysKept(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no JSON": `<xml/>`, "empty": ``, "another object": `{"object":"page"}`, "an array": `[1]`,
		"unknown field": `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"x","value":{}}]}]}`,
		"too deep":      `{"object":"` + strings.Repeat("x", 10) + `","a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`,
	} {
		b := newBench(t)
		w := b.do(http.MethodPost, "/webhooks/whatsapp/"+whatsappID, body, "X-Hub-Signature-256", sign("appsecret", body))
		want(t, w, http.StatusOK)
		if hits := b.appender.all(); len(hits) != 1 || hits[0].Fact.Kind != hit.KindRaw && hits[0].Rejection == nil {
			t.Errorf("%s: %+v", name, hits)
		}
	}
}

// Cleaned, this would not fit in a hit; a 413 would have Meta send it for days.
func TestWhatsApp_LargeAndUnclean(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.appender.encodes = true
	body := `"` + strings.Repeat("\xff", 3<<20) + `"`
	answer := want(t, b.do(http.MethodPost, "/webhooks/whatsapp/"+whatsappID, body, "X-Hub-Signature-256", sign("appsecret", body)), http.StatusOK)
	if rejected, _ := answer["rejected"].([]any); len(rejected) != 1 {
		t.Errorf("%v", answer)
	}
}

func TestWhatsApp_Large(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	status := `{"id":"wamid.` + strings.Repeat("x", 2000) + `","status":"read","timestamp":"1788260400","recipient_id":"4791234567"}`
	statuses := strings.TrimSuffix(strings.Repeat(status+",", 1000), ",")
	body := `{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[` + strings.ReplaceAll(statuses, strings.Repeat("x", 2000), strings.Repeat("x", 900)) + `],"pad":"` + strings.Repeat("p", 2<<20) + `"}}]}]}`
	want(t, b.do(http.MethodPost, "/webhooks/whatsapp/"+whatsappID, body, "X-Hub-Signature-256", sign("appsecret", body)), http.StatusOK)
	if len(b.appender.calls) != 1 || len(b.appender.all()) != 1000 {
		t.Errorf("%d hits in %d calls", len(b.appender.all()), len(b.appender.calls))
	}
	over := strings.Repeat("x", 4<<20+1)
	want(t, b.do(http.MethodPost, "/webhooks/whatsapp/"+whatsappID, over, "X-Hub-Signature-256", sign("appsecret", over)), http.StatusRequestEntityTooLarge)
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	path := "/webhooks/webhook/" + webhookID
	post := func(body string) map[string]any {
		return want(t, b.do(http.MethodPost, path, body, "X-Signature-256", sign("hush", body)), http.StatusOK)
	}
	post(`{"id":"w1","event":"Order Completed","at":"2026-09-01T11:00:00Z","email":"a@b.example","properties":{"value":5}}`)
	refused := post(`{"id":"w2"}`)
	if refused["rejected"] == nil {
		t.Errorf("%v", refused)
	}
	body := `{"id":"w3","event":"E"}`
	want(t, b.do(http.MethodPost, path, body, "X-Signature-256", sign("appsecret", body)), http.StatusUnauthorized)
	want(t, b.do(http.MethodPost, path, body, "X-Hub-Signature-256", sign("hush", body)), http.StatusUnauthorized)
	want(t, b.do(http.MethodPost, path, "nonsense", "X-Signature-256", sign("hush", "nonsense")), http.StatusBadRequest)
	hits := b.appender.all()
	if len(hits) != 2 || hits[0].Fact.Trust != hit.TrustWebhook || hits[1].Rejection == nil {
		t.Errorf("%+v", hits)
	}
}
