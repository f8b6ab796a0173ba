package timeline_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/historytest"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// historyEnv says over how many random histories product and reference are compared.
const historyEnv = "TOUCHLINE_HISTORIES"

// The product's table is the reference's, row for row, on random histories. One on
// which they differ is shrunk and printed as a world.
func TestReference_Histories(t *testing.T) {
	t.Parallel()
	total := 2000
	if text := os.Getenv(historyEnv); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("%s: %v", historyEnv, err)
		}
		total = n
	}
	const parts = 4
	for part := range parts {
		t.Run(fmt.Sprintf("part %d", part), func(t *testing.T) {
			t.Parallel()
			counts, differ := map[string]int{}, 0
			for seed := part; seed < total && differ < 3; seed += parts {
				h := reftest.Histories().Example(seed)
				for _, what := range met(&h) {
					counts[what]++
				}
				if compareHistory(&h) != "" {
					differ++
					h = historytest.Shrink(h, func(all []reftest.History) int {
						return slices.IndexFunc(all, func(h reftest.History) bool { return compareHistory(&h) != "" })
					})
					in := historyInput(&h)
					world := historytest.World(&h, sortedRows(reftest.Table(in.Workspace, in.Currency, in.Policy, in.Facts)))
					t.Errorf("seed %d: reference (-) and product (+) differ:\n%s\n%s", seed, compareHistory(&h), world)
				}
			}
			for _, what := range mustMeet() {
				counts[what] += 0 // what was never met is not forgotten
			}
			for _, what := range slices.Sorted(maps.Keys(counts)) {
				t.Logf("%-28s %5.1f %%", what, 100*float64(counts[what])/float64(counts["histories"]))
				if slices.Contains(mustMeet(), what) && counts["histories"] >= 400 && counts[what]*200 < counts["histories"] {
					t.Errorf("%s: in fewer than 1 of 200 histories", what)
				}
			}
		})
	}
}

func historyInput(h *reftest.History) timeline.Input {
	return timeline.Input{Workspace: uuid.NameSpaceOID, Currency: "NOK", Policy: &h.Policy, Facts: h.Facts}
}

// compareHistory returns in which rows reference and product differ.
func compareHistory(h *reftest.History) string {
	in := historyInput(h)
	want := sortedRows(reftest.Table(in.Workspace, in.Currency, in.Policy, in.Facts))
	random := rand.New(rand.NewPCG(uint64(len(h.Facts)), 1))
	in.Facts = slices.Clone(in.Facts)
	random.Shuffle(len(in.Facts), func(i, j int) { in.Facts[i], in.Facts[j] = in.Facts[j], in.Facts[i] })
	got := productRows(timeline.Derive(in))
	if slices.Equal(want, got) {
		return ""
	}
	return gocmp.Diff(want, got)
}

// met names what a history has in it.
func met(h *reftest.History) []string {
	out := timeline.Derive(historyInput(h))
	has := map[string]bool{"histories": true}
	persons := map[uuid.UUID]int{}
	for _, a := range out.Persons {
		persons[a.Person]++
		has["merge"] = has["merge"] || persons[a.Person] > 1
		has["shared identifier"] = has["shared identifier"] || a.Shared
	}
	for _, l := range out.Links {
		has["refused link"] = has["refused link"] || l.State == identity.Refused
	}
	tokens, keys := map[string]map[string]bool{}, map[uuid.UUID]bool{}
	for i := range h.Facts {
		f := &h.Facts[i]
		has["replaced copy"] = has["replaced copy"] || keys[f.Key()]
		keys[f.Key()] = true
		has["whole seconds"] = has["whole seconds"] || f.Precision == hit.PrecisionSecond
		for _, id := range f.Identifiers {
			has["blocked identifier"] = has["blocked identifier"] || slices.Contains(h.Policy.Blocked(), hit.FoldCase(id.Value))
		}
		if f.Page != nil && f.Device != nil {
			if _, token, found := strings.Cut(f.Page.URL, "mt="); found {
				if tokens[token] == nil {
					tokens[token] = map[string]bool{}
				}
				tokens[token][f.Device.Value] = true
				has["sixth device for a token"] = has["sixth device for a token"] || len(tokens[token]) > 5
			}
		}
	}
	metOrders(h, has)
	metTable(&out, has)
	metChat(h, &out, has)
	metFacts(h, has)
	metMoney(h, &out, has)
	metSettings(h, &out, has)
	has["browser links off"] = h.Policy.BrowserLinks == policy.LinksOff
	var all []string
	for what, is := range has {
		if is {
			all = append(all, what)
		}
	}
	return all
}

// metOrders looks at orders and refunds as they were stated, and at equal instants.
func metOrders(h *reftest.History, has map[string]bool) {
	owners, placed, at := map[string]hit.Identifier{}, map[string]hit.Instant{}, map[hit.Instant]hit.Kind{}
	for i := range h.Facts {
		f := &h.Facts[i]
		has["ties at one instant"] = has["ties at one instant"] || at[f.At] != ""
		at[f.At] = f.Kind
		if f.Event == nil || f.Event.Name != "Order Completed" {
			continue
		}
		order := f.ID
		if text := orderOf(f); text != "" {
			order = "order:" + text
			placed[text] = f.At
		}
		if len(f.Identifiers) > 0 {
			old, known := owners[order]
			has["order changes owner"] = has["order changes owner"] || known && old != f.Identifiers[0]
			owners[order] = f.Identifiers[0]
		}
	}
	for i := range h.Facts {
		if f := &h.Facts[i]; f.Event != nil && f.Event.Name == "Order Refunded" {
			at, known := placed[orderOf(f)]
			has["refund before its order"] = has["refund before its order"] || known && f.At < at
			has["refund of nothing"] = has["refund of nothing"] || !known
		}
	}
}

func orderOf(f *hit.Fact) string {
	var has struct {
		Order string `json:"order_id"`
	}
	if json.Unmarshal(f.Event.Properties, &has) != nil {
		return ""
	}
	return has.Order
}

// metTable looks at what was concluded.
func metTable(out *timeline.Outcome, has map[string]bool) {
	for _, c := range out.Claims {
		has["identify claim"] = has["identify claim"] || c.Identify
		has["click claim"] = has["click claim"] || !c.Identify
	}
	for i := range out.Conversions {
		c := &out.Conversions[i]
		has["conversion: "+c.Definition] = true
		has["refund"] = has["refund"] || c.Refund
		has["several touchpoints"] = has["several touchpoints"] || len(c.Credits) > 1
		for j := range c.Credits {
			has["touch after its conversion"] = has["touch after its conversion"] || c.Credits[j].TouchAt > c.EventAt && !c.Refund
			has["tier: "+c.Credits[j].Tier] = true
			has["channel: "+c.Credits[j].Channel] = true
		}
	}
}

// metChat looks for replies that name no message and for page views at a session's end.
func metChat(h *reftest.History, out *timeline.Outcome, has map[string]bool) {
	views := map[string]map[hit.Instant]bool{}
	for i := range h.Facts {
		f := &h.Facts[i]
		for j := range out.Messages {
			replied := f.Inbound != nil && out.Messages[j].RepliedAt == f.At
			has["implicit reply"] = has["implicit reply"] || replied && f.Inbound.Context == "" && f.Inbound.Token == ""
			has["explicit reply"] = has["explicit reply"] || replied && f.Inbound.Context+f.Inbound.Token != ""
		}
		if f.Page != nil && f.Device != nil {
			if views[f.Device.Value] == nil {
				views[f.Device.Value] = map[hit.Instant]bool{}
			}
			views[f.Device.Value][f.At] = true
		}
	}
	for _, times := range views {
		for at := range times {
			has["page after 30 minutes"] = has["page after 30 minutes"] || times[at+30*minute]
			has["page 1 µs later"] = has["page 1 µs later"] || times[at+30*minute+1]
		}
	}
}
