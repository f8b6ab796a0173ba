package recompute

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/postgres"
)

var shop = uuid.MustParse("10000000-0000-0000-0000-000000000001")

func TestBar_linesWhereNobodyLooks(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	bar := NewBar(&out, false, func() time.Time { return clock })
	build := postgres.Build{Version: 3, Recompute: true, State: postgres.PolicyBuilding, Total: 1000}
	bar.Show(shop, build)
	for range 12 { // a second and 50 facts each
		clock, build.Done = clock.Add(time.Second), build.Done+50
		bar.Show(shop, build)
	}
	build.Done = 1100
	clock = clock.Add(5 * time.Second)
	bar.Show(shop, build)
	build.State = postgres.PolicyLive
	bar.Show(shop, build)
	want := `: recompute, version 3 [------------------------------]   0 %, 0 of 1000 facts
: recompute, version 3 [#######-----------------------]  25 %, 250 of 1000 facts, 50/s, 15s left
: recompute, version 3 [###############---------------]  50 %, 500 of 1000 facts, 50/s, 10s left
: recompute, version 3 [##############################] 100 %, 1100 of 1100 facts, about to compare
: recompute, version 3 [##############################] 100 %, 1100 of 1100 facts, compared, 17s
`
	if got := strings.ReplaceAll(out.String(), shop.String(), ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

// A line that is drawn over, ended before another build's.
func TestBar_oneLineOfATerminal(t *testing.T) {
	t.Parallel()
	clock := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	var out strings.Builder
	bar := NewBar(&out, true, func() time.Time { return clock })
	first := postgres.Build{Version: 2, State: postgres.PolicyBuilding, Total: 4, Done: 2}
	for range 3 { // at one instant: drawn once
		bar.Show(shop, first)
	}
	check := postgres.Build{Version: 3, Recompute: true, Check: true, State: postgres.PolicyDiscarded, Total: 4, Done: 4}
	bar.Show(shop, check)
	bar.Close()
	bar.Close()
	got := strings.Split(out.String(), "\n")
	if len(got) != 3 || strings.Count(got[0], "\r") != 1 || !strings.Contains(got[0], "first the new policy, version 2") || !strings.Contains(got[1], "check, version 3") || got[2] != "" {
		t.Errorf("%q", got)
	}
	if given := bar.state(postgres.Build{State: postgres.PolicyDiscarded, Total: 9, Done: 1}, 0); !strings.Contains(given, "given up") {
		t.Errorf("%q", given)
	}
}
