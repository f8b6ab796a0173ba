//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/freeport"
)

// options say how a world differs from the usual one.
type options struct {
	proxied   bool     // toxiproxy between edge and Redis, worker and Redis, worker and PostgreSQL
	edgeEnv   []string // settings of the edge
	workerEnv []string // settings of the workers
	postgres  []string // settings of the server, "name=value"
	poolQuery string   // added to the workers' database URL
	edges     int      // default 1
	workers   int      // default 1
	bin       string   // folder of the binaries; default those of this checkout
	wrapEdge  []string // a program that starts the edge, like a shell with ulimit
}

// world is one running Touchline with everything that belongs to it.
type world struct {
	t    testing.TB
	dir  string
	seed uint64
	opts options

	postgres, redis, api *process
	edges, workers       []*process
	proxies              map[string]*proxy // "edge-redis", "worker-redis", "worker-postgres"

	postgresPort, redisPort, apiPort int
	edgePorts, adminPorts            []int // of the edges
	workerPorts                      []int

	workspace uuid.UUID
	token     string
	sources   map[string]source
	loads     []*load // whose witnesses the checker asks
	patience  time.Duration
}

// source is what its creation answers.
type source struct {
	ID          uuid.UUID `json:"id"`
	WriteKey    string    `json:"write_key"`
	WebhookPath string    `json:"webhook_path"`
}

// secret signs the callbacks.
const secret = "faults-secret"

// newWorld starts everything and waits until it is ready.
func newWorld(t testing.TB, opts options) *world {
	t.Helper()
	dir, err := os.MkdirTemp(suite.dir, regexp.MustCompile(`\W+`).ReplaceAllString(t.Name(), "-")+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	opts.edges, opts.workers = max(opts.edges, 1), max(opts.workers, 1)
	if opts.bin == "" {
		opts.bin = suite.bin
	}
	w := &world{t: t, dir: dir, seed: suite.seed, opts: opts, proxies: map[string]*proxy{}, sources: map[string]source{}, patience: patience}
	w.servers()
	w.services()
	w.settle()
	return w
}

func (w *world) port() int {
	w.t.Helper()
	port, err := freeport.Port()
	if err != nil {
		w.t.Fatal(err)
	}
	return port
}

// begins starts a process, ends it with the test, and shows its log when that failed.
func (w *world) begins(p *process) {
	w.t.Helper()
	if err := p.start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		p.end(syscall.SIGKILL)
		if w.t.Failed() {
			w.t.Log(p.tail())
		}
	})
	if err := p.await(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}

// servers starts PostgreSQL over a copy of the template, and Redis.
func (w *world) servers() {
	w.t.Helper()
	w.postgresPort, w.redisPort = w.port(), w.port()
	data := filepath.Join(w.dir, "postgres")
	if out, err := exec.Command("cp", "-a", filepath.Join(suite.dir, "template"), data).CombinedOutput(); err != nil {
		w.t.Fatalf("copy the database: %v\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "redis"), 0o755); err != nil {
		w.t.Fatal(err)
	}
	w.postgres = newPostgres(w.dir, data, w.postgresPort, w.opts.postgres...)
	w.begins(w.postgres)
	w.redis = newRedis(w.dir, w.redisPort)
	w.begins(w.redis)
	if w.opts.proxied {
		for name, port := range map[string]int{"edge-redis": w.redisPort, "worker-redis": w.redisPort, "worker-postgres": w.postgresPort} {
			w.proxies[name] = newProxy(w.t, name, local(port))
		}
	}
}

// via is the address of a server as a service sees it.
func (w *world) via(proxy string, port int) string {
	if p, proxied := w.proxies[proxy]; proxied {
		return p.address()
	}
	return local(port)
}

// services starts workers, API and edges.
func (w *world) services() {
	w.t.Helper()
	for i := range w.opts.workers {
		port := w.port()
		w.workerPorts = append(w.workerPorts, port)
		p := w.service(fmt.Sprintf("worker-%d", i), "attribution", port, w.workerEnv()...)
		p.args = []string{"worker"}
		w.workers = append(w.workers, p)
		w.begins(p)
	}
	w.apiPort = w.port()
	w.api = w.service("api", "attribution", w.port(), append(w.direct(), "TOUCHLINE_ADDR="+local(w.apiPort))...)
	w.api.args = []string{"api"}
	w.begins(w.api)
	for i := range w.opts.edges {
		w.edgePorts, w.adminPorts = append(w.edgePorts, w.port()), append(w.adminPorts, w.port())
		p := w.service(fmt.Sprintf("edge-%d", i), "tracking", w.adminPorts[i], append([]string{
			"REDIS_URL=redis://" + w.via("edge-redis", w.redisPort),
			"TOUCHLINE_ADDR=" + local(w.edgePorts[i]), "TOUCHLINE_SPOOL_DIR=" + w.spool(i),
			"TOUCHLINE_REGISTRY_SNAPSHOT=" + filepath.Join(w.dir, fmt.Sprintf("snapshot-%d", i)),
		}, w.opts.edgeEnv...)...)
		if len(w.opts.wrapEdge) > 0 {
			p.args = append(slices.Clone(w.opts.wrapEdge[1:]), p.path)
			p.path = w.opts.wrapEdge[0]
		}
		w.edges = append(w.edges, p)
		w.begins(p)
	}
}

// spool is the folder of an edge's hits.
func (w *world) spool(edge int) string { return filepath.Join(w.dir, fmt.Sprintf("spool-%d", edge)) }

func (w *world) service(name, binary string, admin int, env ...string) *process {
	return &process{
		name: name, path: filepath.Join(w.opts.bin, binary), dir: w.dir, log: filepath.Join(w.dir, name+".log"),
		env:   append(append(suite.keys(), "TOUCHLINE_ADMIN_ADDR="+local(admin), "TOUCHLINE_DRAIN=5s"), env...),
		ready: func(ctx context.Context) error { return ready(ctx, admin) },
	}
}

// direct is the way to both servers past the proxies.
func (w *world) direct() []string {
	return []string{"DATABASE_URL=" + databaseURL(w.postgresPort), "REDIS_URL=redis://" + local(w.redisPort)}
}

func (w *world) workerEnv() []string {
	port := w.postgresPort
	if p, proxied := w.proxies["worker-postgres"]; proxied {
		port = p.port()
	}
	return append([]string{
		"DATABASE_URL=" + databaseURL(port) + w.opts.poolQuery, "REDIS_URL=redis://" + w.via("worker-redis", w.redisPort),
	}, w.opts.workerEnv...)
}

func ready(ctx context.Context, admin int) error {
	text, err := fetch(ctx, fmt.Sprintf("http://%s/readyz", local(admin)))
	if err != nil {
		return fmt.Errorf("%w: %s", err, text)
	}
	return nil
}

var quick = &http.Client{Timeout: 2 * time.Second}

func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := quick.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return text, err
}

// metric adds up the samples of a metric whose line begins with name. A process that
// does not answer has 0.
func (w *world) metric(admin int, name string) float64 {
	sum, _ := w.sample(admin, name)
	return sum
}

// sample is [world.metric] that tells whether the process answered.
func (w *world) sample(admin int, name string) (sum float64, answered bool) {
	text, err := fetch(w.t.Context(), fmt.Sprintf("http://%s/metrics", local(admin)))
	if err != nil {
		return 0, false
	}
	for _, line := range bytes.Split(text, []byte("\n")) {
		if !bytes.HasPrefix(line, []byte(name)) {
			continue
		}
		if at := bytes.LastIndexByte(line, ' '); at > 0 {
			value, _ := strconv.ParseFloat(string(line[at+1:]), 64)
			sum += value
		}
	}
	return sum, true
}

// spooled is how many hits the edges kept on disk since they were started.
func (w *world) spooled() int {
	sum := 0.0
	for _, admin := range w.adminPorts {
		sum += w.metric(admin, "touchline_spool_hits_total")
	}
	return int(sum)
}

// drained reports whether every edge says that it has no hits on its disk.
func (w *world) drained() bool {
	for _, admin := range w.adminPorts {
		if n, said := w.sample(admin, "touchline_spool_logs"); !said || n != 0 {
			return false
		}
	}
	return true
}

// settle makes the workspace and its sources.
func (w *world) settle() {
	w.t.Helper()
	platform := w.tool("token", "--role", "platform")
	var made struct {
		ID    uuid.UUID
		Token string
	}
	w.call(string(bytes.TrimSpace(platform)), http.MethodPost, "/v1/workspaces",
		map[string]any{"name": "faults", "currency": "NOK", "timezone": "Europe/Oslo", "country": "NO"}, &made)
	w.workspace, w.token = made.ID, made.Token
	for kind, config := range map[string]any{
		"pixel": map[string]any{}, "server": map[string]any{}, "webhook": map[string]any{"secret": secret},
		"whatsapp": map[string]any{"app_secret": secret, "verify_token": "v"},
	} {
		var made source
		w.call(w.token, http.MethodPost, "/v1/sources", map[string]any{"kind": kind, "name": kind, "config": config}, &made)
		w.sources[kind] = made
	}
}

// tool runs the attribution binary to its end, past the proxies, and returns what it
// printed.
func (w *world) tool(args ...string) []byte {
	w.t.Helper()
	out, err := w.try(args...)
	if err != nil {
		w.t.Fatalf("attribution %v: %v\n%s", args, err, out)
	}
	return out
}

// try is [world.tool] that may fail.
func (w *world) try(args ...string) ([]byte, error) {
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(w.opts.bin, "attribution"), args...)
	cmd.Env = append(suite.keys(), w.direct()...)
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.Output()
	if err != nil {
		out = append(out, log.Bytes()...)
	}
	return out, err
}

// call asks the API.
func (w *world) call(token, method, path string, in, out any) {
	w.t.Helper()
	if err := w.ask(token, method, path, in, out); err != nil {
		w.t.Fatal(err)
	}
}

// ask is [world.call] that may fail.
func (w *world) ask(token, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(w.t.Context(), method, "http://"+local(w.apiPort)+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/json")
	response, err := (&http.Client{Timeout: 30 * time.Second}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode > 299 {
		return fmt.Errorf("%s %s answered %d: %s", method, path, response.StatusCode, text)
	}
	return json.Unmarshal(text, out)
}

// database is a connection past the proxies, closed with the test.
func (w *world) database() *pgx.Conn {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), databaseURL(w.postgresPort))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) })
	return conn
}

// count asks the database for one number.
func (w *world) count(query string, args ...any) int {
	w.t.Helper()
	conn := w.database()
	defer conn.Close(w.t.Context())
	var n int
	if err := conn.QueryRow(w.t.Context(), query, args...).Scan(&n); err != nil {
		w.t.Fatalf("%s: %v", query, err)
	}
	return n
}

// redisClient is a client past the proxies, closed with the test.
func (w *world) redisClient() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: local(w.redisPort), MaxRetries: -1})
	w.t.Cleanup(func() { _ = client.Close() })
	return client
}
