package simulation_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/spool"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/services/internal/stream/streamtest"
	"github.com/touchline/touchline/services/tracking/edge"
	"github.com/touchline/touchline/services/tracking/edge/message"
)

var shop = uuid.MustParse("50000000-0000-4000-8000-000000000001")

// sources are the senders' keys.
var sources = map[string]registry.Source{
	"pixel":  {ID: uuid.MustParse("60000000-0000-4000-8000-000000000001"), Workspace: shop, Kind: registry.KindPixel, WriteKey: "pixel", Country: "NO"},
	"server": {ID: uuid.MustParse("60000000-0000-4000-8000-000000000002"), Workspace: shop, Kind: registry.KindServer, WriteKey: "server", Country: "NO"},
}

// directory knows the sources.
type directory struct{}

func (directory) ByKey(_ context.Context, key string) (registry.Source, error) {
	if s, known := sources[key]; known {
		return s, nil
	}
	return registry.Source{}, registry.ErrUnknown
}

func (directory) ByID(context.Context, uuid.UUID) (registry.Source, error) {
	return registry.Source{}, registry.ErrUnknown
}

// front is what of an edge senders see.
type front struct {
	handler http.Handler
	proc    *proc
	life    int
}

// edge runs an edge with its writer and spool.
func (w *world) edge(p *proc) {
	if p.folder == "" {
		p.folder = w.dir + "/" + p.name + "-0"
	}
	disk, err := spool.Open(p.folder, spool.Config{Logger: quiet, Segment: 600, MaxBytes: int64(1000 + w.random.IntN(20_000))})
	if err != nil {
		w.fail("open the spool: %v", err)
		return
	}
	p.disk = disk
	if p.epoch == uuid.Nil || w.bug != sameNumbers {
		p.epoch = w.newID()
	}
	writer, err := stream.NewWriterTo(streamtest.Conn{Memory: w.streams, Through: w.at(p, "redis")}, stream.Config{
		Shards: shards, Spool: disk, Logger: quiet, Jitter: jitter(p.name), MaxEntries: 2 + w.random.IntN(6), Timeout: time.Second + time.Duration(p.life)*1013,
	}, p.epoch)
	if err != nil {
		w.fail("start a writer: %v", err)
		return
	}
	tokens, err := message.Tokens([]byte("a secret"))
	if err != nil {
		w.fail("tokens: %v", err)
		return
	}
	router := httpserver.New(httpserver.Config{Logger: quiet})
	edge.New(edge.Config{MaxItem: 32 << 10, MaxBody: 1 << 20, ScriptPath: "/t.js", EventPath: "/e", GIFPath: "/t.gif"}, edge.Deps{
		Directory: directory{}, Appender: writer, Tokens: tokens, Metrics: edge.NewMetrics(prometheus.NewRegistry()), Now: time.Now,
	}).Register(router)
	f := &front{handler: router, proc: p, life: p.life}
	w.mu.Lock()
	p.front = f
	w.mu.Unlock()
	p.cancel = func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = writer.Close(ended)
		_ = disk.Close()
	}
}

// sender sends its requests one after the other, each until it is acknowledged.
type sender struct {
	w      *world
	name   string
	list   []request
	cancel context.CancelFunc
	done   bool // guarded by the world's lock
}

// request is one call, the same at every attempt.
type request struct {
	path, key string
	body      []byte
	ids       []string // of its items
}

// send starts the senders.
func (w *world) send() {
	number := 0
	for i := range 2 + w.random.IntN(3) {
		s := &sender{w: w, name: fmt.Sprint("sender", i)}
		for range 4 + w.random.IntN(6) {
			number++
			s.list = append(s.list, w.newRequest(number))
		}
		var ctx context.Context
		ctx, s.cancel = context.WithCancel(context.Background())
		w.senders = append(w.senders, s)
		first := time.Duration(w.random.IntN(3_000_000_000))
		go s.run(ctx, first)
	}
}

func (s *sender) run(ctx context.Context, first time.Duration) {
	wait := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	wait(first)
	pause := jitter(s.name)
	for n, r := range s.list {
		for attempt := 0; ctx.Err() == nil; attempt++ {
			if s.attempt(ctx, r, n+attempt) {
				break
			}
			wait(pause(400 * time.Millisecond))
		}
		wait(pause(600 * time.Millisecond))
	}
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.done = true
}

// attempt sends a request to one of the edges and says whether it was acknowledged, as
// far as the sender knows.
func (s *sender) attempt(ctx context.Context, r request, which int) bool {
	var fronts []*front
	s.w.mu.Lock()
	for _, p := range s.w.procs {
		if p.front != nil && !p.dead {
			fronts = append(fronts, p.front)
		}
	}
	s.w.mu.Unlock()
	if len(fronts) == 0 {
		return false
	}
	to := fronts[which%len(fronts)]
	ask := httptest.NewRequestWithContext(ctx, http.MethodPost, r.path, strings.NewReader(string(r.body)))
	ask.SetBasicAuth(r.key, "")
	ask.Header.Set("Content-Type", "application/json")
	ask.Header.Set("X-Request-Id", "simulated-request")
	answer := httptest.NewRecorder()
	to.handler.ServeHTTP(answer, ask)
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if to.proc.dead || to.proc.life != to.life {
		return false
	}
	if answer.Code != http.StatusOK {
		if answer.Code != http.StatusServiceUnavailable {
			s.w.fault = fmt.Sprintf("%s answered %d: %s", r.path, answer.Code, answer.Body)
		}
		return false
	}
	first, err := parseReceipt(answer.Header().Get("Receipt"))
	if count := answer.Header().Get("Receipt-Count"); err != nil || count != strconv.Itoa(len(r.ids)) {
		s.w.fault = fmt.Sprintf("%s: receipt %q of %s: %v", r.path, answer.Header().Get("Receipt"), count, err)
		return false
	}
	for i, id := range r.ids {
		receipt := first
		receipt.Number += int64(i)
		s.w.acked = append(s.w.acked, ack{receipt, id})
	}
	return jitter(s.name)(1000)%7 != 0 // else the answer does not reach the sender
}

func parseReceipt(text string) (hit.Receipt, error) {
	if len(text) < 38 {
		return hit.Receipt{}, errors.New("too short")
	}
	epoch, err := uuid.Parse(text[:36])
	shard, number, _ := strings.Cut(text[37:], "-")
	n, err2 := strconv.ParseInt(number, 10, 64)
	m, err3 := strconv.Atoi(shard)
	return hit.Receipt{Epoch: epoch, Shard: m, Number: n}, errors.Join(err, err2, err3)
}

// newRequest draws what happens in a shop of few people, so that it hangs together, is
// said twice and contradicts itself.
func (w *world) newRequest(number int) request {
	pick := func(from ...string) string { return from[w.random.IntN(len(from))] }
	phone := func() string { return pick("+4791234501", "+4791234502", "+4791234503") }
	at := time.Now().Add(-time.Duration(w.random.IntN(36_000)) * time.Second).UTC().Format(time.RFC3339Nano)
	var items []any
	r := request{path: "/v1/batch", key: pick("pixel", "server"), body: nil}
	name := "batch"
	switch w.random.IntN(6) {
	case 0, 1:
		r.path, r.key, name = "/v1/messages", "server", "messages"
	case 2:
		r.path, r.key, name = "/v1/messages/statuses", "server", "statuses"
	}
	for i := range 1 + w.random.IntN(3) {
		id := fmt.Sprint("m", 1+w.random.IntN(6))
		switch name {
		case "messages":
			items = append(items, map[string]any{
				"channel": "whatsapp", "message_id": id, "to": map[string]any{"phone": phone()}, "campaign": pick("c1", "c2"),
				"sender": "1001", "sent_at": at, "click_token": "t" + id,
			})
		case "statuses":
			items = append(items, map[string]any{"channel": "whatsapp", "message_id": id, "status": pick("sent", "delivered", "read"), "at": at})
		default:
			id = fmt.Sprint("e", number, "-", i)
			if w.chance(200) {
				id = pick("twice1", "twice2") // the same event, perhaps of another value
			}
			items = append(items, w.newItem(id, at, phone(), pick))
		}
		r.ids = append(r.ids, id)
	}
	r.body, _ = json.Marshal(map[string]any{name: items}) // plain maps: it cannot fail
	return r
}

// newItem draws one call of an SDK.
func (w *world) newItem(id, at, phone string, pick func(...string) string) map[string]any {
	item := map[string]any{"messageId": id, "timestamp": at, "anonymousId": pick("laptop", "mobile")}
	switch w.random.IntN(8) {
	case 0, 1, 2:
		item["type"], item["event"] = "track", "Order Completed"
		item["properties"] = map[string]any{"order_id": pick("o1", "o2", "o3", id), "value": pick("10.00", "20.00"), "currency": "NOK"}
		item["context"] = map[string]any{"traits": map[string]any{"phone": phone}}
	case 3, 4:
		item["type"], item["userId"] = "identify", pick("u1", "u2", "u3")
		item["traits"] = map[string]any{"phone": phone}
	case 5, 6:
		item["type"] = "page"
		item["context"] = map[string]any{"page": map[string]any{"url": "https://shop.example/?mt=tm" + pick("1", "2", "3")}}
	default:
		item["type"] = "nonsense" // refused, and counted
	}
	return item
}
