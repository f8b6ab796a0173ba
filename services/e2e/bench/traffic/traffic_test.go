package traffic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/bench/load"
)

var doors = Doors{ServerKey: "s", PixelKey: "p", WhatsApp: "/webhooks/whatsapp/w", Secret: "secret"}

// body is what is behind the head.
func body(t *testing.T, r load.Request) map[string]any {
	t.Helper()
	_, text, found := bytes.Cut(r.Bytes, []byte("\r\n\r\n"))
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); !found || err != nil {
		t.Fatalf("%s: %v", r.Bytes, err)
	}
	return fields
}

// A mix has the shares that it says, and no fact of two cycles is the same.
func TestMix(t *testing.T) {
	t.Parallel()
	m := Mix{Doors: doors, Persons: 1000, Begin: time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC), Step: time.Second}
	requests := m.Requests(3)
	if len(requests) != 3*perCycle {
		t.Fatalf("%d requests, want %d", len(requests), 3*perCycle)
	}
	items, kinds, ids := 0, map[string]int{}, map[string]bool{}
	for _, r := range requests {
		items += r.Items
		fields := body(t, r)
		for _, call := range each(fields, "batch") {
			kinds[fmt.Sprint(call["type"], call["event"])]++
			ids[fmt.Sprint(call["messageId"])] = true
		}
		for _, message := range each(fields, "messages") {
			kinds["registration"]++
			ids[fmt.Sprint(message["message_id"])] = true
		}
		if fields["object"] != nil {
			kinds["callback"] += r.Items
		}
	}
	want := map[string]int{"registration": 900, "trackOrder Completed": 300, "trackProduct Viewed": 300, "identify<nil>": 300, "page<nil>": 1800, "callback": 2400}
	if items != 3*Cycle || fmt.Sprint(kinds) != fmt.Sprint(want) || len(ids) != 3600 {
		t.Errorf("%d items, %v, %d ids, want %v", items, kinds, len(ids), want)
	}
}

func each(fields map[string]any, name string) []map[string]any {
	list, _ := fields[name].([]any)
	found := make([]map[string]any, 0, len(list))
	for _, item := range list {
		if one, ok := item.(map[string]any); ok {
			found = append(found, one)
		}
	}
	return found
}

// Who waits for the rows of orders is told the right ids.
func TestMix_Orders(t *testing.T) {
	t.Parallel()
	m := Mix{Doors: doors, Persons: 10, First: 7}
	told := 0
	for n, r := range m.Requests(2) {
		ids := m.Orders(n)
		for i, call := range each(body(t, r), "batch") {
			if call["event"] != "Order Completed" {
				continue
			}
			properties, _ := call["properties"].(map[string]any)
			if len(ids) != 100 || properties["order_id"] != ids[i] {
				t.Fatalf("request %d carries %v, told %v", n, properties, ids)
			}
			told++
		}
	}
	if told != 200 {
		t.Errorf("%d orders, want 200", told)
	}
}

func TestCampaign(t *testing.T) {
	t.Parallel()
	c := Campaign{Doors: doors, Buyers: 120, Begin: time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)}
	items := 0
	for _, r := range c.Requests() {
		body(t, r)
		items += r.Items
	}
	if items != 120*PerBuyer {
		t.Errorf("%d facts, want %d", items, 120*PerBuyer)
	}
}

func TestRegular(t *testing.T) {
	t.Parallel()
	r := Regular{Doors: doors, Facts: 250, Begin: time.Date(2025, 9, 1, 0, 0, 0, 0, time.UTC)}
	items := 0
	for _, request := range r.Requests() {
		items += request.Items
	}
	if items != 251 || r.View(1, r.Begin).Items != 1 || r.Buy(1, r.Begin).Items != 1 {
		t.Errorf("%d facts, want 251", items)
	}
}

func TestRequests_OfOneKind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		requests []load.Request
		items    int
	}{"singles": {doors.Singles(3), 1}, "batches": {doors.Batches(3), 100}, "callbacks": {doors.Callbacks(3), 20}} {
		for _, r := range c.requests {
			body(t, r)
			if r.Items != c.items || len(c.requests) != 3 {
				t.Errorf("%s: %d requests, one of %d items", name, len(c.requests), r.Items)
			}
		}
	}
}
