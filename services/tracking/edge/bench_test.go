package edge

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/hit"
)

// forgetful takes hits and keeps none, so that a benchmark measures the edge alone.
type forgetful struct{}

func (forgetful) Append(context.Context, []hit.Hit) (hit.Receipt, error) {
	return hit.Receipt{Epoch: testEpoch, Number: 1}, nil
}

const benchCall = `{"writeKey":"pixel-key","messageId":"ajs-next-1795290789387","anonymousId":"ee0c709e-bb7a-4c93-a504-6f5eceb13d17","userId":"u1","type":"track","event":"Order Completed","timestamp":"2026-09-01T11:00:00.000Z","sentAt":"2026-09-01T11:00:00.010Z","properties":{"order_id":"o1","total":27.5,"currency":"NOK"},"context":{"page":{"url":"https://shop.example/checkout?utm_source=whatsapp","referrer":"https://l.wl.co/","title":"Checkout"},"traits":{"phone":"+4791234567"}}}`

const benchEvents = `{"writeKey":"pixel-key","sentAt":"2026-09-01T12:00:00.000Z","batch":[{"type":"page","messageId":"0198f3a2-9d1c-7c2e-8a54-2f6b1f0c9d11","anonymousId":"0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11","timestamp":"2026-09-01T11:59:59.900Z","properties":{"url":"https://www.shop.example/?mt=tk1","referrer":"https://l.wl.co/","title":"Shop"}},{"type":"track","messageId":"0198f3a2-9d1c-7c2e-8a54-2f6b1f0c9d12","anonymousId":"0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11","event":"Product Viewed","timestamp":"2026-09-01T11:59:59.950Z","properties":{"url":"https://www.shop.example/?mt=tk1","referrer":"https://l.wl.co/","title":"Shop","sku":"7"}}]}`

func BenchmarkTrack(b *testing.B) { benchmarkPost(b, "/v1/t", benchCall) }

// BenchmarkBatch is a hundred calls in one request.
func BenchmarkBatch(b *testing.B) {
	calls := strings.TrimSuffix(strings.Repeat(strings.Replace(benchCall, `"writeKey":"pixel-key",`, "", 1)+",", 100), ",")
	benchmarkPost(b, "/v1/b", `{"writeKey":"pixel-key","batch":[`+calls+`]}`)
}

// BenchmarkCallback is twenty statuses in one callback, laid out as Meta sends them.
func BenchmarkCallback(b *testing.B) {
	statuses := make([]string, 20)
	for i := range statuses {
		state, more := "read", ""
		if i%3 > 0 {
			state, more = "sent", fmt.Sprintf(`"conversation":{"id":"c-wamid.%d","origin":{"type":"marketing"}},`+
				`"pricing":{"billable":true,"category":"marketing","pricing_model":"PMP","type":"regular"},`, i)
		}
		statuses[i] = fmt.Sprintf(`{%s"id":"wamid.bench%d","recipient_id":"47912345%02d","status":"%s","timestamp":"1788260400"}`, more, i, i, state)
	}
	benchmarkPost(b, "/webhooks/whatsapp/"+whatsappID, `{"object":"whatsapp_business_account","entry":[{"id":"2001","changes":[{"field":"messages","value":{`+
		`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550001001","phone_number_id":"1001"},"statuses":[`+strings.Join(statuses, ",")+`]}}]}]}`)
}

// BenchmarkPixel is two events of one page, sent from another site.
func BenchmarkPixel(b *testing.B) { benchmarkPost(b, "/e", benchEvents) }

func benchmarkPost(b *testing.B, path, body string) {
	bench := newBench(b)
	e := New(Config{MaxItem: 32 << 10, MaxBody: 500 << 10, MaxWebhook: 4 << 20, ScriptPath: "/p.js", EventPath: "/e", GIFPath: "/e.gif"}, Deps{
		Directory: &bench.directory, Appender: forgetful{}, Metrics: NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	})
	router := echo.New()
	e.Register(router)
	signed := sign("appsecret", body)
	b.ReportAllocs()
	for b.Loop() {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Origin", "https://www.shop.example")
		r.Header.Set(headerMetaSignature, signed)
		router.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatal(w.Code)
		}
	}
}
