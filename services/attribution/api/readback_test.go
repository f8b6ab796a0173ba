package api_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/touchline/touchline/services/internal/corpustest"
	"github.com/touchline/touchline/services/internal/hit"
)

// shownRow is what every format must say alike of a row.
type shownRow struct {
	OrderID      *string `json:"order_id" parquet:"order_id,optional"`
	Campaign     *string `json:"campaign" parquet:"campaign,optional"`
	TemplateName *string `json:"template_name" parquet:"template_name,optional"`
	Variant      *string `json:"variant" parquet:"variant,optional"`
	EventID      string  `json:"event_id" parquet:"event_id"`
	ConversionID string  `json:"conversion_id" parquet:"conversion_id"`
}

// Whatever the edge lets through is stored and can be read back: as a page, in every
// export, in the sums of the first page, and explained.
func TestBadInput_IsReadBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	inputs := readable(t)
	var facts []hit.Fact
	for i, text := range inputs {
		phone, id := fmt.Sprintf("+479%07d", i), fmt.Sprintf("w%d", i)
		m := message(id, 1, phone, "")
		m.Message.Campaign, m.Message.Variant, m.Message.Template.Name, m.Message.Sender = text, text, text, text
		order, err := json.Marshal(map[string]any{"order_id": fmt.Sprint(i, text), "value": json.Number(values()[i%len(values())]), "x": text})
		if err != nil {
			t.Fatal(err)
		}
		// The event's id is the text itself, as far as one may be.
		e := event(hit.TrustServer, strings.TrimSpace(fmt.Sprint("e", i, text)), 60, "Order Completed", string(order), name(hit.Phone, phone), name(hit.UserID, fmt.Sprint("u", i, text)))
		if len(e.ID) > 1024 {
			e.ID = fmt.Sprint("e", i)
		}
		say := inbound("i"+id, 2, phone, text, id)
		view := page("p"+id, 3, "d"+id, "?utm_source="+strings.ReplaceAll(text, "&", "")+"&utm_campaign=%00%ff%"+text)
		view.Page.Title, view.Page.Referrer = text, "https://x.example/"+text
		facts = append(facts, m, status(id, hit.StatusRead, 2), say, view, e)
	}
	r.play(workspace, admin, facts...)
	var books struct{ Accepted, Stored, Rejected, Pending int }
	r.read("/v1/ingestion", admin, &books)
	if books.Stored != len(facts) || books.Rejected != 0 {
		t.Fatalf("of %d facts: %+v: %s", len(facts), books, r.call(http.MethodGet, "/v1/quarantine", admin, nil).body)
	}
	want := r.table(t, admin, "application/json")
	if len(want) < len(inputs) {
		t.Fatalf("%d rows of %d conversions", len(want), len(inputs))
	}
	shown := map[string]bool{}
	for _, row := range want {
		if row.Campaign != nil {
			shown[*row.Campaign] = true
		}
	}
	for _, text := range inputs {
		if strings.TrimSpace(text) != "" && !shown[text] {
			t.Errorf("the campaign %q is not shown as it was sent", text)
		}
	}
	for _, format := range []string{"application/x-ndjson", "application/vnd.apache.parquet", "text/csv"} {
		if diff := cmp.Diff(want, r.table(t, admin, format)); diff != "" {
			t.Errorf("%s differs:\n%s", format, diff)
		}
	}
	for _, path := range []string{"/v1/totals", "/v1/diagnostics", "/v1/quarantine", "/v1/identity/conflicts", "/v1/identity/shared", "/v1/facts/conflicts"} {
		if got := r.call(http.MethodGet, path, admin, nil); got.status != http.StatusOK || !json.Valid(got.body) || !utf8.Valid(got.body) {
			t.Errorf("%s: %d %.500s", path, got.status, got.body)
		}
	}
	for _, row := range want[:30] {
		if got := r.call(http.MethodGet, explanationPath(row.ConversionID, ""), admin, nil); got.status != http.StatusOK || !json.Valid(got.body) {
			t.Errorf("explanation of %q: %d %.300s", row.ConversionID, got.status, got.body)
		}
	}
}

// readable are strings as the edge passes them on: clean, and short enough for an id.
func readable(t *testing.T) []string {
	own := corpustest.Own()
	all := own.Strings
	if os.Getenv(corpustest.Env) != "" {
		for i, s := range corpustest.Read(t).Strings {
			if i%20 == 0 {
				all = append(all, s)
			}
		}
	}
	var clean []string
	for _, s := range all {
		if s, _ = hit.CleanText(s); s != "" && len(s) <= 1000 {
			clean = append(clean, s)
		}
	}
	return clean
}

// values are amounts that are numbers, though none that anybody pays.
func values() []string {
	return []string{"0", "-0", "1", "-5.50", "1e999", "1e-999", "1e9998", "9007199254740993.25", "123456789012345678901234567890", "0.000000000000000000000001", strings.Repeat("9", 400)}
}

// table reads the attribution table in one format. CSV has no null and an apostrophe before what a
// spreadsheet would run: the table as JSON says which.
func (r *rig) table(t *testing.T, admin, format string) []shownRow {
	t.Helper()
	if format == "application/json" {
		var all []shownRow
		for cursor := ""; ; {
			var got struct {
				Data []shownRow `json:"data"`
				Next *string    `json:"next_cursor"`
			}
			r.call(http.MethodGet, "/v1/attributions?limit=50"+cursor, admin, nil).into(t, http.StatusOK, &got)
			all = append(all, got.Data...)
			if got.Next == nil {
				return all
			}
			cursor = "&cursor=" + *got.Next
		}
	}
	got := r.call(http.MethodGet, "/v1/attributions", admin, nil, "Accept", format)
	if got.status != http.StatusOK {
		t.Fatalf("%s: %d %.300s", format, got.status, got.body)
	}
	var all []shownRow
	switch format {
	case "application/vnd.apache.parquet":
		return must(parquet.Read[shownRow](bytes.NewReader(got.body), int64(len(got.body))))(t)
	case "application/x-ndjson":
		lines := bufio.NewScanner(bytes.NewReader(got.body))
		for lines.Buffer(nil, 1<<20); lines.Scan(); {
			var row shownRow
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
				t.Fatal(err)
			}
			all = append(all, row)
		}
	default:
		all = csvRows(t, got.body, r.table(t, admin, "application/json"))
	}
	return all
}

// csvRows reads cells back by the rows that they should be: a cell that is the text, or
// the text behind an apostrophe, is that text.
func csvRows(t *testing.T, body []byte, like []shownRow) []shownRow {
	t.Helper()
	records := must(csv.NewReader(bytes.NewReader(body)).ReadAll())(t)
	at := map[string]int{}
	for i, column := range records[0] {
		at[column] = i
	}
	var all []shownRow
	for i, record := range records[1:] {
		cell := func(column string, like *string) *string {
			text := record[at[column]]
			if strings.ContainsRune("=+-@\t\r", rune((text + " ")[0])) {
				t.Errorf("%s %q would be run by a spreadsheet", column, text)
			}
			if like == nil && text == "" {
				return nil
			}
			// A reader of CSV makes one line break of two characters.
			if like != nil && strings.TrimPrefix(text, "'") == strings.TrimPrefix(strings.ReplaceAll(*like, "\r\n", "\n"), "'") {
				return like
			}
			return &text
		}
		l := &like[min(i, len(like)-1)]
		all = append(all, shownRow{
			OrderID: cell("order_id", l.OrderID), Campaign: cell("campaign", l.Campaign), TemplateName: cell("template_name", l.TemplateName),
			Variant: cell("variant", l.Variant), EventID: *cell("event_id", &l.EventID),
			ConversionID: *cell("conversion_id", &l.ConversionID),
		})
	}
	return all
}
