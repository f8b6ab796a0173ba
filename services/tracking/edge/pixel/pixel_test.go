package pixel

import (
	"net/url"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	batch := `{"writeKey":"wk","sentAt":"2026-09-01T12:00:00.000Z","batch":[{"type":"page","messageId":"m1","anonymousId":"d1","timestamp":"2026-09-01T11:59:59.900Z","properties":{"url":"https://shop.example/?mt=tk1","referrer":"","title":"Shop"}}]}`
	single := `{"writeKey":"wk","type":"page","messageId":"m1","anonymousId":"d1","timestamp":"2026-09-01T11:59:59.900Z","properties":{"url":"https://shop.example/?mt=tk1"}}`
	for _, body := range []string{batch, single} {
		r, err := Decode([]byte(body), segment.Meta{ReceivedAt: edgetest.ReceivedAt})
		if err != nil || r.WriteKey != "wk" || len(r.Items) != 1 {
			t.Fatalf("%+v, %v", r, err)
		}
		h, refusal := intake.Run(r.Items[0], edgetest.Env(hit.TrustBrowser))
		if refusal != nil || h.Fact.Page == nil || h.Fact.Page.URL != "https://shop.example/?mt=tk1" || h.Fact.Device.Value != "d1" {
			t.Errorf("%+v, %v", h.Fact, refusal)
		}
		if want := edgetest.ReceivedAt - 100_000; h.Fact.At != want {
			t.Errorf("at %s", h.Fact.At.Time())
		}
	}
	if _, err := Decode([]byte(`{"writeKey":"wk"}`), segment.Meta{}); err == nil {
		t.Error("a body without batch and type was read")
	}
}

func TestView(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query, referer string
		address, device      string
		refused              bool
	}{
		{name: "names its address", query: "did=d1&url=https%3A%2F%2Fshop.example%2F%3Fa%3D1&mt=tk%2B1", referer: "https://x.example/", address: "https://shop.example/?a=1&mt=tk%2B1", device: "d1"},
		{name: "falls back to the referer", query: "did=d1", referer: "https://shop.example/p", address: "https://shop.example/p", device: "d1"},
		{name: "keeps the address's own token", query: "url=https%3A%2F%2Fs.example%2F%3Fmt%3Dold&mt=new", address: "https://s.example/?mt=old"},
		{name: "puts the token before the fragment", query: "url=https%3A%2F%2Fs.example%2F%23top&mt=tk", address: "https://s.example/?mt=tk#top"},
		{name: "is refused when it names nobody and nothing", query: "url=https%3A%2F%2Fs.example%2F", refused: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			item, _ := View(query, Sent{Referer: c.referer, ReceivedAt: edgetest.ReceivedAt})
			h, refusal := intake.Run(item, edgetest.Env(hit.TrustBrowser))
			if (refusal != nil) != c.refused {
				t.Fatalf("refusal %v", refusal)
			}
			if c.refused {
				return
			}
			device := ""
			if h.Fact.Device != nil {
				device = h.Fact.Device.Value
			}
			if h.Fact.Page.URL != c.address || device != c.device || h.Fact.At != edgetest.ReceivedAt {
				t.Errorf("%+v of %q at %s", h.Fact.Page, device, h.Fact.At.Time())
			}
		})
	}
}

func TestView_ID(t *testing.T) {
	t.Parallel()
	query := url.Values{"did": {"d1"}, "id": {"v1"}}
	idAt := func(at hit.Instant) string {
		item, _ := View(query, Sent{ReceivedAt: at})
		return item.Fact.ID
	}
	if idAt(1) != idAt(2) {
		t.Error("a view with an id must stay the same view")
	}
	query.Del("id")
	if idAt(1) == idAt(2) {
		t.Error("two views without an id must be two")
	}
}

func FuzzView(f *testing.F) {
	f.Add("did=d1&url=https%3A%2F%2Fs.example%2F&mt=t&ref=r&id=i", "https://x.example/")
	f.Add("mt=%00%ff&url=?#", "")
	f.Add("consent=denied&did=d1&cookieless=1", "")
	f.Fuzz(func(t *testing.T, query, referer string) {
		values, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		item, _ := View(values, Sent{Referer: referer, ReceivedAt: edgetest.ReceivedAt})
		edgetest.Check(t, []intake.Item{item})
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"page","anonymousId":"d"}`))
	f.Add([]byte(`{"type":"page","consent":"granted","signals":{"gpc":true,"dnt":true,"gcm":{"ad_storage":"granted"},"tcf":"CP.A"},"device":"new","handover":"a.b.c"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r, err := Decode(body, segment.Meta{ReceivedAt: 1}); err == nil {
			edgetest.Check(t, r.Items)
		}
	})
}
