package consume

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// brokenStore is a store whose transactions may be undone when all is written.
type brokenStore struct {
	derive.Store
	begun func()
	undo  func() error // nil: it stands
}

func (b brokenStore) Exclusive(ctx context.Context, workspace uuid.UUID, fn func(derive.Session) error) (bool, error) {
	return b.Store.Exclusive(ctx, workspace, func(s derive.Session) error { return fn(brokenSession{s, b}) })
}

type brokenSession struct {
	derive.Session
	brokenStore
}

func (b brokenSession) Snapshot(ctx context.Context, fn func(derive.Tx) error) error {
	return b.Session.Snapshot(ctx, func(tx derive.Tx) error {
		b.begun()
		if err := fn(tx); err != nil {
			return err
		}
		return b.undo()
	})
}

// quietWeek is what twenty people do who have nothing in common: each gets a message, which
// is read, and orders.
func quietWeek(t *testing.T, random *rand.Rand) []stream.Entry {
	t.Helper()
	var facts []hit.Fact
	for who := range 20 {
		ids := []hit.Identifier{{Kind: hit.Phone, Value: fmt.Sprintf("+47900000%02d", who)}}
		message := hit.Fact{Channel: hit.ChannelWhatsApp, ID: fmt.Sprint("wamid.", who), Identifiers: ids}
		registered, read := message, message
		registered.Kind, registered.Message = hit.KindMessage, &hit.Message{Sender: "shop", Campaign: fmt.Sprint("c", who%3), Template: &hit.Template{Name: "hello", Language: "nb"}}
		read.Kind, read.Status, read.Report = hit.KindStatus, hit.StatusRead, &hit.Report{Sender: "shop"}
		facts = append(facts, registered, read, hit.Fact{Kind: hit.KindEvent, ID: fmt.Sprint("event-", who), Identifiers: ids, Event: &hit.Event{
			Name: "Order Completed", Properties: fmt.Appendf(nil, `{"order_id":"o%d","value":"%d.99","currency":"NOK"}`, who, who),
		}})
	}
	return reported(t, random, facts)
}

// Messages of a build are written on a connection of their own. When they are there and the
// rest is not, whether it is tried again at once, by the same process later or by another one,
// and whether facts have changed since or not, the version comes to hold what it should.
func TestRecompute_messagesAheadOfTheRest(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken by the test")
	for name, c := range map[string]struct {
		with    error
		step    int // which of those that write messages ahead is undone
		changed bool
		another bool
	}{
		"the first, tried again at once":         {with: postgres.ErrConflict, step: 1},
		"tried again at once":                    {with: postgres.ErrConflict, step: 3},
		"tried again at once, after changes":     {with: postgres.ErrConflict, step: 2, changed: true},
		"the first, tried again later":           {with: broken, step: 1},
		"tried again later":                      {with: broken, step: 3},
		"tried again later, after changes":       {with: broken, step: 2, changed: true},
		"left to another process":                {with: broken, step: 2, another: true},
		"left to another process, after changes": {with: broken, step: 2, another: true, changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			random := rand.New(rand.NewPCG(17, 7))
			entries := quietWeek(t, random)
			d := newTable(t)
			d.settled(t, random, entries)
			d.publish(t)
			messages := func() int64 {
				return d.number(t, `select count(*) from message join policy using (workspace_id, version) where state = 'building'`)
			}
			var before int64
			ahead, undone := 0, 0
			store := brokenStore{Store: d.store(), begun: func() { before = messages() }, undo: func() error {
				if messages() == before {
					return nil
				}
				if ahead++; ahead != c.step {
					return nil
				}
				undone++
				if c.changed {
					fresh := earlier(t, entries)
					deliver(t, d.database, d.ring, fresh, []int{len(fresh), len(fresh)})
				}
				return c.with
			}}
			deriver := derive.New(store, d.turns())
			for d.number(t, stillBuilt) > 0 {
				err := deriver.Workspace(t.Context(), shop)
				if err != nil && !errors.Is(err, broken) {
					t.Fatal(err)
				}
				if err != nil && c.another {
					deriver = derive.New(store, d.turns())
				}
			}
			if undone == 0 {
				t.Fatalf("%d times messages were ahead, and nothing was undone: the test shows nothing", ahead)
			}
			d.confirm(t)
		})
	}
}

// Messages of a step that has concluded from touched rows add to sums that it has added to
// already: were they written beside it, both would wait for each other.
func TestRecompute_messagesBesideWhatWasTouched(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(18, 7))
	entries := quietWeek(t, random)
	change := func(entries []stream.Entry, how func(*hit.Fact)) {
		for i := range entries {
			h, err := hit.Decode(entries[i].Payload)
			if err != nil {
				t.Fatal(err)
			}
			how(&h.Fact)
			if entries[i].Payload, err = hit.Encode(nil, &h); err != nil {
				t.Fatal(err)
			}
		}
	}
	change(entries, func(f *hit.Fact) { // all add to one sum
		if f.At = hit.InstantOf(noon.Add(5 * time.Minute)); f.Message != nil {
			f.Message.Campaign = "c"
		}
	})
	d := newTable(t)
	d.settled(t, random, entries)
	d.publish(t)
	late := again(entries[:2]) // of one person
	change(late, func(f *hit.Fact) { f.At, f.Trust = f.At-60*1_000_000, hit.TrustWebhook })
	deliver(t, d.database, d.ring, late, []int{2, 2})
	d.until(t, d.turn(), stillBuilt)
	d.confirm(t)
}
