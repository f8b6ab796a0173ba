package e2e_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/e2e/stack"
)

// The first page, opened by the link that devstack prints, shows the demo's table,
// the totals, the books and why some orders earned nothing; the token leaves the
// address bar.
func TestFirstPage(t *testing.T) {
	t.Parallel()
	s := stack.New(bin, stackDir(t))
	if err := s.Start(t.Context(), "--no-traffic"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop() })
	for _, width := range []int{1440, 360} {
		page := browser(t, "first-page", map[string]any{
			"url": s.DashboardURL + "#token=" + s.WorkspaceToken, "ready": "table tbody tr",
			"viewport": map[string]any{"width": width, "height": 900}, "name": fmt.Sprintf("first-page-%d", width),
		})
		seen, _ := page["text"].(string)
		for _, want := range []string{
			"The books balance", "Match rate", "Messages without a recipient", "Statuses without a registration",
			"Orders without identifiers", "spring_sale", "Totals per template", "purchase",
		} {
			if !strings.Contains(seen, want) {
				t.Errorf("at %d px the page does not show %q:\n%s", width, want, seen)
			}
		}
		if address, _ := page["address"].(string); strings.Contains(address, "token") {
			t.Errorf("the token stays in the address: %s", address)
		}
		if overflow, _ := page["overflow"].(float64); overflow > 0 {
			t.Errorf("at %d px the page is %v px too wide", width, overflow)
		}
	}
}
