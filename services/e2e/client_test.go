package e2e_test

import (
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// A shop's server that uses an SDK as it comes, pointed at the tracking service:
// the order is credited to the message that its customer read.
func TestServerSDK(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	w.register(t, "wamid.sdk", "+4791234501", "token-sdk")
	w.send(t, "/v1/messages/statuses", map[string]any{"statuses": []any{map[string]any{
		"channel": "whatsapp", "message_id": "wamid.sdk", "status": "read", "at": time.Now().UTC().Add(-time.Second).Format(time.RFC3339Nano),
	}}})
	node(t, "segment-node.mjs", map[string]any{
		"host": w.tracking.URL, "writeKey": w.sources["server"].WriteKey, "userId": "u-1", "phone": "+47 912 34 501",
		"orderId": "sdk-1", "value": 123.45, "currency": "NOK",
	})
	w.settle(t)
	creditedTo(t, w.lastTouch(t), "sdk-1", "wamid.sdk read 123.45 NOK")
}

// A site that uses Segment's browser SDK: the page was opened through a link with a
// click token, and the order on that device is the message's.
func TestBrowserSDK(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	w.register(t, "wamid.next", "+4791234502", "token-next")
	browser(t, "segment-next", map[string]any{
		"token": "token-next", "writeKey": w.sources["pixel"].WriteKey, "apiHost": hostOf(w.tracking.URL) + "/v1",
		"orderId": "next-1", "value": 80.5, "currency": "NOK",
	})
	w.settle(t)
	creditedTo(t, w.lastTouch(t), "next-1", "wamid.next click 80.50 NOK")
}

// The demo shop in a browser: opened through a link with a click token, bought
// from, and the credited row is there. How soon it is, the benchmark measures.
func TestShop(t *testing.T) {
	t.Parallel()
	s := stack.New(bin, stackDir(t))
	if err := s.Start(t.Context(), "--no-traffic"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	shop, token := shopLink(t, s.Output())
	bought := browser(t, "shop", map[string]any{"url": shop + "/?mt=" + token})
	orderID, _ := bought["orderId"].(string)
	at, _ := bought["boughtAt"].(float64)

	demo := workspace{Client: s.API()}
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		r, found := rowOfOrder(demo.newest(t), orderID)
		switch {
		case found && text(r.Tier) == "click" && text(r.MessageID) != "none":
			t.Logf("the credited row was seen %v after the purchase", time.Since(time.UnixMilli(int64(at))).Round(time.Millisecond))
			return
		case time.Now().After(deadline):
			t.Fatalf("no credited row of order %s within %v; found %v: %+v", orderID, patience, found, r)
		}
	}
}

// newest returns the rows of the last hour, model last_touch.
func (w workspace) newest(t *testing.T) []row {
	t.Helper()
	var page struct{ Data []row }
	from := url.QueryEscape(time.Now().UTC().Add(-time.Hour).Format(time.RFC3339))
	w.Get(t, "/v1/attributions?model=last_touch&limit=1000&from="+from, &page)
	return page.Data
}

func rowOfOrder(rows []row, orderID string) (row, bool) {
	for _, r := range rows {
		if text(r.OrderID) == orderID {
			return r, true
		}
	}
	return row{}, false
}

// shopLink finds the link that devstack prints for trying the shop.
func shopLink(t *testing.T, output string) (shop, token string) {
	t.Helper()
	found := regexp.MustCompile(`(http://\S+)/\?mt=(\S+)`).FindStringSubmatch(output)
	if found == nil {
		t.Fatalf("devstack prints no link to the shop with a click token:\n%s", output)
	}
	return found[1], found[2]
}

// stackDir is a folder for a stack's data that PostgreSQL's own user can enter.
func stackDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "touchline-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func hostOf(address string) string { return strings.TrimPrefix(address, "http://") }
