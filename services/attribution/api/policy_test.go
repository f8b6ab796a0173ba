package api_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/google/uuid"
)

type publishedPolicy struct {
	Version int    `json:"version"`
	State   string `json:"state"`
}

func (r *rig) put(admin string, document any) publishedPolicy {
	r.t.Helper()
	var got publishedPolicy
	r.call(http.MethodPut, "/v1/policy", admin, document).into(r.t, http.StatusOK, &got)
	return got
}

func linear() map[string]any { return map[string]any{"models": []string{"linear"}} }

func (r *rig) fact(workspace uuid.UUID) {
	r.t.Helper()
	r.exec(`insert into fact values ($1, gen_random_uuid(), 'event', gen_random_uuid(), 2, now(), false, now(), '{}', gen_random_uuid(), '{}')`, workspace)
}

func TestPutPolicy_IsInForceAtOnceWithoutFacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	if got := r.put(admin, map[string]any{}); got != (publishedPolicy{1, "live"}) {
		t.Errorf("the default again: %+v", got)
	}
	if got := r.put(admin, linear()); got != (publishedPolicy{2, "live"}) {
		t.Errorf("%+v", got)
	}
	if got := r.put(admin, `{"models":["linear"],"half_life_seconds":604800}`); got != (publishedPolicy{2, "live"}) {
		t.Errorf("the same in other words: %+v", got)
	}
	if n := r.count("select count(*) from policy where workspace_id = $1 and state = 'live'", workspace); n != 1 {
		t.Errorf("%d versions live", n)
	}
	if n := r.count("select identity_version from policy where workspace_id = $1 and version = 2", workspace); n != 1 {
		t.Errorf("identity version %d", n)
	}
	r.put(admin, map[string]any{"browser_links": "off"})
	if n := r.count("select identity_version from policy where workspace_id = $1 and version = 3", workspace); n != 2 {
		t.Errorf("identity version %d after browser_links changed", n)
	}
}

func TestPutPolicy_IsBuiltBesideFacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	for range 3 {
		r.fact(workspace)
	}
	r.exec("insert into ledger values ($1, gen_random_uuid(), now(), 0, 3)", workspace)
	if got := r.put(admin, linear()); got != (publishedPolicy{2, "building"}) {
		t.Errorf("%+v", got)
	}
	var books struct{ Stored, Pending int }
	r.read("/v1/ingestion", admin, &books)
	if books.Pending != 3 || books.Stored != 0 {
		t.Errorf("while it is built: %+v", books)
	}
	r.exec("update policy set build_done = 3 where workspace_id = $1 and state = 'building'", workspace)
	r.read("/v1/ingestion", admin, &books)
	if books.Pending != 1 || books.Stored != 2 {
		t.Errorf("walked and not yet swapped in: %+v", books)
	}
	var live struct{ Version int }
	r.call(http.MethodGet, "/v1/policy", admin, nil).into(t, http.StatusOK, &live)
	if live.Version != 1 {
		t.Errorf("version %d is in force", live.Version)
	}
	if got := r.put(admin, linear()); got != (publishedPolicy{2, "building"}) {
		t.Errorf("the same again: %+v", got)
	}
}

func TestPutPolicy_GivesUpABuild(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	r.fact(workspace)
	r.put(admin, map[string]any{"browser_links": "off"})
	r.exec(`insert into identifier_person values ($1, 2, gen_random_uuid(), 'phone', gen_random_uuid()), ($1, 1, gen_random_uuid(), 'phone', gen_random_uuid())`, workspace)
	r.exec(`insert into rollup_credit select $1, v, now(), 'linear', 'purchase', '', '', '', '', '', '', '', 1, 1, 1 from generate_series(1, 2) v`, workspace)
	if got := r.put(admin, linear()); got != (publishedPolicy{3, "building"}) {
		t.Errorf("another takes its place: %+v", got)
	}
	r.sweep(workspace)
	left := r.count(`select (select count(*) from identifier_person where workspace_id = $1 and identity_version = 2)
	  + (select count(*) from rollup_credit where workspace_id = $1 and version = 2)`, workspace)
	kept := r.count(`select (select count(*) from identifier_person where workspace_id = $1 and identity_version = 1)
	  + (select count(*) from rollup_credit where workspace_id = $1 and version = 1)`, workspace)
	if left != 0 || kept != 2 {
		t.Errorf("%d rows of the build are left, %d of those in force", left, kept)
	}
	if got := r.put(admin, map[string]any{}); got != (publishedPolicy{1, "live"}) {
		t.Errorf("the one in force: %+v", got)
	}
	var versions struct {
		Data []struct {
			Version      int
			State        string
			Progress     float64
			PublishedAt  *string `json:"published_at"`
			SupersededAt *string `json:"superseded_at"`
		}
	}
	r.call(http.MethodGet, "/v1/policy/versions", admin, nil).into(t, http.StatusOK, &versions)
	if len(versions.Data) != 3 || versions.Data[2].State != "live" || versions.Data[2].Progress != 1 {
		t.Fatalf("%+v", versions)
	}
	for _, v := range versions.Data[:2] {
		if v.State != "discarded" || v.PublishedAt != nil || v.SupersededAt == nil {
			t.Errorf("%+v", v)
		}
	}
}

// Whoever publishes when, one version is live, at most one is building, and numbers
// have no gaps; a fact that arrives in between is either seen, so that the version is
// built, or left as touched, so that it is derived under whatever is in force.
func TestPutPolicy_RacesWithItselfAndWithFacts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, admin := r.workspace(nil)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for j := range 4 {
				body := fmt.Sprintf(`{"half_life_seconds":%d}`, 1000+10*i+j)
				got := r.call(http.MethodPut, "/v1/policy", admin, body)
				for got.status == http.StatusServiceUnavailable { // it waited long enough for its turn
					got = r.call(http.MethodPut, "/v1/policy", admin, body)
				}
				if got.status != http.StatusOK {
					t.Errorf("%d %s", got.status, got.body)
				}
			}
		})
	}
	group.Go(func() {
		for range 10 {
			r.fact(workspace)
		}
	})
	group.Wait()
	live := r.count("select count(*) from policy where workspace_id = $1 and state = 'live'", workspace)
	building := r.count("select count(*) from policy where workspace_id = $1 and state = 'building'", workspace)
	versions := r.count("select count(*) from policy where workspace_id = $1", workspace)
	highest := r.count("select max(version) from policy where workspace_id = $1", workspace)
	if live != 1 || building != 1 || versions != highest || versions != 33 {
		t.Errorf("%d live, %d building, %d versions up to %d", live, building, versions, highest)
	}
}
