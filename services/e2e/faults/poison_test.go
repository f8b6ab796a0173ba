//go:build linux

package faults

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
)

// scriptOf reads a script as the product sends it.
func scriptOf(t testing.TB, name string) string {
	t.Helper()
	var script strings.Builder
	for _, file := range []string{"account.lua", name} {
		text, err := os.ReadFile("../../internal/stream/" + file)
		if err != nil {
			t.Fatal(err)
		}
		script.Write(text)
	}
	return script.String()
}

// appendRaw writes payloads to a stream as an edge of another version would: by the very
// script, with receipts of an epoch of its own.
func (s *scene) appendRaw(client *redis.Client, payloads ...[]byte) {
	s.t.Helper()
	script := scriptOf(s.t, "append.lua")
	args := []any{uuid.Must(uuid.NewV7()).String(), "1"}
	for _, payload := range payloads {
		args = append(args, s.workspace.String()+"/"+s.sources["server"].ID.String(), payload)
	}
	keys := []string{"{touchline:0}:hits", "{touchline:0}:books", "{touchline:0}:hours"}
	if err := client.Eval(s.t.Context(), script, keys, args...).Err(); err != nil {
		s.t.Fatal(err)
	}
}

// What nobody can decode goes to quarantine, and holds nobody up.
func TestF17_undecodable(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F17", "poison: 0 bytes, garbage, a newer version, half a hit", options{})
	l := s.load(pace{rate: 60})
	l.more(10)
	whole, err := hit.Encode(nil, &hit.Hit{
		Workspace: s.workspace,
		Fact: hit.Fact{
			Kind: hit.KindEvent, Source: s.sources["server"].ID, Trust: hit.TrustServer, ID: "poison",
			At: hit.InstantOf(time.Now()), ReceivedAt: hit.InstantOf(time.Now()), Event: &hit.Event{Name: "Order Completed"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	newer := bytes.Clone(whole)
	newer[0] = 99
	s.appendRaw(s.redisClient(), []byte{}, []byte("\xff\xfe\x00 no hit"), newer, whole[:len(whole)/2])
	eventually(t, "the poison is in quarantine", func() bool {
		return s.count("select count(*) from quarantine where workspace_id = $1", s.workspace) == 4
	})
	s.ended()
	s.fired(4, "poisonous entries")
	l.more(20)
	l.stop()
	s.unaffected(l)
	if n := s.workers[0].deaths(); n != 0 {
		t.Errorf("the worker died %d times", n)
	}
	s.check(expected{rejected: 4, others: 4})
}

// A hit that kills every worker that meets it goes to quarantine after six workers, the
// others are stored, and it is stored too once it can be.
func TestF17_deadly(t *testing.T) {
	t.Parallel()
	const deadly = "deadly-order"
	s := newScene(t, "F17", "poison: a hit that kills its worker", options{workerEnv: []string{"TOUCHLINE_FAILPOINT=decode=" + deadly}})
	worker := s.workers[0]
	worker.mu.Lock()
	worker.keep = true
	worker.mu.Unlock()
	l := s.load(pace{rate: 40})
	l.more(10)
	poison := l.making.signedNow(deadly)
	if got := l.send(poison); !got.acknowledged() {
		t.Fatalf("%+v", got)
	}
	eventually(t, "the deadly hit is in quarantine", func() bool {
		return s.count("select count(*) from quarantine where workspace_id = $1", s.workspace) == 1
	})
	s.fired(worker.deaths(), "deaths")
	if n := worker.deaths(); n > 7 {
		t.Errorf("it killed %d workers, more than seven", n)
	}
	worker.mu.Lock()
	worker.env = append(worker.env, "TOUCHLINE_FAILPOINT=")
	worker.mu.Unlock()
	worker.end(syscall.SIGKILL)
	s.returns(worker)
	s.ended()
	s.tool("quarantine", "replay", "--workspace", s.workspace.String(), "--from", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339))
	eventually(t, "the hit is stored after all", func() bool { return s.facts()[poison.Facts[0]] })
	eventually(t, "and counts as stored", func() bool {
		var b books
		s.call(s.token, "GET", "/v1/ingestion", nil, &b)
		return b.Rejected == 0
	})
	l.more(10)
	l.stop()
	s.unaffected(l)
	s.check(expected{})
}

// signedNow is a callback with a given id.
func (m *maker) signedNow(id string) request {
	return m.signed(id, object{
		"id": id, "event": "Order Completed", "at": stamp(), "phone": phone(1),
		"properties": object{"order_id": id, "value": "75.00", "currency": "NOK"},
	})
}

// What senders do: the same fifty times, out of order, late, again after a month, the
// same id with another body.
func TestF16(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F16", "callbacks: 50 times, out of order, late, after 30 days, one id with two bodies", options{})
	l := s.newLoad(pace{rate: 1})
	send := func(r request) {
		if got := l.send(r); !got.acknowledged() {
			t.Fatalf("%+v", got)
		}
	}
	same := l.making.signedNow("fifty")
	for range 50 {
		send(same)
	}
	registered := l.making.registrations(1)
	send(registered)
	message := l.making.messages[len(l.making.messages)-1].id
	status := func(state hit.Status, at time.Time) {
		send(request{
			Path: "/v1/messages/statuses", Header: l.making.serverKey(),
			Body: encode(object{"statuses": []object{
				{"channel": "whatsapp", "message_id": message, "status": string(state), "at": at.UTC().Format(time.RFC3339Nano)},
			}}),
			Facts: []uuid.UUID{(&hit.Fact{Kind: hit.KindStatus, Channel: "whatsapp", ID: message, Status: state}).Key()},
		})
	}
	now := time.Now()
	status(hit.StatusRead, now)
	status(hit.StatusDelivered, now.Add(-time.Second))
	status(hit.StatusSent, now.Add(-167*time.Hour)) // six days and 23 hours late
	order := func(value string) request {
		return l.making.signed("two-bodies", object{
			"id": "two-bodies", "event": "Order Completed", "at": now.Add(-720 * time.Hour).UTC().Format(time.RFC3339Nano),
			"phone": phone(1), "properties": object{"order_id": "two-bodies", "value": value, "currency": "NOK"},
		})
	}
	send(order("10.00"))
	send(order("10.00"))
	send(order("20.00"))
	s.ended()
	s.fired(49, "copies")
	s.fired(1, "contradiction")
	v := s.check(expected{conflict: 1})
	if v.books.Duplicate != 50 {
		t.Errorf("%d duplicates, want 50", v.books.Duplicate)
	}
	var read, delivered bool
	row := s.database().QueryRow(t.Context(), "select read_at is not null, delivered_at is not null from message where workspace_id = $1 and message_id = $2", s.workspace, message)
	if err := row.Scan(&read, &delivered); err != nil || !read || !delivered {
		t.Errorf("the message is read %v, delivered %v, %v", read, delivered, err)
	}
}

// An entry that somebody deletes raises an alarm that names its receipt.
func TestDeletedEntry(t *testing.T) {
	t.Parallel()
	s := newScene(t, "alarm", "an acknowledged entry is deleted from its stream", options{})
	l := s.newLoad(pace{rate: 1})
	for range 8 {
		if got := l.send(l.making.next()); !got.acknowledged() {
			t.Fatalf("%+v", got)
		}
	}
	s.rest(&verdict{}, expected{})
	s.stopWorkers()
	one := l.making.track(1)
	got := l.send(one)
	if !got.acknowledged() {
		t.Fatalf("%+v", got)
	}
	parts := strings.Split(got.Receipt, "-")
	client, stream := s.redisClient(), "{touchline:"+parts[len(parts)-2]+"}:hits"
	var entries []redis.XMessage
	eventually(t, "the hit is in the stream", func() bool { // it may have been on the edge's disk first
		entries = client.XRange(t.Context(), stream, "-", "+").Val()
		return len(entries) > 0
	})
	if len(entries) != 1 || client.XDel(t.Context(), stream, entries[0].ID).Val() != 1 {
		t.Fatalf("%d entries in %s", len(entries), stream)
	}
	s.startWorkers()
	deleted := time.Now()
	eventually(t, "the log names "+got.Receipt, func() bool {
		for _, line := range strings.Split(s.workers[0].text(), "\n") {
			if strings.Contains(line, "hits were lost") && strings.Contains(line, got.Receipt) {
				return true
			}
		}
		return false
	})
	eventually(t, "the metric counts it", func() bool { return s.metric(s.workerPorts[0], "touchline_sequence_gaps_total") == 1 })
	s.fired(1, "deletion, named after "+time.Since(deleted).Round(100*time.Millisecond).String())
	out := s.tool("ledger", "write-off", "--by", "faults")
	if !strings.Contains(string(out), got.Receipt) {
		t.Errorf("written off: %s", out)
	}
	if v := s.check(expected{loss: true, rejected: 1}); v.lost != 1 {
		t.Errorf("%d lost, want the one that was deleted", v.lost)
	}
}

var tookOver = regexp.MustCompile(`"took over entries".*"count":(\d+)`)

// A thousand entries that were stored are delivered again, and change no term: a worker
// commits, cannot reach Redis to settle, and dies.
func TestRedelivery(t *testing.T) {
	t.Parallel()
	s := newScene(t, "redelivery", "entries that were stored are delivered again", options{proxied: true})
	script := scriptOf(t, "settle.lua")
	release := s.holdBatches()
	settling := fmt.Sprintf("%x", sha1.Sum([]byte(script))) // what EVALSHA says
	_, heal := s.proxies["worker-redis"].cut("upstream", cutToxic{Match: settling, At: 1, Every: 1})
	s.stopWorkers()
	l := s.load(pace{rate: 150})
	l.more(650)
	l.stop()
	s.startWorkers()
	sent := 0
	for _, r := range l.requests {
		sent += len(r.Facts)
	}
	eventually(t, "all is stored", func() bool { return s.count("select count(*) from fact") == sent })
	s.stopWorkers()
	heal()
	before := s.workers[0].said("took over entries")
	s.startWorkers()
	again := 0
	eventually(t, "a thousand entries are delivered again", func() bool {
		again = 0
		for _, found := range tookOver.FindAllStringSubmatch(s.workers[0].text(), -1)[before:] {
			n, _ := strconv.Atoi(found[1])
			again += n
		}
		return again >= 1000
	})
	release()
	s.ended()
	s.fired(again, "entries delivered again")
	s.check(expected{})
}

// holdBatches has no worker settle what another committed, so that it is delivered again
// for certain, until release.
func (s *scene) holdBatches() (release func()) {
	s.t.Helper()
	s.do(s.database(), `create function hold() returns trigger language plpgsql as
		$$ begin new.committed_at := now() + interval '1 hour'; return new; end $$`,
		"create trigger hold before insert on batch for each row execute function hold()")
	return func() {
		s.do(s.database(), "drop trigger hold on batch", "update batch set committed_at = now()")
	}
}
