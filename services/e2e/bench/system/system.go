// Package system starts Touchline's own binaries for a benchmark, over a database that
// was made for it and keys of Redis that nobody else has, and stops and removes all of it
// again.
package system

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/e2e/bench/meter"
)

// Options say where things are.
type Options struct {
	Bin         string // folder with tracking and attribution
	Dir         string // for logs and spools
	DatabaseURL string // of a login that may create databases
	RedisURL    string
	Env         []string // more settings, NAME=value
}

// System is Touchline with one workspace. Make it with Start, end it with Close.
type System struct {
	Options
	Database  string // URL of the database that was made
	Prefix    string // of the keys in Redis
	Conn      *pgx.Conn
	Redis     *redis.Client
	Workspace string // its id
	Token     string // of its admin
	ServerKey string
	PixelKey  string
	WhatsApp  string // path of callbacks

	API, Worker, Tracking *Process
	admin                 *pgx.Conn
	env                   []string
	closed                bool
	postgres, redis       int // process ids
	number                int // of workers so far
}

// Secret signs the callbacks of a system.
const Secret = "bench-app-secret"

// Shards is how many streams a system has.
const Shards = 4

// Start makes the database, starts api, worker and tracking, and makes a workspace with
// its sources. The worker has been stopped again.
func Start(ctx context.Context, o Options) (*System, error) {
	s := &System{Options: o}
	for _, step := range []func(context.Context) error{
		s.createDatabase, s.openRedis, s.configure, s.migrate, s.StartWorker, s.startAPI, s.createWorkspace, s.startTracking,
	} {
		if err := step(ctx); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.StopWorker()
	return s, nil
}

// CreateDatabase makes an empty database on the server of base and returns its URL.
func CreateDatabase(ctx context.Context, admin *pgx.Conn, base string) (string, error) {
	name := "bench_" + strings.ToLower(rand.Text()[:12])
	if _, err := admin.Exec(ctx, "create database "+name); err != nil {
		return "", err
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", errors.New("DATABASE_URL is no URL") // it would be quoted with its password
	}
	u.Path = "/" + name
	return u.String(), nil
}

// DropDatabase removes a database that CreateDatabase made.
func DropDatabase(ctx context.Context, admin *pgx.Conn, made string) error {
	u, err := url.Parse(made)
	if err != nil {
		return err
	}
	_, err = admin.Exec(ctx, "drop database if exists "+pgx.Identifier{strings.TrimPrefix(u.Path, "/")}.Sanitize()+" with (force)")
	return err
}

func (s *System) createDatabase(ctx context.Context) (err error) {
	if s.admin, err = pgx.Connect(ctx, s.DatabaseURL); err != nil {
		return err
	}
	if s.Database, err = CreateDatabase(ctx, s.admin, s.DatabaseURL); err != nil {
		return err
	}
	if s.Conn, err = pgx.Connect(ctx, s.Database); err != nil {
		return err
	}
	s.postgres, err = Postmaster(ctx, s.Conn)
	return err
}

// Postmaster is the process id of the server behind a connection: the parent of what serves it.
func Postmaster(ctx context.Context, conn *pgx.Conn) (int, error) {
	var backend int
	if err := conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&backend); err != nil {
		return 0, err
	}
	return meter.Parent(backend)
}

func (s *System) openRedis(ctx context.Context) error {
	options, err := redis.ParseURL(s.RedisURL)
	if err != nil {
		return errors.New("REDIS_URL is no URL of Redis")
	}
	s.Redis = redis.NewClient(options)
	s.Prefix = "bench" + strings.ToLower(rand.Text()[:8])
	s.redis, err = RedisPID(ctx, s.Redis)
	return err
}

// RedisPID asks a Redis for its process id.
func RedisPID(ctx context.Context, client *redis.Client) (int, error) {
	info, err := client.Info(ctx, "server").Result()
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(info, "process_id:")
	if !found {
		return 0, errors.New("redis tells no process id: is it one of its own kind?")
	}
	id, _, _ := strings.Cut(rest, "\r\n")
	return strconv.Atoi(id)
}

// configure makes up secrets and writes the settings that all processes have.
func (s *System) configure(context.Context) error {
	key := func() string {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // it never fails
		return base64.StdEncoding.EncodeToString(secret)
	}
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TZ=UTC",
		"DATABASE_URL=" + s.Database, "REDIS_URL=" + s.RedisURL,
		"TOUCHLINE_STREAM_PREFIX=" + s.Prefix, "TOUCHLINE_STREAM_SHARDS=" + strconv.Itoa(Shards),
		"TOUCHLINE_REGISTRY_KEY=" + key(), "TOUCHLINE_IDENTITY_KEY=" + key(), "TOUCHLINE_JWT_KEYS=bench=" + key(),
		"TOUCHLINE_SPOOL_DIR=" + filepath.Join(s.Dir, s.Prefix), "TOUCHLINE_TRACKING_URL=http://127.0.0.1",
		"TOUCHLINE_SOURCE_RATE=0", // all load comes from one source
		"TOUCHLINE_MAX_PEER_CONNECTIONS=0", "TOUCHLINE_LOG_LEVEL=warn",
	}, s.Env...)
	return os.MkdirAll(s.Dir, 0o755)
}

func (s *System) migrate(ctx context.Context) error {
	_, err := s.attribution(ctx, "migrate")
	return err
}

// attribution runs the binary to its end and returns what it printed.
func (s *System) attribution(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.Bin, "attribution"), args...)
	cmd.Env = s.env
	var faults bytes.Buffer
	cmd.Stderr = &faults
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("attribution %s: %w\n%s", args[0], err, &faults)
	}
	return strings.TrimSpace(string(out)), nil
}

// serve starts one of the three on free ports.
func (s *System) serve(ctx context.Context, name, binary string, args ...string) (*Process, error) {
	addr, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	admin, err := FreeAddr()
	if err != nil {
		return nil, err
	}
	p, err := start(ctx, s.Dir, program{
		name: name, path: filepath.Join(s.Bin, binary), args: args,
		env: append(append([]string{}, s.env...), "TOUCHLINE_ADDR="+addr, "TOUCHLINE_ADMIN_ADDR="+admin), ready: "http://" + admin + "/readyz",
	})
	if err != nil {
		return nil, err
	}
	p.Addr, p.Admin = addr, admin
	return p, nil
}

// StartWorker starts a worker, unless one runs.
func (s *System) StartWorker(ctx context.Context) (err error) {
	if s.Worker == nil {
		s.number++
		s.Worker, err = s.serve(ctx, "worker", "attribution", "worker")
	}
	return err
}

// StopWorker ends the worker.
func (s *System) StopWorker() {
	s.Worker.Stop()
	s.Worker = nil
}

func (s *System) startAPI(ctx context.Context) (err error) {
	s.API, err = s.serve(ctx, "api", "attribution", "api")
	return err
}

func (s *System) startTracking(ctx context.Context) (err error) {
	s.Tracking, err = s.serve(ctx, "tracking", "tracking")
	return err
}

func (s *System) createWorkspace(ctx context.Context) error {
	platform, err := s.attribution(ctx, "token", "--role", "platform", "--subject", "bench")
	if err != nil {
		return err
	}
	s.Token = platform
	var made struct{ ID, Token string }
	if err := s.Call(ctx, http.MethodPost, "/v1/workspaces", map[string]string{
		"name": "Bench", "currency": "NOK", "timezone": "Europe/Oslo", "country": "NO",
	}, &made); err != nil {
		return err
	}
	s.Workspace, s.Token = made.ID, made.Token
	for _, source := range []struct {
		kind      string
		config    map[string]string
		key, path *string
	}{
		{"server", nil, &s.ServerKey, nil},
		{"pixel", nil, &s.PixelKey, nil},
		{"whatsapp", map[string]string{"app_secret": Secret, "verify_token": "bench"}, nil, &s.WhatsApp},
	} {
		in := map[string]any{"kind": source.kind, "name": source.kind}
		if source.config != nil {
			in["config"] = source.config
		}
		var made struct {
			WriteKey    string `json:"write_key"`
			WebhookPath string `json:"webhook_path"`
		}
		if err := s.Call(ctx, http.MethodPost, "/v1/sources", in, &made); err != nil {
			return err
		}
		if source.key != nil {
			*source.key = made.WriteKey
		}
		if source.path != nil {
			*source.path = made.WebhookPath
		}
	}
	return nil
}

// Call asks the API and reads its answer into out, which may be nil.
func (s *System) Call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://"+s.API.Addr+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.Token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s %s answered %s: %s", method, path, answer.Status, text)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}

// Watched are the processes whose CPU time counts: those that run, both servers, and the
// benchmark itself, which generates the load.
func (s *System) Watched() []meter.Process {
	watched := append(Servers(s.postgres, s.redis), meter.Process{Name: "generator", PID: os.Getpid()})
	for _, p := range []*Process{s.Tracking, s.Worker, s.API} {
		if p != nil {
			watched = append(watched, meter.Process{Name: p.Name, PID: p.PID()})
		}
	}
	return watched
}

// Servers are PostgreSQL, with a process for each connection, and Redis.
func Servers(postgres, redis int) []meter.Process {
	return []meter.Process{{Name: "postgres", PID: postgres, Tree: true}, {Name: "redis", PID: redis}}
}

// Close stops everything and removes what was made.
func (s *System) Close() {
	if s.closed {
		return
	}
	s.closed = true
	ctx := context.Background()
	for _, p := range []*Process{s.Tracking, s.API, s.Worker} {
		p.Stop()
	}
	if s.Redis != nil {
		s.forget(ctx)
		_ = s.Redis.Close()
	}
	if s.Conn != nil {
		_ = s.Conn.Close(ctx)
	}
	if s.admin != nil {
		if s.Database != "" {
			_ = DropDatabase(ctx, s.admin, s.Database) // what is left is in a throwaway server
		}
		_ = s.admin.Close(ctx)
	}
	if s.Prefix != "" {
		_ = os.RemoveAll(filepath.Join(s.Dir, s.Prefix))
	}
}

// forget removes the keys.
func (s *System) forget(ctx context.Context) {
	keys := s.Redis.Scan(ctx, 0, "*"+s.Prefix+"*", 1000).Iterator()
	for keys.Next(ctx) {
		_ = s.Redis.Unlink(ctx, keys.Val()).Err()
	}
}
