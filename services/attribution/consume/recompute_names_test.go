package consume

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// customer is somebody who hangs together with nobody else, in the order in which a build walks.
type customer struct {
	number  int
	facts   []hit.Fact // a visit, a login, an order
	entries []stream.Entry
	first   uuid.UUID // the least of the facts' keys
}

// listed is an address of a customer's own.
func (c customer) listed() string { return fmt.Sprintf("listed-%d@example.com", c.number) }

// customers have a device, a phone and two addresses each.
func customers(t *testing.T, random *rand.Rand, n int) []customer {
	t.Helper()
	all := make([]customer, n)
	for i := range all {
		c := customer{number: i}
		names := []hit.Identifier{{Kind: hit.Phone, Value: fmt.Sprintf("+4790000%03d", i)}, {Kind: hit.Email, Value: fmt.Sprintf("%d@example.com", i)}}
		listed := hit.Identifier{Kind: hit.Email, Value: c.listed()}
		device := &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", i)}
		c.facts = []hit.Fact{
			{Kind: hit.KindPage, ID: fmt.Sprint("page-", i), Device: device, Page: &hit.Page{URL: "https://shop.example/?utm_source=news&utm_medium=email"}},
			{Kind: hit.KindIdentify, ID: fmt.Sprint("login-", i), Device: device, Identifiers: names, Identify: &hit.Identify{Call: "identify"}},
			{
				Kind: hit.KindEvent, ID: fmt.Sprint("event-", i), Device: device, Identifiers: []hit.Identifier{names[0], listed},
				Event: &hit.Event{Name: "Order Completed", Properties: fmt.Appendf(nil, `{"order_id":"o%d","value":"5"}`, i)},
			},
		}
		c.entries = reported(t, random, c.facts)
		c.first = least(t, c.entries)
		all[i] = c
	}
	slices.SortFunc(all, func(a, b customer) int {
		return bytes.Compare(a.first[:], b.first[:])
	})
	return all
}

// least is the least of the keys of facts.
func least(t *testing.T, entries []stream.Entry) uuid.UUID {
	t.Helper()
	first := uuid.Max
	for _, e := range entries {
		h, err := hit.Decode(e.Payload)
		if err != nil {
			t.Fatal(err)
		}
		if key := h.Fact.Key(); bytes.Compare(key[:], first[:]) < 0 {
			first = key
		}
	}
	return first
}

func entriesOf(all []customer) (entries []stream.Entry) {
	for _, c := range all {
		entries = append(entries, c.entries...)
	}
	return entries
}

// otherWindows are policies under which persons are as under the one in force.
const (
	oneWeek = `{"models": ["linear"], "blocked_identifiers": [%s], "windows": [{"seconds": 604800}]}`
	twoDays = `{"models": ["linear"], "blocked_identifiers": [%s], "windows": [{"seconds": 172800}]}`
)

// The facts of every third customer change while what is held of persons has been read ahead, or
// is about to be, of one of them too; and one of these turns out to be the same person as one that
// does not change otherwise. What was read ahead of all others is written.
func TestRecompute_readsPersonsAheadOfChanges(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"before they are read": false, "after they were read": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(20, 7))
			all := customers(t, random, 24)
			d := newTable(t)
			d.settled(t, random, entriesOf(all))
			d.publishDocument(t, fmt.Sprintf(oneWeek, ""))
			var fresh []stream.Entry
			for i := 2; i < len(all); i += 3 {
				fresh = append(fresh, earlier(t, all[i].entries)...)
			}
			both := hit.Fact{Kind: hit.KindIdentify, ID: "both", Identifiers: []hit.Identifier{
				all[2].facts[1].Identifiers[0], all[10].facts[1].Identifiers[1],
			}, Identify: &hit.Identify{Call: "identify"}}
			fresh = append(fresh, reported(t, random, []hit.Fact{both})...)
			persons := d.number(t, "select count(distinct person_id) from identifier_person")
			var reads atomic.Int32
			change := func() error {
				if reads.Add(1) == 2 { // the first step reads by itself, of the first customer
					deliver(t, d.database, d.ring, fresh, []int{len(fresh), len(fresh)})
				}
				return nil
			}
			store := aheadStore{Store: d.store(), before: change, after: nothing, names: true}
			if late {
				store.before, store.after = nothing, change
			}
			d.until(t, derive.New(store, d.turns()), stillBuilt)
			if n := int(reads.Load()); n < len(all)/2 || d.number(t, stillTouched) > 0 {
				t.Fatalf("persons were read ahead %d times: the test shows nothing", n)
			}
			if n := d.number(t, "select count(distinct person_id) from identifier_person"); n != persons-1 {
				t.Errorf("%d persons, %d before two were joined", n, persons)
			}
			d.confirm(t)
		})
	}
}

// What the table wrongly holds of persons, links and claims is gone when a policy under which
// persons are the same has been built, as what was read ahead of them says that it is there.
func TestRecompute_mendsPersonsReadAhead(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(21, 7))
	all := customers(t, random, 12)
	d := newTable(t)
	d.settled(t, random, entriesOf(all))
	// Of blocked identifiers nothing is held.
	blocked := fmt.Sprintf("%q, %q", all[5].listed(), all[8].listed())
	d.publishDocument(t, fmt.Sprintf(oneWeek, blocked))
	d.conclude(t)
	const own = "identity_version = (select identity_version from policy where state = 'live')"
	before := d.names(t)
	for what, plant := range map[string]string{
		"person": `insert into identifier_person select x.workspace_id, (select identity_version from policy where state = 'live'), x.digest, x.kind, gen_random_uuid()
			from identifier_person x where x.identity_version = 1 and not exists (select from identifier_person y where y.digest = x.digest and y.` + own + `)`,
		"link":  `insert into link select workspace_id, identity_version, a, gen_random_uuid(), trust, at, 'stale', position, state from link where ` + own,
		"claim": `insert into claim select workspace_id, identity_version, device, at, 'stale', identify, holder from claim where ` + own,
	} {
		if n := d.number(t, `with planted as (`+plant+` returning 1) select count(*) from planted`); n < 2 {
			t.Fatalf("%d rows of %s were planted", n, what)
		}
	}
	d.publishDocument(t, fmt.Sprintf(twoDays, blocked))
	var reads atomic.Int32
	d.until(t, derive.New(aheadStore{
		Store: d.store(), before: func() error { reads.Add(1); return nil }, after: nothing, names: true,
	}, d.turns()), stillBuilt)
	if n := int(reads.Load()); n < len(all)-2 || d.number(t, "select count(distinct identity_version) from policy where version > 1") != 1 {
		t.Fatalf("persons were read ahead %d times: the test shows nothing", n)
	}
	if diff := cmp.Diff(before, d.names(t)); diff != "" {
		t.Errorf("persons, links and claims (-before +after):\n%s", diff)
	}
	if found := d.recompute(t, false); !found.Equal {
		t.Errorf("%+v", found.Comparison.Parts)
	}
}

// names is what is held of persons, links and claims under the live version.
func (d *table) names(t *testing.T) []string {
	t.Helper()
	return slices.DeleteFunc(d.live(t), func(line string) bool {
		return !slices.ContainsFunc([]string{"identifier_person ", "link ", "claim "}, func(part string) bool { return strings.HasPrefix(line, part) })
	})
}
