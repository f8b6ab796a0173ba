package whatsapp

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/hit/canonical"
	"github.com/touchline/touchline/services/tracking/edge/edgetest"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/intake"
)

func TestDecode(t *testing.T) {
	t.Parallel()
	edgetest.Payloads(t, edgetest.Env(hit.TrustWebhook), func(_ *testing.T, _ string, body []byte) []intake.Item {
		return Decode(body)
	})
}

func TestDecode_EscapedBodyIsReadAsWritten(t *testing.T) {
	t.Parallel()
	items := Decode([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"field":"messages","value":{"messages":[{"from":"16505551234","id":"wamid.X","timestamp":"1749416383","type":"text","text":{"body":"\u00e4\u00f6\u00e5"}}]}}]}]}`))
	if len(items) != 1 || items[0].Fact.Inbound.Text != "äöå" {
		t.Errorf("got %+v", items)
	}
}

func TestDecode_FloodIsOneItem(t *testing.T) {
	t.Parallel()
	flood := strings.Repeat("{},", intake.MaxItems) + "{}"
	for _, body := range []string{
		`{"object":"whatsapp_business_account","entry":[` + flood + `]}`,
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[` + flood + `]}]}`,
		`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"statuses":[` + flood + `]}}]}]}`,
	} {
		if items := Decode([]byte(body)); len(items) != 1 || items[0].Fact.Kind != hit.KindRaw {
			t.Errorf("%.90s…: %d items", body, len(items))
		}
	}
}

// What two participants of a group do with one message has one key, (channel, message
// id, status), and says the same of the message but for the time: the earliest is in
// force and neither is a conflict. Nobody is named, as a group is nobody.
func TestDecode_ParticipantsOfAGroup(t *testing.T) {
	t.Parallel()
	items := Decode([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"field":"messages","value":{
		"contacts":[{"wa_id":"4791234567","user_id":"NO.1"}],"statuses":[
		{"id":"wamid.G","status":"read","timestamp":"1749416383","recipient_id":"g","recipient_type":"group","recipient_participant_id":"4791234567"},
		{"id":"wamid.G","status":"read","timestamp":"1749416399","recipient_id":"g","recipient_type":"group","recipient_participant_id":"4740012345","recipient_participant_user_id":"NO.2"}]}}]}]}`))
	if len(items) != 2 {
		t.Fatalf("%d items", len(items))
	}
	first, _ := intake.Run(items[0], edgetest.Env(hit.TrustWebhook))
	second, _ := intake.Run(items[1], edgetest.Env(hit.TrustWebhook))
	bodies := [2]string{}
	for i, f := range []*hit.Fact{&first.Fact, &second.Fact} {
		body, _, err := hit.Content(f)
		if err != nil || len(f.Identifiers) > 0 || f.Report == nil || !f.Report.Group {
			t.Errorf("%v: %+v", err, f)
		}
		bodies[i] = string(body)
	}
	if first.Fact.Key() != second.Fact.Key() || bodies[0] != bodies[1] || first.Fact.At == second.Fact.At {
		t.Errorf("%s\n%s", bodies[0], bodies[1])
	}
}

// The On-Premises API had other words for a new number; some providers still use them.
func TestDecode_NumberChangedInOldWords(t *testing.T) {
	t.Parallel()
	items := Decode([]byte(`{"object":"whatsapp_business_account","entry":[{"id":"0","changes":[{"field":"messages","value":{"messages":[
		{"from":"4791234567","id":"wamid.C","timestamp":"1749416383","type":"system","system":{"type":"customer_changed_number","new_wa_id":"4740012345"}}]}}]}]}`))
	h, _ := intake.Run(items[0], edgetest.Env(hit.TrustWebhook))
	want := []hit.Identifier{{Kind: hit.Phone, Value: "+4791234567"}, {Kind: hit.Phone, Value: "+4740012345"}}
	if f := h.Fact; f.Kind != hit.KindIdentify || f.Identify.Call != "user_changed_number" || !slices.Equal(f.Identifiers, want) {
		t.Errorf("%+v", f)
	}
}

func TestQuotient(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ value, offset, want string }{
		{"21000", "100", "210"},
		{"1", "1000", "0.001"},
		{"12.5", "", "12.5"},
		{"-5", "10", "-0.5"},
		{"1", "3", ""}, // no end
		{"1", "0", ""},
		{"1e9", "1", ""},
		{"", "100", ""},
		{"99999999999999999999", "1", ""},
	} {
		if got := quotient(c.value, c.offset); got != c.want {
			t.Errorf("%s / %s = %q, want %q", c.value, c.offset, got, c.want)
		}
	}
}

func TestTotal(t *testing.T) {
	t.Parallel()
	for items, want := range map[string]string{
		`[{"item_price":30,"quantity":3,"currency":"ILS"},{"item_price":"10.10","quantity":2,"currency":"ils"}]`: "110.2 ILS",
		`[{"item_price":0.1,"quantity":3}]`: "0.3 ",
		`[]`:                                "none",
		`[{"item_price":"ITEM_PRICE","quantity":1}]`:                                     "none",
		`[{"item_price":1,"quantity":1,"currency":"NOK"},{"item_price":1,"quantity":1}]`: "none",
		`{"item_price":1}`: "none",
	} {
		got := "none"
		if sum := total([]byte(items)); sum != nil {
			got = sum.Amount + " " + sum.Currency
		}
		if got != want {
			t.Errorf("%s: %s, want %s", items, got, want)
		}
	}
}

func TestCutToken(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string][2]string{
		"BUY":            {"BUY", ""},
		"BUY;mt=tk":      {"BUY", "tk"},
		";mt=tk":         {"", "tk"},
		"a;mt=x;b;mt=y":  {"a;mt=x;b", "y"},
		"BUY;mt=":        {"BUY", ""},
		"BUY;MT=tk":      {"BUY;MT=tk", ""},
		"BUY;mt=tk more": {"BUY", "tk more"},
	} {
		rest, token := CutToken(payload)
		if rest != want[0] || token != want[1] {
			t.Errorf("%q: %q and %q, want %q", payload, rest, token, want)
		}
	}
}

// What is kept of an object means what encoding/json would have written of its members.
func TestKeep(t *testing.T) {
	t.Parallel()
	keys := []string{"a", "b", "c"}
	for _, text := range []string{
		`{}`, `{"d":1}`, `{"a":null}`, `{"a":1}`, ` { "c" : [ 1 , {"x" : "<&\u2028>"} ] , "a" : "\u00e9\ud800" , "d":2 } `,
		`{"a":1,"b":2,"a":3}`, `{"a":1,"a":null,"b":-0.0}`, `{"\u0061":"by its escape"}`, "{\"b\":\"\xff\"}",
	} {
		o, ok := lenient.Read([]byte(text))
		if !ok {
			t.Fatalf("%s is no object", text)
		}
		members := map[string]json.RawMessage{}
		for _, key := range keys {
			if o.Has(key) {
				members[key] = o.Get(key)
			}
		}
		got := keep(o, keys...)
		if len(members) == 0 {
			if got != nil {
				t.Errorf("%s: kept %s, want nothing", text, got)
			}
			continue
		}
		written, err := json.Marshal(members)
		if err != nil {
			t.Fatal(err)
		}
		want, err := canonical.JSON(written)
		found, err2 := canonical.JSON(got)
		if err != nil || err2 != nil || string(found) != string(want) {
			t.Errorf("%s: kept %s, want %s (%v, %v)", text, found, want, err, err2)
		}
	}
}

func FuzzDecode(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.json")
	for _, name := range names {
		if body, err := os.ReadFile(name); err == nil {
			f.Add(body)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		items := Decode(body)
		if len(items) == 0 {
			t.Fatal("a signed body left nothing")
		}
		edgetest.Check(t, items)
	})
}
