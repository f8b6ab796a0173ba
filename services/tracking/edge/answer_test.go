package edge

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestUnavailable(t *testing.T) {
	t.Parallel()
	message := `{"messages":[{"channel":"sms","message_id":"1"}]}`
	callback := `{"object":"whatsapp_business_account","entry":[]}`
	requests := map[string][]string{
		"/v1/track":                        {`{"userId":"u","event":"E"}`, "Authorization", basic("server-key")},
		"/v1/messages":                     {message, "Authorization", basic("server-key")},
		"/e":                               {`{"writeKey":"pixel-key","batch":[{"type":"page","anonymousId":"d"}]}`},
		"/webhooks/whatsapp/" + whatsappID: {callback, "X-Hub-Signature-256", sign("appsecret", callback)},
	}
	for path, request := range requests {
		for _, part := range []string{"stream", "registry"} {
			b := newBench(t)
			if part == "stream" {
				b.appender.err = fmt.Errorf("append to shard 1: %w", stream.ErrUnavailable)
			} else {
				b.directory.down = true
			}
			w := b.do(http.MethodPost, path, request[0], request[1:]...)
			want(t, w, http.StatusServiceUnavailable)
			if w.Header().Get("Retry-After") != "1" || w.Header().Get("Receipt") != "" {
				t.Errorf("%s without %s: headers %v", path, part, w.Header())
			}
		}
	}
}

func TestFailureIsNotTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.appender.err = fmt.Errorf("dial 10.0.0.7: secret")
	w := b.do(http.MethodPost, "/v1/track", `{"userId":"u","event":"E"}`, "Authorization", basic("server-key"))
	want(t, w, http.StatusInternalServerError)
	if strings.Contains(w.Body.String(), "10.0.0.7") {
		t.Error("an inner error reached the sender")
	}
}

func TestEmptyBatch(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.do(http.MethodPost, "/v1/batch", `{"batch":[]}`, "Authorization", basic("server-key"))
	want(t, w, http.StatusOK)
	if len(b.appender.calls) != 0 || w.Header().Get("Receipt") != "" {
		t.Error("nothing must be appended, and no receipt given, for nothing")
	}
}

// A flood of tiny items would keep everybody else's hits waiting for one script.
func TestTooManyItems(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for path, array := range map[string]string{"/v1/batch": "batch", "/e": "batch", "/v1/messages": "messages", "/v1/messages/statuses": "statuses"} {
		at := func(items int) string {
			return `{"` + array + `":[` + strings.Repeat("1,", items-1) + `1]}`
		}
		target := path + "?writeKey=server-key"
		want(t, b.do(http.MethodPost, target, at(intake.MaxItems)), http.StatusOK)
		kept := len(b.appender.all())
		problem := want(t, b.do(http.MethodPost, target, at(intake.MaxItems+1)), http.StatusRequestEntityTooLarge)
		if errors, _ := problem["errors"].([]any); len(errors) != 1 || !strings.Contains(fmt.Sprint(errors[0]), "pointer:/"+array) {
			t.Errorf("%s: %v", path, problem)
		}
		if len(b.appender.all()) != kept {
			t.Errorf("%s: kept all the same", path)
		}
	}
}

// The name of the package that read the body says nothing to who sent it.
func TestUnreadable_Detail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	problem := want(t, b.do(http.MethodPost, "/v1/batch?writeKey=server-key", "{"), http.StatusBadRequest)
	if detail, _ := problem["detail"].(string); !strings.HasPrefix(detail, "the body must be") {
		t.Errorf("detail %q", detail)
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.do(http.MethodPost, "/v1/batch", `{"batch":[{"type":"track","event":"E"},{"type":"track","event":"E","userId":"u"},{"type":"track","event":"E","userId":"v"}]}`, "Authorization", basic("server-key"))
	expected := `
# HELP touchline_edge_items_total Items made durable, by kind of source and whether they became a fact or a rejection.
# TYPE touchline_edge_items_total counter
touchline_edge_items_total{kind="server",outcome="fact"} 2
touchline_edge_items_total{kind="server",outcome="rejected"} 1
`
	if err := testutil.GatherAndCompare(b.metrics, strings.NewReader(expected), "touchline_edge_items_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(b.metrics, "touchline_edge_rejected_total", "touchline_edge_append_seconds"); err != nil || n < 8 {
		t.Errorf("%d series, %v", n, err)
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	body := `{"messages":[{"channel":"whatsapp","message_id":"w1","click_token":"mine"},{"channel":"whatsapp","message_id":"w2","to":5},{"channel":"whatsapp","message_id":"w3"}]}`
	register := func() map[string]any {
		return want(t, b.do(http.MethodPost, "/v1/messages", body, "Authorization", basic("server-key")), http.StatusOK)
	}
	answer := register()
	messages, _ := answer["messages"].([]any)
	if len(messages) != 2 {
		t.Fatalf("%v", answer)
	}
	first, _ := messages[0].(map[string]any)
	made, _ := messages[1].(map[string]any)
	if first["message_id"] != "w1" || first["click_token"] != "mine" || made["message_id"] != "w3" || len(fmt.Sprint(made["click_token"])) != 22 {
		t.Errorf("%v", messages)
	}
	rejected, _ := answer["rejected"].([]any)
	if refusal, _ := rejected[0].(map[string]any); refusal["index"] != 1.0 || refusal["reason"] != "bad_field" || refusal["pointer"] != "/messages/1/to" {
		t.Errorf("%v", rejected)
	}
	again, _ := register()["messages"].([]any)
	if repeated, _ := again[1].(map[string]any); repeated["click_token"] != made["click_token"] {
		t.Error("a retry got another click token")
	}
	if f := b.appender.all()[0].Fact; f.Trust != hit.TrustServer || f.Kind != hit.KindMessage {
		t.Errorf("%+v", f)
	}
}

func TestMessages_WantsAServer(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/v1/messages", "/v1/messages/statuses"} {
		b := newBench(t)
		body := want(t, b.do(http.MethodPost, path, `{"messages":[],"statuses":[]}`, "Authorization", basic("pixel-key"), "Origin", "https://x.example"), http.StatusForbidden)
		if detail, _ := body["detail"].(string); !strings.Contains(detail, "server source") {
			t.Errorf("%s: %q", path, detail)
		}
		want(t, b.do(http.MethodPost, path, `{}`, "Authorization", basic("server-key")), http.StatusBadRequest)
	}
}

func TestMessageStatuses(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	w := b.do(http.MethodPost, "/v1/messages/statuses", `{"statuses":[{"channel":"email","message_id":"e1","status":"read","at":"2026-09-01T11:00:00Z"}]}`, "Authorization", basic("server-key"))
	want(t, w, http.StatusOK)
	if f := b.appender.all()[0].Fact; f.Kind != hit.KindStatus || f.Trust != hit.TrustWebhook || w.Header().Get("Receipt") == "" {
		t.Errorf("%+v", f)
	}
}
