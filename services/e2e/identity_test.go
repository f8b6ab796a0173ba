package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// What a browser says joins two identifiers into one person, or not, as the policy in
// force has it: turned off the person falls apart into two, turned on again it is the
// one that it was, and the order is credited accordingly.
func TestBrowserLinks(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	w.register(t, "wamid.links", "+4791234511", "token-links")
	w.send(t, "/v1/messages/statuses", map[string]any{"statuses": []any{map[string]any{
		"channel": "whatsapp", "message_id": "wamid.links", "status": "read", "at": time.Now().UTC().Add(-5 * time.Second).Format(time.RFC3339Nano),
	}}})
	// The pixel's key is a browser's: only it says that phone and e-mail are one person's.
	w.browser(t, "/v1/identify", map[string]any{
		"messageId": "i1", "anonymousId": "laptop", "traits": map[string]any{"phone": "+4791234511", "email": "links@example.com"},
	})
	w.send(t, "/v1/track", map[string]any{
		"messageId": "e1", "event": "Order Completed", "context": map[string]any{"traits": map[string]any{"email": "links@example.com"}},
		"properties": map[string]any{"order_id": "links", "value": "80.00", "currency": "NOK"},
	})
	w.settle(t)
	joined := w.explained(t, "order:links")
	creditedTo(t, w.lastTouch(t), "links", "wamid.links read 80.00 NOK")
	if joined.Facts < 4 || joined.told() != "2 identifiers, whatsapp wamid.links eligible" {
		t.Errorf("with browser links: %s of %d facts", joined.told(), joined.Facts)
	}

	var published struct{ Version int }
	w.Put(t, "/v1/policy", map[string]any{"browser_links": "off"}, &published)
	w.settle(t)
	split := w.explained(t, "order:links")
	creditedTo(t, w.lastTouch(t), "links", "none none 80.00 NOK")
	if split.told() != "1 identifiers" || split.Person.ID == joined.Person.ID {
		t.Errorf("without browser links: %s, person %s, before %s", split.told(), split.Person.ID, joined.Person.ID)
	}

	w.Put(t, "/v1/policy", map[string]any{"browser_links": "on"}, &published)
	w.settle(t)
	again := w.explained(t, "order:links")
	creditedTo(t, w.lastTouch(t), "links", "wamid.links read 80.00 NOK")
	if again.told() != joined.told() || again.Person.ID != joined.Person.ID || again.PolicyVersion != 3 {
		t.Errorf("with browser links again: %+v, before %+v", again, joined)
	}
}

// browser sends a call as a page of the site would.
func (w workspace) browser(t *testing.T, path string, body map[string]any) {
	t.Helper()
	body["writeKey"] = w.sources["pixel"].WriteKey
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	if got := post(t, w.tracking.URL+path, text, map[string]string{"Content-Type": "application/json"}); got.status != http.StatusOK {
		t.Fatalf("%s answered %d: %s", path, got.status, got.body)
	}
}

// explanation is what tests look at of GET /v1/conversions/{id}/explanation.
type explanation struct {
	PolicyVersion int `json:"policy_version"`
	Facts         int `json:"facts"`
	Person        struct {
		ID          string `json:"id"`
		Identifiers []struct{ Kind, Value string }
	}
	Candidates []struct {
		Channel  string `json:"channel"`
		TouchKey string `json:"touch_key"`
		Verdict  string `json:"verdict"`
	}
}

func (w workspace) explained(t *testing.T, id string) explanation {
	t.Helper()
	var e explanation
	w.Get(t, "/v1/conversions/"+id+"/explanation", &e)
	return e
}

// told is how many identifiers the person has and what became of each touchpoint.
func (e explanation) told() string {
	line := fmt.Sprintf("%d identifiers", len(e.Person.Identifiers))
	for _, c := range e.Candidates {
		line += ", " + c.Channel + " " + c.TouchKey + " " + c.Verdict
	}
	return line
}
