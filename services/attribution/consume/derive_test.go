package consume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql/sqltest"
)

// Whatever the order of arrival, the batches and the moment at which a new policy
// begins to be built: the same table, persons and rollups, and at every commit the
// rollups are the sums over the table.
func TestDerive_neitherOrderNorBatchesNorBuildsMatter(t *testing.T) {
	t.Parallel()
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 7))
		entries := busyWeek(t, random)
		var want []string
		for run := range 3 {
			d := newTable(t)
			random.Shuffle(len(entries), func(i, j int) { entries[i], entries[j] = entries[j], entries[i] })
			d.play(t, random, entries)
			got := d.table(t)
			if run == 0 {
				want = got
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("seed %d, run %d: what the table holds (-first +now):\n%s", seed, run, diff)
			}
		}
		if len(want) < 100 {
			t.Errorf("seed %d: only %d rows to compare", seed, len(want))
		}
	}
}

// table is a database whose facts are concluded from.
type table struct {
	*database
	ring    *digest.Ring
	deriver *derive.Deriver
}

func newTable(t *testing.T) *table {
	t.Helper()
	d := &table{database: newDatabase(t), ring: newRing(t)}
	var version int
	document := policy.Default()
	err := d.rows.QueryRow(t.Context(), `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by, published_at)
		values ($1, 1, $2, 1, 'test', 'live', now(), 'test', now()) returning version`, shop, document.Document()).Scan(&version)
	if err != nil {
		t.Fatal(err)
	}
	// A second goes by at each look at the clock, so that the hold is over after one
	// transaction.
	clock := noon
	d.deriver = derive.New(postgres.NewDeriveStore(d.pool, d.ring), derive.Config{
		BatchRows: 9, WalkRows: 11, Lead: time.Millisecond, Hold: 1500 * time.Millisecond, Log: quiet(),
		Now: func() time.Time { clock = clock.Add(time.Second); return clock },
	})
	return d
}

// play stores entries in batches, concludes from them now and then, and publishes a
// policy somewhere in between.
func (d *table) play(t *testing.T, random *rand.Rand, entries []stream.Entry) {
	t.Helper()
	publishAt := random.IntN(len(entries))
	for at := 0; at < len(entries); {
		size := min(1+random.IntN(15), len(entries)-at)
		deliver(t, d.database, d.ring, entries[at:at+size], []int{size, size})
		if at <= publishAt && publishAt < at+size {
			d.publish(t)
		}
		at += size
		for range random.IntN(3) {
			d.pass(t)
		}
	}
	for d.number(t, `select (select count(*) from touched) + (select count(*) from policy where state = 'building')`) > 0 {
		d.pass(t)
	}
	if live := d.number(t, `select version from policy where state = 'live'`); live != 2 {
		t.Fatalf("version %d is live, want 2", live)
	}
}

func (d *table) publish(t *testing.T) {
	t.Helper()
	d.publishDocument(t, `{"models": ["first_touch", "time_decay", "linear"], "browser_links": "off", "blocked_identifiers": ["shop@example.com"],
		"windows": [{"tier": "delivered", "seconds": 86400}, {"seconds": 604800}]}`)
}

// publishDocument asks for a policy to be built.
func (d *table) publishDocument(t *testing.T, document string) {
	t.Helper()
	p, faults, err := policy.Parse([]byte(document))
	if err != nil || len(faults) > 0 {
		t.Fatal(faults, err)
	}
	if _, _, err := d.pool.PolicyPublish(t.Context(), shop, postgres.PolicyDraft{Policy: &p, Reference: "test", By: "test", At: noon}); err != nil {
		t.Fatal(err)
	}
}

// pass concludes once and holds the rollups against the table.
func (d *table) pass(t *testing.T) {
	t.Helper()
	if err := d.deriver.Workspace(context.Background(), shop); err != nil {
		t.Fatal(err)
	}
	for what, query := range map[string]string{"rollup_credit": sqltest.CreditDrift, "rollup_message": sqltest.MessageDrift} {
		if n := d.number(t, query); n != 0 {
			t.Fatalf("%d rows of %s are not the sums over the table", n, what)
		}
	}
}

// table is all that was concluded under the live policy, but for when.
func (d *table) table(t *testing.T) []string {
	t.Helper()
	var lines []string
	for _, query := range []string{
		`select array_agg(line order by line) from (select 'row ' || to_jsonb(a)::text as line from attribution a where version = 2) x`,
		`select array_agg(line order by line) from (select 'message ' || (to_jsonb(m) - 'computed_at')::text as line from message m where version = 2) x`,
		`select array_agg(line order by line) from (select 'person ' || to_jsonb(p)::text as line from identifier_person p where identity_version = 2) x`,
		`select array_agg(line order by line) from (select 'link ' || to_jsonb(l)::text as line from link l where identity_version = 2) x`,
		`select array_agg(line order by line) from (select 'claim ' || to_jsonb(c)::text as line from claim c where identity_version = 2) x`,
	} {
		var some []string
		d.scan(t, query, &some)
		lines = append(lines, some...)
	}
	return lines
}

// busyWeek is what eight people and a shop do to each other: messages that are
// registered late, read, clicked and answered, orders in several copies that
// contradict each other, refunds, logins, and addresses that many have in common.
func busyWeek(t *testing.T, random *rand.Rand) []stream.Entry {
	t.Helper()
	var facts []hit.Fact
	for n := range 40 {
		facts = append(facts, messageFacts(random, n)...)
		facts = append(facts, visitFacts(random, n)...)
		facts = append(facts, orderFacts(random, n)...)
	}
	return reported(t, random, facts)
}

// reported are facts that happened some time of five days, as the shop's sources tell them.
func reported(t *testing.T, random *rand.Rand, facts []hit.Fact) []stream.Entry {
	t.Helper()
	epoch := uuid.New()
	entries := make([]stream.Entry, len(facts))
	for n, f := range facts {
		f.Source, f.Trust = site, hit.Trust(1+random.IntN(3))
		if random.IntN(3) == 0 {
			f.Source = server
		}
		f.At = hit.InstantOf(noon.Add(time.Duration(random.IntN(5*24*60)) * time.Minute))
		f.ReceivedAt = f.At + 1
		h := hit.Hit{Workspace: shop, Fact: f}
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		entries[n] = stream.Entry{
			ID: fmt.Sprintf("%d-0", n+1), Field: shop.String() + "/" + f.Source.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: epoch, Number: int64(n + 1)},
		}
	}
	return entries
}

// somebody is how one of eight people is named this time.
func somebody(random *rand.Rand) []hit.Identifier {
	who := random.IntN(8)
	all := []hit.Identifier{
		{Kind: hit.UserID, Value: fmt.Sprint("user-", who)},
		{Kind: hit.Phone, Value: fmt.Sprint("+479000000", who)},
		{Kind: hit.Email, Value: fmt.Sprintf("%d@example.com", who)},
		{Kind: hit.Email, Value: "shop@example.com"}, // blocked by the second policy
	}
	ids := slices.DeleteFunc(all, func(hit.Identifier) bool { return random.IntN(3) > 0 })
	return slices.Clip(ids)
}

func messageFacts(random *rand.Rand, n int) []hit.Fact {
	id, about := fmt.Sprint("wamid.", n/2), hit.ChannelWhatsApp
	registration := hit.Fact{Kind: hit.KindMessage, Channel: about, ID: id, Identifiers: somebody(random), Message: &hit.Message{
		Sender: "shop", Campaign: fmt.Sprint("c", random.IntN(2)), Token: fmt.Sprint("t", n/3),
		Template: &hit.Template{Name: fmt.Sprint("hello", random.IntN(2)), Language: "nb"},
	}}
	if random.IntN(4) == 0 {
		registration.Message.Template.Name = "" // a language of nothing
	}
	facts := []hit.Fact{registration}
	statuses := []hit.Status{hit.StatusSent, hit.StatusDelivered, hit.StatusRead, hit.StatusFailed}
	for range 2 {
		facts = append(facts, hit.Fact{
			Kind: hit.KindStatus, Channel: about, ID: id, Status: statuses[random.IntN(4)], Identifiers: somebody(random), Report: &hit.Report{Sender: "shop"},
		})
	}
	answer := hit.Fact{Kind: hit.KindInbound, Channel: about, ID: fmt.Sprint("wamid.in", n), Identifiers: somebody(random), Inbound: &hit.Inbound{
		Business: "shop", Type: "text", Text: "hello",
	}}
	switch random.IntN(4) {
	case 0:
		answer.Inbound.Context = fmt.Sprint("wamid.", random.IntN(25))
	case 1:
		answer.Inbound.Order = &hit.Amount{Amount: "12.50", Currency: "EUR"}
		answer.Inbound.Type = "order"
	case 2:
		answer.Inbound.Referral = &hit.Referral{SourceID: "ad"}
	}
	return append(facts, answer)
}

func visitFacts(random *rand.Rand, n int) []hit.Fact {
	device := &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", random.IntN(12))}
	address := "https://shop.example/?utm_source=news&utm_medium=email"
	if random.IntN(2) == 0 {
		address = fmt.Sprint("https://shop.example/?mt=t", random.IntN(16))
	}
	view := hit.Fact{Kind: hit.KindPage, ID: fmt.Sprint("page-", n), Device: device, Page: &hit.Page{URL: address}}
	login := hit.Fact{Kind: hit.KindIdentify, ID: fmt.Sprint("login-", n), Device: device, Identifiers: somebody(random), Identify: &hit.Identify{Call: "identify"}}
	return []hit.Fact{view, login}
}

func orderFacts(random *rand.Rand, n int) []hit.Fact {
	order := fmt.Sprint("o", n/3)
	properties := fmt.Sprintf(`{"order_id":%q,"value":"%d.99","currency":"NOK"}`, order, 10+random.IntN(3))
	if random.IntN(6) == 0 {
		properties = `{"value":"5"}`
	}
	bought := hit.Fact{
		Kind: hit.KindEvent, ID: fmt.Sprint("event-", n/2), Identifiers: somebody(random), Event: &hit.Event{Name: "Order Completed", Properties: []byte(properties)},
		Device: &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", random.IntN(12))},
	}
	back := hit.Fact{Kind: hit.KindEvent, ID: fmt.Sprint("refund-", n), Event: &hit.Event{
		Name: "Order Refunded", Properties: []byte(fmt.Sprintf(`{"order_id":%q,"value":"3.33"}`, order)),
	}}
	if random.IntN(2) == 0 {
		return []hit.Fact{bought}
	}
	return []hit.Fact{bought, back}
}
