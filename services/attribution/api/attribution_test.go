package api_test

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/parquet-go/parquet-go"

	"github.com/touchline/touchline/services/attribution/token"
)

const wamid = "wamid.HBgLNDc5MDEyMzQ2NxUCABEY"

var day = time.Date(2026, 11, 20, 9, 0, 0, 0, time.UTC)

// purchase is a conversion with two touchpoints, a message and a visit, under two
// models: last_touch gives the message everything, linear one half each.
func (r *rig) purchase(workspace, person uuid.UUID, n int, at time.Time) {
	r.t.Helper()
	id := fmt.Sprintf("order:%d", n)
	r.exec(`insert into conversion (workspace_id, version, definition, conversion_id, revision, anchor, event_id, event_name, in_thread,
	    event_at, order_id, refund, value, currency, person_id, identified, models, hash, computed_at)
	  values ($1, 1, 'purchase', $2, 1, gen_random_uuid(), 'e' || $3::text, 'Order Completed', false, $4, $3::text, false, 100.50, 'NOK', $5, true,
	    '{last_touch,linear}', gen_random_uuid(), now())`, workspace, id, fmt.Sprint(n), at, person)
	r.exec(`insert into credit values
	  ($1, 1, 'purchase', $2, 1, 0, 'paid_search', 'pg1', 'click', $3::timestamptz - interval '2 hours', 604800, 7200000000,
	   null, null, null, null, 'autumn', null, '{0,500000000000}', '{0.00,50.25}'),
	  ($1, 1, 'purchase', $2, 1, 1, 'whatsapp', $4, 'read', $3::timestamptz - interval '1.5 seconds', 86400, 1500000,
	   'whatsapp', $4, 'spring_sale', 'nb', 'c1', 'A', '{1000000000000,500000000000}', '{100.50,50.25}')`, workspace, id, at, wamid)
}

// shop is a workspace with a message, a person with a phone, and n purchases.
func (r *rig) shop(n int) (workspace uuid.UUID, admin string) {
	r.t.Helper()
	workspace, admin = r.workspace(nil)
	person, phone := uuid.New(), "+4790123467"
	sum := r.ring.Digest(workspace, "phone", phone)
	sealed, err := r.ring.Seal(workspace, sum, phone)
	if err != nil {
		r.t.Fatal(err)
	}
	r.exec(`insert into identifier values ($1, $2, 'phone', $2, $3, 1, now())`, workspace, sum, sealed)
	r.exec(`insert into identifier_person values ($1, 1, $2, 'phone', $3)`, workspace, sum, person)
	r.exec(`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, sent_at, read_at, computed_at)
	  values ($1, 1, 'whatsapp', $2, gen_random_uuid(), true, false, $3, $4, now())`, workspace, wamid, day.Add(-time.Hour), day)
	for i := range n {
		r.purchase(workspace, person, i, day.Add(time.Duration(i)*time.Minute))
	}
	return workspace, admin
}

type rowPage struct {
	Data []map[string]any `json:"data"`
	Next *string          `json:"next_cursor"`
}

func (r *rig) attributions(bearer, query string) rowPage {
	r.t.Helper()
	var got rowPage
	r.call(http.MethodGet, "/v1/attributions"+query, bearer, nil).into(r.t, http.StatusOK, &got)
	return got
}

func TestListAttributions_ShowsARow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(1)
	got := r.attributions(admin, "?model=linear&channel=whatsapp").Data
	if len(got) != 1 {
		t.Fatalf("%d rows", len(got))
	}
	name := strings.Join([]string{"purchase", "order:0", "linear", "whatsapp", wamid}, "\x00")
	want := map[string]any{
		"id": uuid.NewSHA1(workspace, []byte(name)).String(), "conversion": "purchase", "conversion_id": "order:0", "event_id": "e0",
		"event": "Order Completed", "in_thread": false, "event_at": "2026-11-20T09:00:00.000000Z", "order_id": "0",
		"value": "100.50", "currency": "NOK", "model": "linear", "weight": 0.5, "credited_value": "50.25",
		"channel": "whatsapp", "tier": "read", "touch_key": wamid, "touch_at": "2026-11-20T08:59:58.500000Z",
		"window_seconds": 86400.0, "lag_seconds": 1.5, "message_id": wamid, "template_name": "spring_sale", "template_language": "nb",
		"campaign": "c1", "variant": "A", "sent_at": "2026-11-20T08:00:00.000000Z", "delivered_at": nil,
		"read_at": "2026-11-20T09:00:00.000000Z", "clicked_at": nil, "replied_at": nil, "failed_at": nil,
		"person_id": got[0]["person_id"], "phone": "+47 ••• •• •67", "policy_version": 1.0,
	}
	if diff := cmp.Diff(want, got[0]); diff != "" {
		t.Error(diff)
	}
}

func TestListAttributions_FiltersAndLeavesOutWeightZero(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.shop(2)
	for query, want := range map[string]int{
		"": 6, "?model=last_touch": 2, "?model=linear": 4, "?conversion=purchase": 6, "?conversion=signup": 0,
		"?campaign=autumn": 2, "?template=spring_sale": 4, "?channel=paid_search": 2, "?channel=unattributed": 0,
		"?from=2026-11-20T09:01:00Z": 3, "?to=2026-11-20T09:01:00Z": 3, "?from=2026-11-20T09:00:00Z&to=2026-11-20T09:01:00.000001Z": 6,
		"?from=2026-11-20T10:01:00%2B01:00": 3, "?model=linear&campaign=c1&to=2026-11-20T09:00:00Z": 0,
		"?campaign=" + url.QueryEscape("' or 1=1 --"): 0,
	} {
		if got := len(r.attributions(admin, query).Data); got != want {
			t.Errorf("%s: %d rows, want %d", query, got, want)
		}
	}
}

// walk reads all pages and returns the rows' ids.
func (r *rig) walk(bearer, query string, between func(pages int)) []string {
	r.t.Helper()
	var ids []string
	cursor := ""
	for pages := 1; ; pages++ {
		got := r.attributions(bearer, query+cursor)
		for _, row := range got.Data {
			ids = append(ids, row["id"].(string))
		}
		if got.Next == nil {
			return ids
		}
		cursor = "&cursor=" + *got.Next
		between(pages)
	}
}

func TestListAttributions_PagesAddUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.shop(7)
	whole := r.walk(admin, "?limit=1000", func(int) {})
	if len(whole) != 21 {
		t.Fatalf("%d rows", len(whole))
	}
	for _, limit := range []int{1, 2, 5, 20, 21} {
		got := r.walk(admin, fmt.Sprintf("?limit=%d", limit), func(int) {})
		if diff := cmp.Diff(whole, got); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	back := r.walk(admin, "?order=desc&limit=4", func(int) {})
	for i := range back {
		if back[i] != whole[len(whole)-1-i] {
			t.Fatalf("the other way round, row %d differs", i)
		}
	}
}

// Rows that are added meanwhile make a page neither repeat nor skip one that was there.
func TestListAttributions_PagesStayRightWhileRowsAreAdded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(6)
	before := r.walk(admin, "?limit=1000", func(int) {})
	for _, order := range []string{"asc", "desc"} {
		got := r.walk(admin, "?limit=2&order="+order, func(pages int) {
			if pages > 8 {
				return // or there would be no end of it
			}
			at := day.Add(time.Duration(pages) * 17 * time.Second)
			r.purchase(workspace, uuid.New(), 1000*len(order)+pages, at)
		})
		seen := map[string]int{}
		for _, id := range got {
			seen[id]++
			if seen[id] > 1 {
				t.Errorf("%s: a row twice", order)
			}
		}
		for _, id := range before {
			if seen[id] == 0 {
				t.Errorf("%s: a row was skipped", order)
			}
		}
	}
}

func TestListAttributions_CursorsAreForTheirFiltersAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.shop(3)
	_, stranger := r.shop(3)
	next := *r.attributions(admin, "?limit=1&model=linear").Next
	r.call(http.MethodGet, "/v1/attributions?model=linear&limit=5&cursor="+next, admin, nil).into(t, http.StatusOK, nil)
	if strings.Contains(next, "order") || strings.Contains(next, "wamid") {
		t.Error("the cursor can be read")
	}
	changed := []byte(next)
	changed[len(changed)/2] ^= 1
	for name, c := range map[string]struct{ bearer, query string }{
		"another model":     {admin, "model=last_touch&cursor=" + next},
		"another order":     {admin, "model=linear&order=desc&cursor=" + next},
		"no filter":         {admin, "cursor=" + next},
		"another workspace": {stranger, "model=linear&cursor=" + next},
		"changed":           {admin, "model=linear&cursor=" + url.QueryEscape(string(changed))},
		"cut":               {admin, "model=linear&cursor=" + next[:10]},
	} {
		if got := r.call(http.MethodGet, "/v1/attributions?"+c.query, c.bearer, nil); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
}

func TestListAttributions_CursorKeepsItsPolicyVersion(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(3)
	next := *r.attributions(admin, "?limit=4").Next
	r.exec(`update policy set state = 'superseded' where workspace_id = $1`, workspace)
	r.exec(`insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by)
	  select workspace_id, 2, document, 1, 'x', 'live', now(), 'x' from policy where workspace_id = $1`, workspace)
	if got := r.attributions(admin, "?limit=100&cursor="+next).Data; len(got) != 5 || got[0]["policy_version"] != 1.0 {
		t.Errorf("%d rows", len(got))
	}
	if got := r.attributions(admin, "").Data; len(got) != 0 {
		t.Errorf("the new version shows %d rows of the old", len(got))
	}
}

// A recompute that says the same takes the place of the version that a cursor was made
// under: the page after it is the same, though the rows of that version are gone.
func TestListAttributions_CursorOutlivesARecompute(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(3)
	next := *r.attributions(admin, "?limit=4").Next
	want := r.attributions(admin, "?limit=100&cursor="+next).Data
	for version := 2; version <= 3; version++ { // twice: the first is replaced as well
		r.exec(`update policy set state = 'discarded', replaced_by = $2 where workspace_id = $1 and state = 'live'`, workspace, version)
		r.exec(`insert into policy (workspace_id, version, document, identity_version, reference_version, state, kind, created_at, created_by)
		  select workspace_id, $2, document, 1, 'x', 'live', 'recompute', now(), 'x' from policy where workspace_id = $1 and version = 1`, workspace, version)
	}
	r.exec(`insert into conversion select workspace_id, 3, definition, conversion_id, revision, anchor, event_id, event_name, in_thread, event_at, order_id, refund,
	  value, currency, person_id, identified, flags, models, hash, computed_at, superseded_at from conversion where workspace_id = $1`, workspace)
	r.exec(`insert into credit select workspace_id, 3, definition, conversion_id, revision, rank, channel, touch_key, tier, touch_at, window_seconds, lag_us, message_channel,
	  message_id, template_name, template_language, campaign, variant, weights, credited from credit where workspace_id = $1 and version = 1`, workspace)
	r.exec(`insert into message (workspace_id, version, channel, message_id, anchor, registered, session, sent_at, read_at, computed_at)
	  select workspace_id, 3, channel, message_id, anchor, registered, session, sent_at, read_at, computed_at from message where workspace_id = $1`, workspace)
	r.sweep(workspace)
	if n := r.count(`select count(*) from conversion where workspace_id = $1 and version = 1`, workspace); n != 0 {
		t.Fatalf("%d rows of version 1 are left", n)
	}
	got := r.attributions(admin, "?limit=100&cursor="+next).Data
	for _, rows := range [][]map[string]any{want, got} {
		for _, row := range rows {
			delete(row, "policy_version")
		}
	}
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 5 {
		t.Errorf("the next page (-before +after):\n%s", diff)
	}
}

func TestListAttributions_MasksByRole(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.shop(1)
	for _, role := range token.Roles() {
		got := string(r.call(http.MethodGet, "/v1/attributions", r.token(role, workspace), nil, "X-Workspace", workspace.String()).body)
		if strings.Contains(got, "90123467") {
			t.Errorf("%s sees the phone", role)
		}
		if sees := strings.Contains(got, wamid); sees != (role == token.Admin) {
			t.Errorf("%s sees the message id: %t", role, sees)
		}
		inClear := r.call(http.MethodGet, "/v1/attributions?pii=true", r.token(role, workspace), nil, "X-Workspace", workspace.String())
		if wanted := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[role == token.Admin]; inClear.status != wanted {
			t.Errorf("%s asks for phones in clear: %d", role, inClear.status)
		}
	}
	if got := r.attributions(admin, "?pii=true").Data[0]["phone"]; got != "+4790123467" {
		t.Errorf("in clear: %v", got)
	}
	if !strings.Contains(r.log.String(), "audit: phones shown in clear") {
		t.Error("nothing in the audit log")
	}
	viewer := r.attributions(r.token(token.Viewer, workspace), "?channel=whatsapp&model=linear").Data[0]
	if viewer["message_id"] != viewer["touch_key"] || !strings.HasPrefix(viewer["message_id"].(string), "m_") {
		t.Errorf("opaque ids: %v and %v", viewer["message_id"], viewer["touch_key"])
	}
	admins := r.attributions(admin, "?channel=whatsapp&model=linear").Data[0]
	if viewer["id"] != admins["id"] {
		t.Error("a row has another id for another reader")
	}
}

func TestListAttributions_StreamsEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.shop(40)
	want := r.walk(admin, "?limit=1000", func(int) {})
	read := map[string]func(answer) []string{
		"text/csv": func(a answer) []string {
			records := must(csv.NewReader(bytes.NewReader(a.body)).ReadAll())(t)
			var ids []string
			for _, record := range records[1:] {
				ids = append(ids, record[0])
			}
			return ids
		},
		"application/x-ndjson": func(a answer) []string {
			var ids []string
			lines := bufio.NewScanner(bytes.NewReader(a.body))
			for lines.Scan() {
				var row struct{ ID string }
				if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, row.ID)
			}
			return ids
		},
		"application/vnd.apache.parquet": func(a answer) []string {
			type row struct {
				ID string `parquet:"id"`
			}
			var ids []string
			for _, r := range must(parquet.Read[row](bytes.NewReader(a.body), int64(len(a.body))))(t) {
				ids = append(ids, r.ID)
			}
			return ids
		},
	}
	for format, ids := range read {
		got := r.call(http.MethodGet, "/v1/attributions?limit=3", admin, nil, "Accept", format)
		if got.status != http.StatusOK || !strings.HasPrefix(got.header.Get("Content-Type"), format) {
			t.Fatalf("%s: %d %s", format, got.status, got.header.Get("Content-Type"))
		}
		if diff := cmp.Diff(want, ids(got)); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
		if !strings.HasPrefix(got.header.Get("Content-Disposition"), "attachment; filename=") {
			t.Errorf("%s: %q", format, got.header.Get("Content-Disposition"))
		}
	}
	for accept, want := range map[string]int{"image/png": 406, "text/csv;q=0": 406, "*/*": 200, "text/html, application/json;q=0.9": 200, "text/csv;q=0.1, */*": 200} {
		got := r.call(http.MethodGet, "/v1/attributions", admin, nil, "Accept", accept)
		if got.status != want || want == 200 && got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %d %s", accept, got.status, got.header.Get("Content-Type"))
		}
	}
}
