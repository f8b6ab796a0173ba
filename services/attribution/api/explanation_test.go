package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api"
	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/hit"
)

const (
	kari, ola = "+4790123467", "+4790123498"
	opened    = "wamid.HBgLNDc5MDEyMzQ2NxUCABEYopened"
	left      = "wamid.HBgLNDc5MDEyMzQ2NxUCABEYleft"
	leaving   = "wamid.HBgLNDc5MDEyMzQ2NxUCABEYleaving"
)

// kiosk is a shop where Ola used the device before Kari, who opened a message's link on
// it, answered another with STOP, and bought. Her order came by webhook, pixel and, its
// refund, by server; a later order of the same hour is one too many for "daily".
func (r *rig) kiosk() (workspace uuid.UUID, admin string) {
	r.t.Helper()
	workspace, admin = r.workspace(nil)
	r.call(http.MethodPut, "/v1/policy", admin, map[string]any{
		"models": []string{"last_touch", "linear"},
		"conversions": []any{
			map[string]any{"name": "purchase", "event": "Order Completed", "refund_event": "Order Refunded"},
			map[string]any{"name": "daily", "event": "Order Completed", "once_within_seconds": 3600},
			map[string]any{"name": "vip", "event": "Order Completed", "where": map[string]string{"tier": "vip"}},
			map[string]any{"name": "chat", "event": "whatsapp.message"},
		},
	}).into(r.t, http.StatusOK, nil)
	user := name(hit.UserID, "customer-000123")
	pixel := event(hit.TrustBrowser, "e2", 61, "Order Completed", `{"order_id":"A/1 50%25","tier":"basic"}`)
	pixel.Device = device("3f0a55aa-kiosk")
	r.play(workspace, admin,
		page("p1", 0, "3f0a55aa-kiosk", "?gclid=1"),
		login(hit.TrustServer, "i1", 5, device("3f0a55aa-kiosk"), name(hit.Phone, ola), name(hit.Email, "ola@example.com")),
		message(opened, 10, kari, "tk1"), status(opened, hit.StatusRead, 12),
		message(left, 11, kari, ""), inbound(leaving, 13, kari, "STOP", left),
		page("p2", 58, "3f0a55aa-kiosk", "?mt=tk1"),
		event(hit.TrustWebhook, "e1", 60, "Order Completed", `{"order_id":"A/1 50%25","value":"100.50","currency":"NOK"}`, user, name(hit.Phone, kari)),
		pixel,
		event(hit.TrustServer, "r1", 90, "Order Refunded", `{"order_id":"A/1 50%25","value":"0.50"}`),
		event(hit.TrustServer, "r9", 91, "Order Refunded", `{"order_id":"nobody's","value":"7"}`, name(hit.Phone, kari)),
		event(hit.TrustServer, "e3", 70, "Order Completed", `{"value":1}`, name(hit.Phone, kari)),
	)
	return workspace, admin
}

func explanationPath(id, query string) string {
	return "/v1/conversions/" + url.PathEscape(id) + "/explanation" + query
}

// told is an explanation as a client reads it: numbers as they were written.
type told struct {
	gen.Explanation
	Candidates []struct {
		gen.Candidate
		Shares []struct {
			gen.Share
			Weight json.Number `json:"weight"`
		} `json:"shares"`
		Engagements []struct {
			gen.Engagement
			Lag    json.Number  `json:"lag_seconds"`
			Beyond *json.Number `json:"beyond_seconds"`
		} `json:"engagements"`
	} `json:"candidates"`
}

func (r *rig) explanation(bearer, id, query string) told {
	r.t.Helper()
	var got told
	r.call(http.MethodGet, explanationPath(id, query), bearer, nil).into(r.t, http.StatusOK, &got)
	return got
}

// summary writes an explanation in lines.
func summary(e *told) []string {
	lines := []string{fmt.Sprintf("%s %s by %s", e.Conversion, e.ConversionId, e.Person.By)}
	if e.Uncounted != nil {
		lines[0] += " " + string(e.Uncounted.Reason)
	}
	if e.OriginalId != nil {
		lines[0] += " of " + *e.OriginalId
	}
	for _, c := range e.Candidates {
		line := fmt.Sprintf("%s %s %s", c.Channel, c.TouchKey, c.Verdict)
		if c.Claim != nil {
			line += fmt.Sprintf(" by %s %s of %s", c.Claim.Kind, c.Claim.Fact, c.Claim.Holder.Value)
		}
		for _, s := range c.Shares {
			line += " " + s.Model + " " + s.Weight.String()
			if s.CreditedValue != nil {
				line += " " + *s.CreditedValue
			}
		}
		lines = append(lines, line)
		for _, g := range c.Engagements {
			line := fmt.Sprintf("  %s %s %s lag %s", g.Tier, g.Fact, g.Verdict, g.Lag)
			if g.Rule != nil {
				line += fmt.Sprintf(" rule %d of %d s", g.Rule.Index, g.Rule.Seconds)
			}
			if g.Beyond != nil {
				line += " beyond " + g.Beyond.String()
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestExplanation_SaysWhyAndAgreesWithTheTable(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.kiosk()
	order := r.explanation(admin, "order:A/1 50%25", "")
	want := []string{
		"purchase order:A/1 50%25 by identifier",
		"paid_search p1 other_person by identify i1 of +47 ••• •• •98",
		"  click p1 other_person lag 3600 rule 0 of 604800 s",
		"whatsapp " + left + " opt_out",
		"  sent " + left + " no_rule lag 2940",
		"  reply " + leaving + " opt_out lag 2820 rule 1 of 604800 s",
		"whatsapp " + opened + " eligible last_touch 1 100.50 linear 1 100.50",
		"  sent " + opened + " no_rule lag 3000",
		"  read " + opened + " weaker_tier lag 2880 rule 2 of 86400 s",
		"  delivered " + opened + " no_rule lag 2880",
		"  click p2 eligible lag 120 rule 0 of 604800 s",
	}
	if diff := cmp.Diff(want, summary(&order)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"purchase", "daily", "vip"}, order.Conversions); diff != "" {
		t.Error(diff)
	}
	var copies []string
	for _, c := range order.Copies {
		copies = append(copies, fmt.Sprint(c.EventId, " ", c.Trust, c.Decides, c.Identifiers, c.Device != nil))
	}
	if diff := cmp.Diff([]string{
		"e1 webhook[event person value] [{user_id •••0123} {phone +47 ••• •• •67}] false", "e2 browser[] [] true",
	}, copies); diff != "" {
		t.Error(diff)
	}
	// What the table says of each eligible touchpoint the explanation says too.
	for _, row := range r.attributions(admin, "?conversion=purchase").Data {
		e := r.explanation(admin, row["conversion_id"].(string), "?conversion=purchase")
		if row["channel"] == "unattributed" {
			if e.Attributed {
				t.Errorf("%s is attributed", e.ConversionId)
			}
			continue
		}
		explained := false
		for _, c := range e.Candidates {
			for _, s := range c.Shares {
				explained = explained || c.TouchKey == row["touch_key"] && c.Verdict == gen.Eligible && s.Model == row["model"] &&
					s.CreditedValue != nil && *s.CreditedValue == row["credited_value"]
			}
		}
		if !explained {
			t.Errorf("%v %v is not explained by %v", row["model"], row["credited_value"], summary(&e))
		}
	}
}

func TestExplanation_RefundsAndWhatDoesNotCount(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.kiosk()
	for asked, want := range map[string]string{
		"r1":                             "purchase r1 by identifier of order:A/1 50%25",
		"r9":                             "purchase r9 by identifier",
		"e3?conversion=daily":            "daily e3 by identifier once_within",
		"order:A/1 50%25?conversion=vip": "vip order:A/1 50%25 by identifier where",
		leaving:                          "chat " + leaving + " by identifier",
	} {
		id, query, found := strings.Cut(asked, "?")
		if found {
			query = "?" + query
		}
		e := r.explanation(admin, id, query)
		if got := summary(&e)[0]; got != want {
			t.Errorf("%s: %s, want %s", asked, got, want)
		}
	}
	refund := r.explanation(admin, "r1", "")
	if *refund.Value != "-0.50" || refund.OriginalAt == nil || !refund.Attributed {
		t.Errorf("the refund: %+v", refund)
	}
	vip := r.explanation(admin, "order:A/1 50%25", "?conversion=vip").Uncounted
	if *vip.Property != "tier" || *vip.Wanted != "vip" || *vip.Stated != "basic" {
		t.Errorf("where: %+v", vip)
	}
	daily := r.explanation(admin, "e3", "?conversion=daily").Uncounted
	if *daily.Other != "order:A/1 50%25" || daily.OtherAt.String() != "2026-11-20T10:00:00.000000Z" {
		t.Errorf("once within: %+v", daily)
	}
	for asked, detail := range map[string]string{
		explanationPath("order:x", ""):                           "Nothing of this id",
		explanationPath("A/1 50%25", ""):                         "order:<order_id>",
		explanationPath("m_AAAAAAAAAAAAAAAAAAAAAA", ""):          "?at=",
		explanationPath("p1", ""):                                "no conversion for it",
		explanationPath("e3", "?conversion=chat"):                "Known to: purchase, daily, vip.",
		explanationPath("e3", "?version=7"):                      "no policy version 7",
		explanationPath("e3", "?at=2026-11-20T10:10:00.000001Z"): "at this instant",
		"/v1/conversions/" + uuid.NewString() + "/explanation":   "Nothing of this id",
	} {
		var p problem
		r.call(http.MethodGet, asked, admin, nil).into(t, http.StatusNotFound, &p)
		if !strings.Contains(p.Detail, detail) {
			t.Errorf("%s: %q does not say %q", asked, p.Detail, detail)
		}
	}
	for asked, pointer := range map[string]string{
		explanationPath("e3", "?version=0"): "?version", explanationPath("e3", "?at=now"): "?at", explanationPath("e3", "?who=1"): "?who",
		explanationPath(strings.Repeat("x", 2001), ""): "path id",
	} {
		if pointers := r.pointers(r.call(http.MethodGet, asked, admin, nil), http.StatusBadRequest); !slices.Equal(pointers, []string{pointer}) {
			t.Errorf("%s: %v", asked, pointers)
		}
	}
}

// Who may not see phones sees none, nor a WhatsApp message id, and finds a conversion by
// the ids that it was shown.
func TestExplanation_HidesPersons(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.kiosk()
	viewer := r.token(token.Viewer, workspace)
	rows := r.attributions(viewer, "?model=linear").Data
	if len(rows) == 0 {
		t.Fatal("no rows")
	}
	hidden := 0
	for _, row := range rows {
		id := row["conversion_id"].(string)
		query := "?at=" + row["event_at"].(string) + "&conversion=" + url.QueryEscape(row["conversion"].(string))
		got := r.call(http.MethodGet, explanationPath(id, query), viewer, nil)
		var e told
		got.into(t, http.StatusOK, &e)
		if e.ConversionId != id || e.EventId != row["event_id"] {
			t.Errorf("asked for %s, told of %s", id, e.ConversionId)
		}
		if strings.HasPrefix(id, "m_") {
			hidden++
			if bare := r.call(http.MethodGet, explanationPath(id, ""), viewer, nil); bare.status != http.StatusNotFound {
				t.Errorf("%s without its time: %d", id, bare.status)
			}
		}
		for _, secret := range []string{"wamid", "NDc5MDEyMzQ2N", kari[1:], ola[1:], "ola@", "customer-", "3f0a55aa-kiosk"} {
			if strings.Contains(string(got.body), secret) {
				t.Errorf("%s: a viewer sees %s:\n%s", id, secret, got.body)
			}
		}
		for _, c := range e.Candidates {
			if row["touch_key"] != nil && c.Verdict == gen.Eligible && c.TouchKey != row["touch_key"] {
				t.Errorf("touchpoint %s is %v in the table", c.TouchKey, row["touch_key"])
			}
		}
	}
	if hidden == 0 {
		t.Error("no conversion has an opaque id")
	}
	plain := explanationPath("order:A/1 50%25", "?pii=true")
	for _, role := range []token.Role{token.Viewer, token.Analyst, token.Platform} {
		if got := r.call(http.MethodGet, plain, r.token(role, workspace), nil, "X-Workspace", workspace.String()); got.status != http.StatusForbidden {
			t.Errorf("%s asks for identifiers in clear: %d", role, got.status)
		}
	}
	if strings.Contains(r.log.String(), "audit") {
		t.Error("an audit line for what nobody saw")
	}
	e := r.explanation(admin, "order:A/1 50%25", "?pii=true")
	for _, id := range []gen.Identifier{{Kind: gen.IdentifierKindPhone, Value: kari}, {Kind: gen.IdentifierKindUserId, Value: "customer-000123"}} {
		if !slices.Contains(e.Person.Identifiers, id) {
			t.Errorf("an admin does not see %v: %v", id, e.Person.Identifiers)
		}
	}
	if e.Candidates[0].Device.Value != "3f0a55aa-kiosk" || e.Candidates[0].Claim.Holder.Value != ola {
		t.Errorf("the device and its holder: %+v", e.Candidates[0])
	}
	if !strings.Contains(r.log.String(), "audit: identifiers shown in clear") {
		t.Error("no audit line")
	}
}

// Any version that there is can explain, whether it is in force or not.
func TestExplanation_ByAnotherVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	r.play(workspace, admin, message(opened, 10, kari, ""), status(opened, hit.StatusRead, 12),
		event(hit.TrustServer, "e1", 60, "Order Completed", `{"value":5}`, name(hit.Phone, kari)))
	r.call(http.MethodPut, "/v1/policy", admin, map[string]any{"windows": []any{map[string]any{"tier": "click", "seconds": 60}}}).into(t, http.StatusOK, nil)
	for version, want := range map[int]gen.Verdict{1: gen.Eligible, 2: gen.NoRule} {
		e := r.explanation(admin, "e1", fmt.Sprintf("?version=%d", version))
		if len(e.Candidates) != 1 || e.Candidates[0].Verdict != want || e.PolicyVersion != version {
			t.Errorf("version %d: %v", version, summary(&e))
		}
	}
}

func TestExplanation_RefusesWhatHangsTogetherTooMuch(t *testing.T) {
	t.Parallel()
	r := newRigWith(t, func(c *api.Config) { c.ExplainFacts = 30 })
	workspace, admin := r.workspace(nil)
	var facts []hit.Fact
	for n := range 30 {
		facts = append(facts, page(fmt.Sprint("p", n), n, "d", ""))
	}
	buy := event(hit.TrustServer, "b", 60, "Order Completed", `{"value":5}`, name(hit.Phone, kari))
	small := event(hit.TrustServer, "c", 60, "Order Completed", `{"value":5}`, name(hit.Phone, ola))
	buy.Device = device("d")
	r.play(workspace, admin, append(facts, buy, small)...)
	var p problem
	r.call(http.MethodGet, explanationPath("b", ""), admin, nil).into(t, http.StatusUnprocessableEntity, &p)
	if !strings.Contains(p.Detail, "More than 30 facts") {
		t.Errorf("says %q", p.Detail)
	}
	if e := r.explanation(admin, "c", ""); e.Facts != 1 {
		t.Errorf("%d facts", e.Facts)
	}
	other, _ := r.workspace(nil)
	if got := r.call(http.MethodGet, explanationPath("c", ""), r.token(token.Admin, other), nil); got.status != http.StatusNotFound {
		t.Errorf("another workspace's: %d", got.status)
	}
}
