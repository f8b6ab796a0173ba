package api_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/hit"
)

// family is a shop in which five pairs of users share a phone each, the last stated
// first, and 22 guests were typed in with the shop's own phone.
func (r *rig) family() (workspace uuid.UUID, admin string) {
	r.t.Helper()
	workspace, admin = r.workspace(nil)
	var facts []hit.Fact
	for n := range 5 {
		phone := name(hit.Phone, fmt.Sprintf("+479012341%d", n))
		facts = append(facts,
			login(hit.TrustServer, fmt.Sprint("her", n), n, nil, name(hit.UserID, fmt.Sprint("customer-her-", n)), phone),
			login(hit.TrustBrowser, fmt.Sprint("him", n), 10+n, nil, name(hit.UserID, fmt.Sprint("customer-him-", n)), phone))
	}
	for n := range 22 {
		f := event(hit.TrustServer, fmt.Sprint("guest", n), 20+n, "Order Completed", `{"value":1}`,
			name(hit.Phone, "+4722225500"), name(hit.Email, fmt.Sprintf("guest%d@example.com", n)))
		if n == 0 {
			f.Identifiers = append(f.Identifiers, name(hit.BSUID, "NO.1349120865530274"))
		}
		f.Identifiers = hit.SortIdentifiers(f.Identifiers)
		facts = append(facts, f)
	}
	r.play(workspace, admin, facts...)
	return workspace, admin
}

// list reads every page of a list by limit and returns the entries.
func list[T any](r *rig, bearer, path string, limit int) []T {
	r.t.Helper()
	var all []T
	query := fmt.Sprintf("?limit=%d", limit)
	for {
		var page struct {
			Data []T     `json:"data"`
			Next *string `json:"next_cursor"`
		}
		r.call(http.MethodGet, path+query, bearer, nil).into(r.t, http.StatusOK, &page)
		if len(page.Data) > limit {
			r.t.Fatalf("%d entries on a page of %d", len(page.Data), limit)
		}
		all = append(all, page.Data...)
		if page.Next == nil {
			return all
		}
		query = fmt.Sprintf("?limit=%d&cursor=%s", limit, *page.Next)
	}
}

func TestIdentityConflicts_SayWhoClashesAndByWhat(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.family()
	var body gen.IdentityConflictPage
	r.call(http.MethodGet, "/v1/identity/conflicts?pii=true&limit=1", admin, nil).into(t, http.StatusOK, &body)
	c := body.Data[0]
	side := func(i int) string {
		return fmt.Sprint(c.Sides[i].Identifier, c.Sides[i].UserIds)
	}
	want := []string{
		"him4 browser 2026-11-20T09:14:00.000000Z", "{user_id customer-him-4} [{user_id customer-him-4}]", "{phone +4790123414} [{user_id customer-her-4}]",
	}
	if diff := cmp.Diff(want, []string{fmt.Sprintf("%s %s %s", c.Fact, c.Trust, c.At), side(0), side(1)}); diff != "" {
		t.Error(diff)
	}
	if *c.Sides[0].PersonId == *c.Sides[1].PersonId {
		t.Error("both sides are one person")
	}
	whole := list[gen.IdentityConflict](r, admin, "/v1/identity/conflicts", 100)
	if len(whole) != 5 {
		t.Fatalf("%d conflicts", len(whole))
	}
	for _, limit := range []int{1, 2, 5} {
		if diff := cmp.Diff(whole, list[gen.IdentityConflict](r, admin, "/v1/identity/conflicts", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	masked := r.call(http.MethodGet, "/v1/identity/conflicts", r.token(token.Viewer, workspace), nil)
	masked.into(t, http.StatusOK, &body)
	if got := fmt.Sprint(body.Data[0].Sides[1].Identifier); got != "{phone +47 ••• •• •14}" || strings.Contains(string(masked.body), "customer") {
		t.Errorf("a viewer sees %s", masked.body)
	}
	// An alias makes the two users one; the conflict is over.
	f := login(hit.TrustServer, "alias", 50, nil, name(hit.UserID, "customer-her-4"), name(hit.UserID, "customer-him-4"))
	f.Identify.Call = "alias"
	r.play(workspace, admin, f)
	if got := list[gen.IdentityConflict](r, admin, "/v1/identity/conflicts", 100); len(got) != 4 {
		t.Errorf("%d conflicts after an alias", len(got))
	}
}

func TestSharedIdentifiers_CountTheirNeighbours(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.family()
	var body gen.SharedIdentifierPage
	r.call(http.MethodGet, "/v1/identity/shared?pii=true", admin, nil).into(t, http.StatusOK, &body)
	if len(body.Data) != 1 || body.NextCursor != nil {
		t.Fatalf("%d shared: %+v", len(body.Data), body)
	}
	s := body.Data[0]
	got := fmt.Sprint(s.Identifier, s.Neighbours, s.FirstAt, s.LastAt, " "+*s.LastFact)
	want := "{phone +4722225500} [{1 bsuid} {22 email}] 2026-11-20T09:20:00.000000Z 2026-11-20T09:41:00.000000Z guest21"
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	masked := r.call(http.MethodGet, "/v1/identity/shared", r.token(token.Analyst, workspace), nil)
	if strings.Contains(string(masked.body), "22225500") || !strings.Contains(string(masked.body), "+47 ••• •• •00") {
		t.Errorf("an analyst sees %s", masked.body)
	}
	// More of them come in pages that add up.
	for n := range 3 {
		var facts []hit.Fact
		for g := range 21 {
			facts = append(facts, event(hit.TrustServer, fmt.Sprintf("more%d-%d", n, g), g, "x", `{}`,
				name(hit.Phone, fmt.Sprintf("+472222560%d", n)), name(hit.Email, fmt.Sprintf("g%d-%d@example.com", n, g))))
		}
		r.play(workspace, admin, facts...)
	}
	whole := list[gen.SharedIdentifier](r, admin, "/v1/identity/shared", 100)
	if len(whole) != 4 {
		t.Fatalf("%d shared", len(whole))
	}
	for _, limit := range []int{1, 3, 4} {
		if diff := cmp.Diff(whole, list[gen.SharedIdentifier](r, admin, "/v1/identity/shared", limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
}

func TestFactConflicts_NameWhatDiffers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	said := func(id string, minutes int, properties string) hit.Fact {
		return event(hit.TrustServer, id, minutes, "Order Completed", properties, name(hit.Phone, kari))
	}
	who := said("e2", 5, `{"value":1}`)
	who.Identifiers = []hit.Identifier{name(hit.Phone, ola)}
	other := message(opened, 1, kari, "tk2")
	r.play(workspace, admin, said("e1", 0, `{"a/b":{"c":1},"value":1}`), said("e2", 4, `{"value":1}`), message(opened, 0, kari, "tk1"), said("e3", 0, `{}`))
	r.play(workspace, admin, said("e1", 1, `{"a/b":{"c":2},"value":1,"x":[1]}`), said("e1", 0, `{"a/b":{"c":1},"value":1}`), who, other, said("e3", 9, `{}`))
	lines := func(bearer string, limit int) (all []string) {
		for _, c := range list[gen.FactConflict](r, bearer, "/v1/facts/conflicts", limit) {
			all = append(all, fmt.Sprintf("%s %s %s at %s, refused at %s: %v", c.Kind, c.Id, c.InForce.Trust, c.InForce.At, c.Refused.At, c.Fields))
		}
		slices.Sort(all)
		return all
	}
	want := []string{
		"event e1 server at 2026-11-20T09:00:00.000000Z, refused at 2026-11-20T09:01:00.000000Z: [/event/properties/a~1b/c /event/properties/x]",
		"event e2 server at 2026-11-20T09:04:00.000000Z, refused at 2026-11-20T09:05:00.000000Z: [/identifiers]",
		"message " + opened + " server at 2026-11-20T09:00:00.000000Z, refused at 2026-11-20T09:01:00.000000Z: [/message/click_token]",
	}
	for _, limit := range []int{1, 2, 100} {
		if diff := cmp.Diff(want, lines(admin, limit)); diff != "" {
			t.Errorf("by %d: %s", limit, diff)
		}
	}
	if got := strings.Join(lines(r.token(token.Viewer, workspace), 100), "\n"); strings.Contains(got, "wamid") || !strings.Contains(got, "message m_") {
		t.Errorf("a viewer sees %s", got)
	}
}

// A cursor is good for its own list and workspace.
func TestFindings_RefuseForeignCursors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.family()
	var body gen.IdentityConflictPage
	r.call(http.MethodGet, "/v1/identity/conflicts?limit=1", admin, nil).into(t, http.StatusOK, &body)
	_, stranger := r.workspace(nil)
	for _, c := range []struct{ path, bearer string }{
		{"/v1/identity/shared", admin},
		{"/v1/facts/conflicts", admin},
		{"/v1/attributions", admin},
		{"/v1/identity/conflicts", stranger},
	} {
		got := r.pointers(r.call(http.MethodGet, c.path+"?cursor="+*body.NextCursor, c.bearer, nil), http.StatusBadRequest)
		if !slices.Equal(got, []string{"?cursor"}) {
			t.Errorf("%s: %v", c.path, got)
		}
	}
	for _, path := range []string{"/v1/identity/conflicts", "/v1/identity/shared"} {
		if got := r.call(http.MethodGet, path+"?pii=true", r.token(token.Analyst, workspace), nil); got.status != http.StatusForbidden {
			t.Errorf("%s in clear for an analyst: %d", path, got.status)
		}
		r.pointers(r.call(http.MethodGet, path+"?limit=0", admin, nil), http.StatusBadRequest)
	}
	if got := list[gen.IdentityConflict](r, stranger, "/v1/identity/conflicts", 10); len(got) != 0 {
		t.Errorf("another workspace sees %d conflicts", len(got))
	}
}
