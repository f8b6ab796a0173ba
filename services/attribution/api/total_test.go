package api_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGetTotals_LaysMessagesAndCreditsSideBySide(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	quarter := day.Add(30 * time.Minute)
	r.exec(`insert into rollup_message values
	  ($1, 1, $2, 'whatsapp', 'spring', 'nb', 'c1', 'A', 4, 0, 1, 4, 3, 2, 1, 1, 0),
	  ($1, 1, $3, 'whatsapp', 'spring', 'nb', 'c1', 'B', 6, 2, 0, 6, 6, 6, 0, 0, 0)`, workspace, day, quarter)
	r.exec(`insert into rollup_credit values
	  ($1, 1, $2, 'linear', 'purchase', 'whatsapp', 'click', 'c1', 'spring', 'nb', 'A', 'NOK', 2, 1500000000000, 150.25),
	  ($1, 1, $2, 'linear', 'purchase', 'whatsapp', 'read', 'c1', 'spring', 'nb', 'A', 'NOK', 1, 500000000000, 0.75),
	  ($1, 1, $2, 'linear', 'purchase', 'unattributed', '', '', '', '', '', '', 1, 1000000000000, 0)`, workspace, day)
	type credit struct {
		Model, Conversion string
		Currency, Value   *string
		Conversions       float64
	}
	type total struct {
		Channel          string
		Template         *string `json:"template_name"`
		Messages, Sent   int
		Delivered, Read  int
		Clicked, Replied int
		Failed           int
		Credits          []credit
	}
	text := func(s string) *string { return &s }
	var got struct {
		From, To *string
		Data     []total
	}
	r.call(http.MethodGet, "/v1/totals", admin, nil).into(t, http.StatusOK, &got)
	want := []total{
		{
			Channel: "whatsapp", Template: text("spring"), Messages: 10, Sent: 10, Delivered: 9, Read: 8, Clicked: 1, Replied: 1,
			Credits: []credit{{"linear", "purchase", text("NOK"), text("151.00"), 2}},
		},
		{Channel: "unattributed", Credits: []credit{{"linear", "purchase", nil, nil, 1}}},
	}
	if diff := cmp.Diff(want, got.Data); diff != "" {
		t.Error(diff)
	}
	got.Data = nil
	r.call(http.MethodGet, "/v1/totals?from=2026-11-20T09:20:00Z&to=2026-11-20T09:31:00Z", admin, nil).into(t, http.StatusOK, &got)
	if *got.From != "2026-11-20T09:15:00.000000Z" || *got.To != "2026-11-20T09:45:00.000000Z" || len(got.Data) != 1 || got.Data[0].Messages != 6 {
		t.Errorf("%s to %s: %+v", *got.From, *got.To, got.Data)
	}
}

type diagnostics struct {
	Messages    struct{ Total, Failed int }
	Conversions struct {
		Total, Orders, Unattributed int
		WithoutIdentifiers          int `json:"without_identifiers"`
	}
	MatchRate  *float64 `json:"match_rate"`
	Attributed *float64 `json:"attributed_rate"`
	Quarantine []struct {
		Reason string
		Count  int
	}
	Findings []struct{ Code, Severity, Remedy string }
}

func (d diagnostics) codes() []string {
	var all []string
	for _, f := range d.Findings {
		all = append(all, f.Code)
	}
	return all
}

func TestGetDiagnostics_LeadsFromNothingToCredit(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	read := func() diagnostics {
		var got diagnostics
		r.call(http.MethodGet, "/v1/diagnostics", admin, nil).into(t, http.StatusOK, &got)
		return got
	}
	if got := read(); !cmp.Equal(got.codes(), []string{"no_source"}) || got.MatchRate != nil {
		t.Errorf("empty: %+v", got)
	}
	r.source(admin, "pixel", nil)
	if got := read().codes(); !cmp.Equal(got, []string{"no_fact"}) {
		t.Errorf("with a source: %v", got)
	}
	r.fact(workspace)
	if got := read().codes(); !cmp.Equal(got, []string{"no_message", "no_conversion"}) {
		t.Errorf("with a fact: %v", got)
	}
	r.fill(workspace) // a message without recipient, an unattributed conversion, one in quarantine
	r.exec(`update conversion set identified = false, order_id = '7' where workspace_id = $1`, workspace)
	got := read()
	want := []string{"rejected", "messages_without_recipient", "orders_without_identifiers", "no_engagement", "unattributed"}
	if diff := cmp.Diff(want, got.codes()); diff != "" {
		t.Error(diff)
	}
	if got.Conversions.Total != 1 || got.Conversions.Unattributed != 1 || *got.MatchRate != 0 || *got.Attributed != 0 || got.Messages.Total != 1 {
		t.Errorf("%+v", got)
	}
	if len(got.Quarantine) != 1 || got.Quarantine[0].Reason != "too_large" {
		t.Errorf("%+v", got.Quarantine)
	}
}
