package api_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/attribution/api"
	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/secret"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/internal/stream"
	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

var (
	registryKey = bytes.Repeat([]byte{1}, 32)
	masterKey   = bytes.Repeat([]byte{2}, 32)
	jwtSecret   = bytes.Repeat([]byte{3}, 32)
)

// rig is the API over a real Postgres and Redis, each this test's own.
type rig struct {
	t      testing.TB
	url    string
	keys   *token.Keyring
	worker *postgres.Pool
	client redis.UniversalClient
	stream stream.Config
	ring   *digest.Ring
	log    *bytes.Buffer

	redisAway atomic.Bool
	redisSlow atomic.Bool  // six seconds go by while it answers
	later     atomic.Int64 // how far the server's clock is ahead, a time.Duration

	exec  func(query string, args ...any)
	count func(query string, args ...any) int
}

func newRig(t testing.TB) *rig {
	t.Helper()
	return newRigWith(t, func(*api.Config) {})
}

func newRigWith(t testing.TB, change func(*api.Config)) *rig {
	t.Helper()
	schema := sqltest.NewSchema(t, sql.Newest)
	client, prefix := redistest.New(t)
	r := &rig{t: t, client: client, stream: stream.Config{Prefix: prefix, Shards: 2, Timeout: time.Minute}, log: &bytes.Buffer{}}
	open := func(role postgres.Role) *postgres.Pool {
		pool, err := postgres.Open(t.Context(), schema.URL, role)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		return pool
	}
	r.worker = open(postgres.RoleWorker)
	raw := schema.Pool(t, "touchline_worker")
	r.exec = func(query string, args ...any) {
		t.Helper()
		if _, err := raw.Exec(context.Background(), query, args...); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
	}
	r.count = func(query string, args ...any) (n int) {
		t.Helper()
		if err := raw.QueryRow(context.Background(), query, args...).Scan(&n); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		return n
	}
	r.keys = must(token.ParseKeyring("k1=" + base64.StdEncoding.EncodeToString(jwtSecret)))(t)
	r.ring = must(digest.New(masterKey))(t)
	publisher := registry.NewPublisher(client, prefix, registryKey)
	if err := publisher.Replace(t.Context(), nil); err != nil { // as the worker does at its start
		t.Fatal(err)
	}
	config := api.Config{
		Store: open(postgres.RoleAPI), Keys: r.keys, Sources: publisher,
		Books: func(ctx context.Context, ask stream.Question) ([]stream.WorkspaceBooks, error) {
			if r.redisAway.Load() {
				return nil, errors.New("redis is away")
			}
			if r.redisSlow.Load() {
				r.later.Add(int64(6 * time.Second))
			}
			return stream.ReadWorkspace(ctx, client, r.stream, ask)
		},
		Ring: r.ring, Sealed: must(secret.NewBox(registryKey, "source config"))(t), Cursors: must(secret.NewBox(registryKey, "cursor"))(t),
		TokenLife: time.Hour, Reference: "test", Now: func() time.Time { return time.Now().Add(time.Duration(r.later.Load())) },
		Log: slog.New(slog.NewJSONHandler(r.log, nil)), ExplainFacts: 100_000,
	}
	change(&config)
	server := must(api.New(config))(t)
	e := httpserver.New(httpserver.Config{Logger: slog.New(slog.DiscardHandler)})
	server.Register(e)
	listening := httptest.NewServer(e)
	t.Cleanup(listening.Close)
	r.url = listening.URL
	return r
}

// sweep removes, as the worker does, the rows of a workspace's discarded versions.
func (r *rig) sweep(workspace uuid.UUID) {
	r.t.Helper()
	for swept := false; !swept; {
		if _, err := r.worker.Sweep(r.t.Context(), 2, time.Now()); err != nil {
			r.t.Fatal(err)
		}
		var err error
		if swept, err = r.worker.Swept(r.t.Context(), workspace); err != nil {
			r.t.Fatal(err)
		}
	}
}

func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

// token signs one for a role; the role platform has no workspace.
func (r *rig) token(role token.Role, workspace uuid.UUID) string {
	r.t.Helper()
	if role == token.Platform {
		workspace = uuid.Nil
	}
	text, err := r.keys.Mint(token.Claims{Subject: "test", Workspace: workspace, Role: role}, time.Now(), time.Hour)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// answer is what a call came to.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// into decodes the answer, which must have the status wanted.
func (a answer) into(t testing.TB, status int, value any) {
	t.Helper()
	if a.status != status {
		t.Fatalf("answered %d, not %d: %s", a.status, status, a.body)
	}
	if value == nil {
		return
	}
	if err := json.Unmarshal(a.body, value); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
}

// call makes a request; headers are pairs, body is JSON, text or nil.
// read gets what is there, once more while that takes too long to put together.
func (r *rig) read(path, bearer string, into any) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; {
		got := r.call(http.MethodGet, path, bearer, nil)
		if got.status != http.StatusServiceUnavailable || time.Now().After(deadline) {
			got.into(r.t, http.StatusOK, into)
			return
		}
	}
}

func (r *rig) call(method, path, bearer string, body any, headers ...string) answer {
	r.t.Helper()
	var content io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		content = bytes.NewReader([]byte(b))
	default:
		raw, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, content)
	if err != nil {
		r.t.Fatal(err)
	}
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if bearer != "" {
		request.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, raw}
}

// workspace makes one through the API and returns its id and its admin's token.
func (r *rig) workspace(fields map[string]any) (uuid.UUID, string) {
	r.t.Helper()
	body := map[string]any{"name": "Shop", "currency": "NOK", "timezone": "Europe/Oslo"}
	for name, value := range fields {
		body[name] = value
	}
	var made struct {
		ID    uuid.UUID `json:"id"`
		Token string    `json:"token"`
	}
	r.call(http.MethodPost, "/v1/workspaces", r.token(token.Platform, uuid.Nil), body).into(r.t, http.StatusCreated, &made)
	return made.ID, made.Token
}

// problem is the body of an error.
type problem struct {
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

// pointers are the fields that a refused request names.
func (r *rig) pointers(a answer, status int) []string {
	r.t.Helper()
	var p problem
	a.into(r.t, status, &p)
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		r.t.Errorf("an error of type %s", got)
	}
	names := []string{}
	for _, e := range p.Errors {
		names = append(names, e.Pointer)
	}
	return names
}
