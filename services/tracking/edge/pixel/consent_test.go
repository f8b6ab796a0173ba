package pixel

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/intake"
)

// keep decodes one event and takes it through intake.
func keep(t *testing.T, fields string) (hit.Fact, []Ask, *intake.Refusal) {
	t.Helper()
	body := `{"writeKey":"wk","batch":[{"type":"page","messageId":"m1","properties":{"url":"https://shop.example/"}` + fields + `}]}`
	r, err := Decode([]byte(body), segment.Meta{ReceivedAt: edgetest.ReceivedAt})
	if err != nil || len(r.Items) != 1 {
		t.Fatalf("%s: %+v, %v", body, r, err)
	}
	h, refusal := intake.Run(r.Items[0], edgetest.Env(hit.TrustBrowser))
	return h.Fact, r.Asks, refusal
}

func TestDecode_Consent(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("C", maxTC)
	for _, c := range []struct {
		name, fields string
		want         *hit.Consent
		unclean      bool
	}{
		{name: "unknown", fields: `,"consent":"unknown"`, want: &hit.Consent{State: hit.ConsentUnknown}},
		{name: "granted", fields: `,"consent":"granted"`, want: &hit.Consent{State: hit.ConsentGranted}},
		{name: "signals alone", fields: `,"signals":{"gpc":true,"dnt":true}`, want: &hit.Consent{GPC: true, DNT: true}},
		{
			name: "Consent Mode in any order", fields: `,"consent":"denied","signals":{"gcm":{"analytics_storage":"denied","ad_storage":"granted"}}`,
			want: &hit.Consent{State: hit.ConsentDenied, GCM: []byte(`{"ad_storage":"granted","analytics_storage":"denied"}`)},
		},
		{name: "a TC string", fields: `,"signals":{"tcf":"CPXx-_0.YAAA"}`, want: &hit.Consent{TCF: "CPXx-_0.YAAA"}},
		{name: "the longest TC string", fields: `,"signals":{"tcf":"` + long + `"}`, want: &hit.Consent{TCF: long}},
		{name: "null is absent", fields: `,"consent":"granted","signals":null`, want: &hit.Consent{State: hit.ConsentGranted}},
		{name: "no such state", fields: `,"consent":"maybe"`, want: &hit.Consent{}, unclean: true},
		{name: "a state that is no text", fields: `,"consent":true`, want: &hit.Consent{}, unclean: true},
		{name: "signals that are no object", fields: `,"consent":"granted","signals":"gpc"`, want: &hit.Consent{State: hit.ConsentGranted}, unclean: true},
		{name: "true is not 1", fields: `,"signals":{"gpc":1}`, want: &hit.Consent{}},
		{name: "an unknown purpose", fields: `,"signals":{"gcm":{"ad_storage":"granted","x":"granted"}}`, want: &hit.Consent{GCM: []byte(`{"ad_storage":"granted"}`)}, unclean: true},
		{name: "an unknown value", fields: `,"signals":{"gcm":{"ad_storage":"yes"}}`, want: &hit.Consent{}, unclean: true},
		{name: "a mode that is no object", fields: `,"signals":{"gcm":["ad_storage"]}`, want: &hit.Consent{}, unclean: true},
		{name: "a TC string too long", fields: `,"signals":{"tcf":"` + long + `C"}`, want: &hit.Consent{}, unclean: true},
		{name: "no TC string", fields: `,"signals":{"tcf":"<script>"}`, want: &hit.Consent{}, unclean: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, _, refusal := keep(t, c.fields)
			if refusal != nil {
				t.Fatalf("refused: %+v", refusal)
			}
			if diff := cmp.Diff(c.want, f.Consent); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if slices.Contains(f.Flags, hit.FlagConsentInvalid) != c.unclean {
				t.Errorf("flags %v", f.Flags)
			}
		})
	}
	if f, _, refusal := keep(t, `,"anonymousId":"d1"`); refusal != nil || f.Consent != nil {
		t.Errorf("a page of before: %+v, %+v", f.Consent, refusal)
	}
	if _, _, refusal := keep(t, ``); refusal == nil || refusal.Reason != intake.NoIdentifier {
		t.Errorf("of nobody and without a word of consent: %+v", refusal)
	}
}

func TestDecode_Asks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields, device string
		want                 []Ask
	}{
		{name: "nothing", fields: `,"anonymousId":"d1","consent":"granted"`, device: "d1"},
		{name: "a new device", fields: `,"anonymousId":"d1","device":"new"`, device: "d1", want: []Ask{{New: true}}},
		{name: "after a reset", fields: `,"anonymousId":"d1","device":"reset"`, device: "d1", want: []Ask{{Reset: true}}},
		{name: "no such word", fields: `,"anonymousId":"d1","device":"old"`, device: "d1"},
		{name: "a handover", fields: `,"anonymousId":"d1","handover":"d1.x.y"`, device: "d1", want: []Ask{{Handover: "d1.x.y"}}},
		{name: "cookieless", fields: `,"cookieless":true`, want: []Ask{{Cookieless: true}}},
		{name: "cookieless although it has a device", fields: `,"anonymousId":"d1","device":"new","cookieless":true`, want: []Ask{{Cookieless: true}}},
		{name: "cookieless without consent", fields: `,"consent":"denied","cookieless":true`, want: []Ask{{Cookieless: true}}},
		{name: "denied although it has a device", fields: `,"anonymousId":"d1","device":"new","handover":"d1.x.y","consent":"denied"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f, asks, refusal := keep(t, c.fields)
			if refusal != nil {
				t.Fatalf("refused: %+v", refusal)
			}
			device := ""
			if f.Device != nil {
				device = f.Device.Value
			}
			if diff := cmp.Diff(c.want, asks); diff != "" || device != c.device {
				t.Errorf("device %q, asks (-want +got):\n%s", device, diff)
			}
		})
	}
}

// The image stands in for the script and says the same of consent.
func TestView_Consent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query string
		gpc         bool
		device      string
		want        *hit.Consent
		cookieless  bool
		flags       []string
	}{
		{name: "granted", query: "did=d1&consent=granted", device: "d1", want: &hit.Consent{State: hit.ConsentGranted}},
		{name: "denied", query: "did=d1&consent=denied", want: &hit.Consent{State: hit.ConsentDenied}},
		{name: "unknown, of nobody", query: "consent=unknown", want: &hit.Consent{State: hit.ConsentUnknown}},
		{name: "by the browser's header", query: "did=d1", gpc: true, device: "d1", want: &hit.Consent{GPC: true}},
		{name: "cookieless", query: "did=d1&cookieless=1", cookieless: true},
		{name: "no such state", query: "did=d1&consent=x", device: "d1", want: &hit.Consent{}, flags: []string{hit.FlagConsentInvalid}},
		{name: "of before", query: "did=d1", device: "d1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			query, err := url.ParseQuery(c.query)
			if err != nil {
				t.Fatal(err)
			}
			item, ask := View(query, Sent{GPC: c.gpc, ReceivedAt: edgetest.ReceivedAt})
			h, refusal := intake.Run(item, edgetest.Env(hit.TrustBrowser))
			device := ""
			if h.Fact.Device != nil {
				device = h.Fact.Device.Value
			}
			if refusal != nil || device != c.device || ask != (Ask{Cookieless: c.cookieless}) || !slices.Equal(h.Fact.Flags, c.flags) {
				t.Errorf("refusal %+v, device %q, ask %+v, flags %v", refusal, device, ask, h.Fact.Flags)
			}
			if diff := cmp.Diff(c.want, h.Fact.Consent); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
