package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// A policy that is published while facts arrive is built beside the current one
// and swapped in; the new version holds what deriving from nothing gives, for old
// facts and for those that came meanwhile.
func TestPolicyBuild(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	const persons = 120
	for i := range persons {
		w.history(t, i)
	}
	w.settle(t)
	before := w.rowsOf(t, "last_touch")
	if len(before) != persons {
		t.Fatalf("%d rows before the new policy, want %d", len(before), persons)
	}

	var put, again struct{ Version int }
	document := map[string]any{"models": []string{"first_touch", "last_touch"}}
	w.Put(t, "/v1/policy", document, &put)
	for i := persons; i < persons+30; i++ {
		w.history(t, i)
	}
	w.settle(t)
	w.Put(t, "/v1/policy", document, &again)
	if put.Version != 2 || again.Version != 2 {
		t.Errorf("versions %d and %d, want 2 both times: the same document is no new policy", put.Version, again.Version)
	}
	if w.versionState(t, 1) != "superseded" || w.versionState(t, 2) != "live" {
		t.Errorf("version 1 is %s and 2 %s", w.versionState(t, 1), w.versionState(t, 2))
	}
	after, first := w.rowsOf(t, "last_touch"), w.rowsOf(t, "first_touch")
	if len(after) != persons+30 || len(first) != persons+30 {
		t.Fatalf("%d and %d rows after it, want %d each", len(after), len(first), persons+30)
	}
	for _, line := range before {
		if !slices.Contains(after, line) {
			t.Errorf("the new version lost %s", line)
		}
	}
}

// history is one person's: a message, read, and an order.
func (w workspace) history(t *testing.T, i int) {
	t.Helper()
	id, phone := fmt.Sprintf("wamid.%d", i), fmt.Sprintf("+479123%04d", i)
	w.register(t, id, phone, fmt.Sprintf("token-%d", i))
	w.send(t, "/v1/messages/statuses", map[string]any{"statuses": []any{map[string]any{
		"channel": "whatsapp", "message_id": id, "status": "read", "at": time.Now().UTC().Add(-10 * time.Second).Format(time.RFC3339Nano),
	}}})
	w.send(t, "/v1/track", map[string]any{
		"userId": phone, "event": "Order Completed", "messageId": "e" + id, "context": map[string]any{"traits": map[string]any{"phone": phone}},
		"properties": map[string]any{"order_id": "o" + id, "value": "10.00", "currency": "NOK"},
	})
}

func (w workspace) versionState(t *testing.T, version int) string {
	t.Helper()
	var answer struct {
		Data []struct {
			Version int
			State   string
		}
	}
	w.Get(t, "/v1/policy/versions", &answer)
	for _, v := range answer.Data {
		if v.Version == version {
			return v.State
		}
	}
	return "unknown"
}

// rowsOf are the rows of one model in a form that compares.
func (w workspace) rowsOf(t *testing.T, model string) []string {
	t.Helper()
	var page struct{ Data []row }
	w.Get(t, "/v1/attributions?limit=1000&model="+model, &page)
	var lines []string
	for _, r := range page.Data {
		lines = append(lines, fmt.Sprint(r.ConversionID, " ", text(r.OrderID), " ", r.Channel, " ", text(r.Tier), " ", text(r.MessageID), " ", text(r.CreditedValue)))
	}
	return lines
}

// The books balance at every look while hits stream in and are worked off.
func TestBooksBalanceAlways(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	ctx, cancel := context.WithCancel(t.Context())
	var looks atomic.Int64
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = stack.Until(ctx, func() bool {
			status, text, err := w.Try(ctx, "GET", "/v1/ingestion", nil)
			if err != nil || status != http.StatusOK {
				return false
			}
			var b books
			looks.Add(1)
			if err := json.Unmarshal(text, &b); err != nil || b.Accepted != b.Stored+b.Duplicate+b.Conflict+b.Rejected+b.Pending {
				t.Errorf("the books do not balance: %s", text)
			}
			return false
		})
	}()
	sent := 0
	for end := time.Now().Add(patience); sent < 150 || looks.Load() < 20; sent++ {
		if time.Now().After(end) && sent >= 150 {
			t.Fatalf("looked only %d times", looks.Load())
		}
		w.history(t, sent%100) // fifty persons' hits come twice
	}
	b := w.settle(t)
	cancel()
	<-stopped
	if b.Accepted != int64(3*sent) {
		t.Errorf("books: %+v, want %d accepted", b, 3*sent)
	}
}
