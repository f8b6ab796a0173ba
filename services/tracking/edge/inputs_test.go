package edge

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/intake"
)

// endpoint is one way to send hits.
type endpoint struct {
	name, path string
	// body makes a request's body around one item.
	body func(item string) string
	// batch says that a request may have other items, and alone that its items are
	// judged with it: what is no JSON refuses them all.
	batch bool
	// sign is the secret of a callback's signature, and header where it goes.
	sign, header string
	// item has every field that is read, with a value that is accepted.
	item string
}

// endpoints lists every route that takes a body.
func endpoints() []endpoint {
	const (
		around = `"context":{"page":{"url":"https://shop.example/","referrer":"https://x.example/","title":"T"},"traits":{"phone":"+4790123456","email":"a@b.example"},"location":{"country":"NO"}}`
		who    = `"messageId":"m","userId":"u","anonymousId":"d","timestamp":"2026-09-01T11:00:00.000Z","sentAt":"2026-09-01T11:00:00.000Z",`
		track  = `{"type":"track",` + who + `"event":"E","properties":{"order_id":"o","total":27.5,"currency":"NOK","country":"NO","in_thread":true},` + around + `}`
		page   = `{"type":"page",` + who + `"name":"N","properties":{"url":"https://shop.example/?mt=t","referrer":"r","title":"T"},` + around + `}`
		person = `{"type":"identify",` + who + `"traits":{"phone":"+4790123456","email":"a@b.example","name":"N"},` + around + `}`
	)
	all := []endpoint{
		{name: "messages", path: "/v1/messages?key=server-key", batch: true, body: array("messages"), item: `{"channel":"sms","message_id":"m","to":{"user_id":"u","phone":"+4790123456","wa_id":"4790123456","bsuid":"NO.7","email":"a@b.example","country":"NO"},"sent_at":"2026-09-01T11:00:00Z","sender":"s","campaign":"c","variant":"v","click_token":"t","template":{"name":"n","language":"nb"},"cost":{"amount":"1.5","currency":"NOK"}}`},
		{name: "statuses", path: "/v1/messages/statuses?key=server-key", batch: true, body: array("statuses"), item: `{"channel":"sms","message_id":"m","status":"read","at":"2026-09-01T11:00:00Z","reason":"r","machine":true}`},
		{name: "whatsapp inbound", path: "/webhooks/whatsapp/" + whatsappID, sign: "appsecret", header: headerMetaSignature, body: change("messages"), item: `{"from":"4790123456","from_user_id":"NO.7","id":"wamid.1","timestamp":"1788260400","type":"text","text":{"body":"hi"},"context":{"id":"wamid.0"},"referral":{"source_id":"s","source_type":"ad","source_url":"https://x.example/","headline":"h","ctwa_clid":"c"}}`},
		{name: "whatsapp order", path: "/webhooks/whatsapp/" + whatsappID, sign: "appsecret", header: headerMetaSignature, body: change("messages"), item: `{"from":"4790123456","id":"wamid.1","timestamp":"1788260400","type":"order","order":{"catalog_id":"c","text":"t","product_items":[{"product_retailer_id":"p","quantity":2,"item_price":1.5,"currency":"NOK"}]}}`},
		{name: "whatsapp flow", path: "/webhooks/whatsapp/" + whatsappID, sign: "appsecret", header: headerMetaSignature, body: change("messages"), item: `{"from":"4790123456","id":"wamid.1","timestamp":"1788260400","type":"interactive","interactive":{"type":"nfm_reply","nfm_reply":{"name":"flow","body":"Sent","response_json":"{\"flow_token\":\"a;mt=t\"}"}}}`},
		{name: "whatsapp status", path: "/webhooks/whatsapp/" + whatsappID, sign: "appsecret", header: headerMetaSignature, body: change("statuses"), item: `{"id":"wamid.1","status":"failed","timestamp":"1788260400","recipient_id":"4790123456","recipient_user_id":"NO.7","type":"payment","payment":{"reference_id":"r","amount":{"value":100,"offset":100},"currency":"INR"},"pricing":{"category":"marketing"},"errors":[{"code":131000,"title":"t","message":"m","error_data":{"details":"d"}}]}`},
		{name: "webhook", path: "/webhooks/webhook/" + webhookID, sign: "hush", header: headerSignature, body: func(item string) string { return item }, item: `{"id":"i","event":"E","at":"2026-09-01T11:00:00Z","phone":"+4790123456","email":"a@b.example","user_id":"u","anonymous_id":"d","in_thread":true,"properties":{"order_id":"o","total":1.5,"country":"NO"}}`},
		{name: "batch", path: "/v1/batch?key=server-key", batch: true, body: array("batch"), item: track},
		{name: "import", path: "/v1/import?key=server-key", batch: true, body: array("batch"), item: page},
		{name: "pixel", path: "/e?key=pixel-key", batch: true, body: array("batch"), item: strings.Replace(page, `{`, `{"consent":"granted","signals":{"gpc":true,"dnt":true,"gcm":{"ad_storage":"granted"},"tcf":"CP.A"},"device":"new","handover":"d.e.f",`, 1)},
		{name: "pixel cookieless", path: "/e?key=pixel-key", batch: true, body: array("batch"), item: strings.Replace(page, `{`, `{"consent":"denied","cookieless":true,`, 1)},
		{name: "pixel alone", path: "/e?key=pixel-key", body: func(item string) string { return item }, item: person},
	}
	for path, call := range segmentPaths() {
		item := map[string]string{"track": track, "page": page, "screen": page}[string(call)]
		if item == "" {
			item = strings.Replace(person, `{`, `{"previousId":"p","groupId":"g",`, 1)
		}
		if call != "batch" {
			all = append(all, endpoint{name: path, path: path + "?key=server-key", body: func(item string) string { return item }, item: item})
		}
	}
	return all
}

func array(name string) func(string) string {
	return func(items string) string { return `{"` + name + `":[` + items + `]}` }
}

// change is a callback of Meta with elements of one array.
func change(name string) func(string) string {
	return func(items string) string {
		return `{"object":"whatsapp_business_account","entry":[{"id":"1","time":1788260400,"changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"7","display_phone_number":"1"},"contacts":[{"wa_id":"4790123456","user_id":"NO.7","profile":{"name":"N"}}],"` + name + `":[` + items + `]}}]}]}`
	}
}

// send posts a body as the endpoint's sender would.
func (p endpoint) send(t testing.TB, b *bench, body string) *httptest.ResponseRecorder {
	t.Helper()
	if p.header != "" {
		return b.judged(t, http.MethodPost, p.path, body, p.header, sign(p.sign, body))
	}
	return b.judged(t, http.MethodPost, p.path, body)
}

// judged sends a request and holds what must be true whatever was sent: an answer in
// time that is no failure; hits that were kept with their receipt, each of which can be
// stored and read again, or a reason and nothing kept.
func (b *bench) judged(t testing.TB, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	b.appender.calls = nil
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://edge.example"+target, strings.NewReader(body))
	if err != nil {
		t.Skip("no request") // only a fuzz target asks for a URL that is none
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	b.router.ServeHTTP(w, r)
	if ctx.Err() != nil {
		t.Fatalf("%s %.200s hangs on %.500q", method, target, body)
	}
	hits := b.appender.all()
	if fault := fault(w, hits); fault != "" {
		t.Fatalf("%s %.200s: %s\nsent %.2000q\nanswered %d %v %.2000s", method, target, fault, body, w.Code, w.Header(), w.Body)
	}
	for i := range hits {
		if fault := unkeepable(&hits[i]); fault != "" {
			t.Fatalf("%s %.200s: hit %d %s\nsent %.2000q", method, target, i, fault, body)
		}
	}
	return w
}

// fault says what is wrong with an answer.
func fault(w *httptest.ResponseRecorder, hits []hit.Hit) string {
	header := w.Header()
	if w.Code >= http.StatusInternalServerError || w.Code < http.StatusOK {
		return "a failure of ours"
	}
	if w.Code >= http.StatusBadRequest {
		image := header.Get("Content-Type") == "image/gif" // which can hold no reason
		var problem struct{ Detail string }
		if !image && (json.Unmarshal(w.Body.Bytes(), &problem) != nil || problem.Detail == "") {
			return "refused without a reason"
		}
		if len(hits) > 0 {
			return "refused and kept all the same"
		}
		return ""
	}
	var answer struct{ Rejected []refused }
	if strings.HasPrefix(header.Get("Content-Type"), "application/json") && json.Unmarshal(w.Body.Bytes(), &answer) != nil {
		return "the answer is no JSON"
	}
	if len(hits) > 0 && (header.Get(headerReceipt) == "" || header.Get(headerCount) == "") {
		return "kept without a receipt"
	}
	dropped := 0
	for _, h := range hits {
		if h.Rejection != nil {
			dropped++
		}
	}
	if header.Get("Content-Type") != "image/gif" && dropped != len(answer.Rejected) {
		return "not every refusal was told"
	}
	return ""
}

// unkeepable says why a hit can't go through stream and database and come back.
func unkeepable(h *hit.Hit) string {
	encoded, err := hit.Encode(nil, h)
	if err != nil {
		return err.Error()
	}
	decoded, err := hit.Decode(encoded)
	if err != nil {
		return "does not decode: " + err.Error()
	}
	again, err := hit.Encode(nil, &decoded)
	if err != nil || string(again) != string(encoded) {
		return "is another one after decoding"
	}
	if h.Rejection != nil {
		for _, reason := range intake.Reasons() {
			if string(reason) == h.Rejection.Reason && h.Rejection.Detail != "" {
				return ""
			}
		}
		return "is refused without a reason: " + h.Rejection.Reason
	}
	f := &h.Fact
	if year := f.At.Time().Year(); f.Kind == "" || f.ID == "" || year < 2009 || year > 2026 {
		return "is incomplete, or of a time that can't be: " + f.At.Time().String()
	}
	body, sum, err := hit.Content(f)
	if err != nil {
		return err.Error()
	}
	if path := unstorable("", reflect.ValueOf(f).Elem()); path != "" {
		return "has a text that Postgres can't store: " + path
	}
	if strings.Contains(string(body), `\u0000`) && strings.Contains(strings.ReplaceAll(string(body), `\\`, ""), `\u0000`) {
		return "has U+0000 in its content"
	}
	read, err := hit.FromContent(body)
	if err != nil {
		return err.Error()
	}
	_, sumAgain, err := hit.Content(&read)
	if err != nil || sum != sumAgain {
		return "has another content after it was read back: " + cmp.Diff(f, &read)
	}
	return ""
}

// unstorable names the first text below v that is no UTF-8 or has U+0000.
func unstorable(path string, v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			return unstorable(path, v.Elem())
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if found := unstorable(path+"."+v.Type().Field(i).Name, v.Field(i)); found != "" {
				return found
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if !utf8.Valid(v.Bytes()) {
				return path
			}
			return ""
		}
		for i := range v.Len() {
			if found := unstorable(path, v.Index(i)); found != "" {
				return found
			}
		}
	case reflect.String:
		if s := v.String(); !utf8.ValidString(s) || strings.Contains(s, "\x00") {
			return path
		}
	}
	return ""
}

// gifQuery is the query of the image with one value in every parameter.
func gifQuery(value string) string {
	query := url.Values{"key": {"pixel-key"}}
	for _, name := range []string{"url", "ref", "mt", "did", "uid", "id", "title"} {
		query.Set(name, value)
	}
	return "/e.gif?" + query.Encode()
}
