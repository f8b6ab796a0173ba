package demo_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/devstack/demo"
)

var end = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func TestWeek_SameSeedSameWeek(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(demo.Week(1, end), demo.Week(1, end)); diff != "" {
		t.Errorf("two weeks of one seed differ:\n%s", diff)
	}
	if cmp.Equal(demo.Week(1, end), demo.Week(2, end)) {
		t.Error("weeks of two seeds are equal")
	}
}

func TestWeek_LiesInItsWeek(t *testing.T) {
	t.Parallel()
	for i, h := range demo.Week(1, end) {
		if h.At.After(end) || h.At.Before(end.Add(-8*24*time.Hour)) {
			t.Errorf("hit %d is dated %s", i, h.At)
		}
	}
}

func TestWeek_HasSomethingOfEverything(t *testing.T) {
	t.Parallel()
	doors, count := map[demo.Door]int{}, map[string]int{}
	for _, h := range demo.Week(1, end) {
		doors[h.Door]++
		b, err := json.Marshal(h.Body)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			Status, Type, Event string
			To                  *map[string]string
			Referral            *struct{}
			Phone, Email        *string
			Context             *struct{ ID string }
		}
		if err := json.Unmarshal(b, &body); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
		count[body.Status+body.Type+body.Event]++
		if body.To != nil && len(*body.To) == 0 {
			count["message without recipient"]++
		}
		if body.Event == "Order Completed" && h.Door == demo.Webhook && body.Phone == nil {
			count["order without identifiers"]++
		}
		if body.Referral != nil {
			count["ad"]++
		}
	}
	for _, want := range []string{
		"sent", "delivered", "read", "failed", "page", "identify", "button", "order", "interactive", "text", "ad",
		"trackOrder Completed", "Order Completed", "Order Refunded", "message without recipient", "order without identifiers",
	} {
		if count[want] == 0 {
			t.Errorf("the week has no %s; it has %v", want, count)
		}
	}
	for _, door := range []demo.Door{demo.Messages, demo.WhatsApp, demo.Webhook, demo.Pixel, demo.Server} {
		if doors[door] == 0 {
			t.Errorf("nothing enters by door %d", door)
		}
	}
}

func TestVisit_IsInOrderAndItsOwn(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 1))
	ids := map[any]bool{}
	for n := range int64(200) {
		last := end
		for _, h := range demo.Visit(r, end, n) {
			if h.At.Before(last) || h.At.After(end.Add(2*time.Minute)) {
				t.Fatalf("visit %d: %s after %s", n, h.At, last)
			}
			if h.Door == demo.Webhook {
				continue // follows its browser copy within seconds, by its own clock
			}
			last = h.At
			if id, ok := h.Body["messageId"]; ok && ids[id] {
				t.Fatalf("visit %d reuses id %v", n, id)
			} else if ok {
				ids[id] = true
			}
		}
	}
}
