package consume

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// giantFacts is how many facts the persons of the benchmarks have.
const giantFacts = 50_000

// BenchmarkReach concludes from one new fact of a person of 50,000 facts, and of a
// shop's phone that was typed in for as many guests: by reach, and whole. A year lies
// between first and last; "now" is after all, "late" in the middle.
func BenchmarkReach(b *testing.B) {
	for _, giant := range []struct {
		name  string
		facts func(n int) hit.Fact
		news  map[string]func(n int, at hit.Instant) hit.Fact
	}{
		{"busy", busy, map[string]func(n int, at hit.Instant) hit.Fact{
			"page": busyPage, "status": playedStatus, "inbound": busyInbound, "order": busyOrder, "message": newMessage,
		}},
		{"stand-in", guestOrder, map[string]func(n int, at hit.Instant) hit.Fact{"guest": newGuest, "guest with device": newGuestDevice}},
	} {
		b.Run(giant.name, func(b *testing.B) {
			g := newGiant(b, giant.facts)
			for name, fresh := range giant.news {
				for when, at := range map[string]hit.Instant{"now": yearEnd, "late": (yearBegin + yearEnd) / 2} {
					b.Run(name+" "+when+" by reach", func(b *testing.B) { g.measure(b, derive.Config{Small: 2000}, fresh, at) })
				}
				b.Run(name+" whole", func(b *testing.B) { g.measure(b, derive.Config{Small: 1_000_000}, fresh, yearEnd) })
			}
		})
	}
}

var (
	yearEnd   = hit.InstantOf(noon)
	yearBegin = yearEnd - 365*24*3600*1_000_000
)

// moment is when the n-th fact of a giant happened.
func moment(n int) hit.Instant { return yearBegin + (yearEnd-yearBegin)/giantFacts*hit.Instant(n) }

// giant is a database that holds one large person.
type giant struct {
	*database
	ring *digest.Ring
	next int
}

func newGiant(b *testing.B, facts func(n int) hit.Fact) *giant {
	b.Helper()
	g := &giant{database: newDatabase(b), ring: newRing(b)}
	document := policy.Default()
	if _, err := g.rows.Exec(context.Background(), `insert into policy (workspace_id, version, document, identity_version, reference_version, state, created_at, created_by, published_at)
		values ($1, 1, $2, 1, 'test', 'live', now(), 'test', now())`, shop, document.Document()); err != nil {
		b.Fatal(err)
	}
	for ; g.next < giantFacts; g.next += 1000 {
		batch := make([]hit.Fact, 1000)
		for i := range batch {
			batch[i] = facts(g.next + i)
		}
		g.store(b, batch)
	}
	g.derive(b, derive.Config{BatchRows: 2 * giantFacts, Small: 2 * giantFacts})
	if _, err := g.rows.Exec(context.Background(), `analyze`); err != nil {
		b.Fatal(err)
	}
	return g
}

func (g *giant) store(b *testing.B, facts []hit.Fact) {
	b.Helper()
	epoch := uuid.New()
	items := make([]*item, len(facts))
	for i, f := range facts {
		f.ReceivedAt = f.At
		f.Source = site
		payload, err := hit.Encode(nil, &hit.Hit{Workspace: shop, Fact: f})
		if err != nil {
			b.Fatal(err)
		}
		items[i] = newItem(stream.Entry{
			ID: fmt.Sprint(i, "-0"), Field: shop.String() + "/" + site.String(), Payload: payload, Receipt: hit.Receipt{Epoch: epoch, Number: int64(i + 1)},
		}, g.ring)
	}
	if _, err := (place{store: NewStore(g.pool), seal: g.ring}).write(b.Context(), name{consumer: uuid.New(), number: 1}, items); err != nil {
		b.Fatal(err)
	}
}

func (g *giant) derive(b *testing.B, cfg derive.Config) (last derive.Pass) {
	b.Helper()
	cfg.Log = quiet()
	cfg.Observe = func(pass derive.Pass) {
		if pass.Touched > 0 {
			last = pass
		}
	}
	if err := derive.New(postgres.NewDeriveStore(g.pool, g.ring), cfg).Workspace(context.Background(), shop); err != nil {
		b.Fatal(err)
	}
	return last
}

func (g *giant) measure(b *testing.B, cfg derive.Config, fresh func(n int, at hit.Instant) hit.Fact, at hit.Instant) {
	facts, refused := 0, 0
	for b.Loop() {
		b.StopTimer()
		g.next++
		g.store(b, []hit.Fact{fresh(g.next, at+hit.Instant(g.next)*1_000_000)})
		b.StartTimer()
		pass := g.derive(b, cfg)
		facts += pass.Facts
		for why, rows := range pass.Refused {
			refused += rows
			b.Log("refused: ", why)
		}
	}
	b.ReportMetric(float64(facts)/float64(b.N), "facts")
	b.ReportMetric(float64(refused)/float64(b.N), "refused")
}

func busyNames(all bool) []hit.Identifier {
	ids := []hit.Identifier{{Kind: hit.UserID, Value: "busy"}, {Kind: hit.Phone, Value: "+4790000001"}}
	if all {
		return ids
	}
	return ids[1:]
}

// busy is mostly a visitor who is logged in on three devices, a reader of messages, now
// and then a buyer.
func busy(n int) hit.Fact {
	switch part := n % 20; {
	case n < 3:
		f := hit.Fact{Kind: hit.KindIdentify, Trust: hit.TrustServer, ID: fmt.Sprint("i", n), At: moment(n), Identifiers: busyNames(true), Identify: &hit.Identify{Call: "identify"}}
		f.Device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", n)}
		return f
	case part < 11:
		return busyPage(n, moment(n))
	case part < 13:
		return busyMessage(n, moment(n))
	case part < 17:
		return busyStatus(n, moment(n))
	case part < 18:
		return busyInbound(n, moment(n))
	}
	return busyOrder(n, moment(n))
}

func busyPage(n int, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindPage, Trust: hit.TrustBrowser, ID: fmt.Sprint("p", n), At: at, Identifiers: busyNames(true)[:1],
		Device: &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", n/50%3)},
		Page:   &hit.Page{URL: []string{"https://shop.example/", "https://shop.example/?gclid=1"}[n/7%2]},
	}
}

func busyMessage(n int, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindMessage, Trust: hit.TrustServer, Channel: hit.ChannelWhatsApp, ID: fmt.Sprint("wamid.", n-n%20+n%20%2), At: at, Identifiers: busyNames(false),
		Message: &hit.Message{Sender: "1001", Campaign: "c", Token: fmt.Sprint("t", n), Template: &hit.Template{Name: "hello", Language: "nb"}},
	}
}

// busyStatus is one of the two messages of a group of twenty.
func busyStatus(n int, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindStatus, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: fmt.Sprint("wamid.", n-n%20+n%20%2), At: at, Identifiers: busyNames(false),
		Status: []hit.Status{hit.StatusDelivered, hit.StatusRead}[n/2%2], Report: &hit.Report{Sender: "1001"},
	}
}

// playedStatus is of one of the messages sent shortly before.
func playedStatus(n int, at hit.Instant) hit.Fact {
	group := int((at-yearBegin)/((yearEnd-yearBegin)/giantFacts))/20 - 1 - n%10
	f := busyStatus(group*20, at)
	f.Status = hit.Status(fmt.Sprint("played-", n)) // a key of its own; what counts is the time
	if n%2 == 0 {
		f.Status = hit.StatusPlayed
	}
	return f
}

func newMessage(n int, at hit.Instant) hit.Fact {
	f := busyMessage(n, at)
	f.ID = fmt.Sprint("wamid.new", n)
	return f
}

func busyInbound(n int, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindInbound, Trust: hit.TrustWebhook, Channel: hit.ChannelWhatsApp, ID: fmt.Sprint("wamid.in", n), At: at, Identifiers: busyNames(false),
		Inbound: &hit.Inbound{Business: "1001", Type: "text", Text: "hello"},
	}
}

func busyOrder(n int, at hit.Instant) hit.Fact {
	return hit.Fact{
		Kind: hit.KindEvent, Trust: hit.TrustServer, ID: fmt.Sprint("e", n), At: at, Identifiers: busyNames(false),
		Event: &hit.Event{Name: "Order Completed", Properties: []byte(fmt.Sprintf(`{"currency":"NOK","order_id":"o%d","value":"100"}`, n))},
	}
}

// guestOrder is the n-th guest's, every third with a device of his own.
func guestOrder(n int) hit.Fact {
	if n%3 == 0 {
		return newGuestDevice(n, moment(n))
	}
	return newGuest(n, moment(n))
}

func newGuest(n int, at hit.Instant) hit.Fact {
	f := busyOrder(n, at)
	f.Identifiers = []hit.Identifier{{Kind: hit.Phone, Value: "+4722000000"}, {Kind: hit.Email, Value: fmt.Sprintf("guest%d@example.com", n)}}
	return f
}

func newGuestDevice(n int, at hit.Instant) hit.Fact {
	f := newGuest(n, at)
	f.Device = &hit.Identifier{Kind: hit.Device, Value: fmt.Sprint("device-", n)}
	return f
}
