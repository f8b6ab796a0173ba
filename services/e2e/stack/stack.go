// Package stack runs the whole of Touchline as its users do, for tests: the
// binaries of this checkout, started by devstack, with servers, data and ports of
// their own. Only tests import it.
package stack

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
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Credentials is what devstack writes to credentials.json (see api.md of the
// project's design).
type Credentials struct {
	TrackingURL    string `json:"tracking_url"`
	APIURL         string `json:"api_url"`
	DashboardURL   string `json:"dashboard_url"`
	AdminToken     string `json:"admin_token"`
	WorkspaceID    string `json:"workspace_id"`
	WorkspaceToken string `json:"workspace_token"`
	WriteKey       string `json:"write_key"`
	ServerKey      string `json:"server_key"`
}

// Stack is one running devstack.
type Stack struct {
	Credentials
	Dir    string // its data; credentials.json lies here
	bin    string
	env    []string
	cmd    *exec.Cmd
	output *output
}

// Build compiles the three binaries into dir.
func Build(ctx context.Context, dir string) error {
	root, err := checkout()
	if err != nil {
		return err
	}
	for name, pkg := range map[string]string{
		"tracking":    "./services/tracking/cmd/tracking",
		"attribution": "./services/attribution/cmd/attribution",
		"devstack":    "./services/devstack/cmd/devstack",
	} {
		build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(dir, name), pkg)
		build.Dir = root
		if text, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w\n%s", name, err, text)
		}
	}
	return nil
}

// checkout is the folder of go.work, above whichever test this is.
func checkout() (string, error) {
	folder, err := filepath.Abs(".")
	if err != nil {
		return "", err
	}
	for ; folder != filepath.Dir(folder); folder = filepath.Dir(folder) {
		if _, err := os.Stat(filepath.Join(folder, "go.work")); err == nil {
			return folder, nil
		}
	}
	return "", errors.New("no go.work above the test")
}

// New describes a stack with the binaries in bin and its data in dir. Extra
// environment, like a failpoint, goes to all its processes.
//
// Its edge waits for Redis longer than it does elsewhere. A hit that went to the disk is
// in no books until the edge has said so: they could have nothing pending without it.
func New(bin, dir string, env ...string) *Stack {
	return &Stack{Dir: dir, bin: bin, env: append([]string{"TOUCHLINE_REDIS_TIMEOUT=15s"}, env...)}
}

// Patience bounds every wait for the whole or one of its processes. It is never used up
// unless something is wrong.
const Patience = 15 * time.Minute

// Start runs it and waits until it says that it is ready.
func (s *Stack) Start(ctx context.Context, args ...string) error {
	s.output = &output{}
	s.cmd = exec.Command(filepath.Join(s.bin, "devstack"), append([]string{"run", "--dir", s.Dir, "--bin", s.bin}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = s.output, s.output
	s.cmd.Env = append(withoutServers(os.Environ()), s.env...)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	ready := func() bool { return strings.Contains(s.output.String(), "Ready.") }
	if err := Until(ctx, ready); err != nil {
		return fmt.Errorf("devstack is not ready: %w\n%s", err, s.output.String())
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, "credentials.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &s.Credentials)
}

// withoutServers leaves the choice of servers to devstack: each stack has its own.
func withoutServers(env []string) []string {
	var kept []string
	for _, line := range env {
		name, _, _ := strings.Cut(line, "=")
		switch name {
		case "DATABASE_URL", "REDIS_URL", "TOUCHLINE_TEST_DATABASE_URL", "TOUCHLINE_TEST_REDIS_URL":
		default:
			kept = append(kept, line)
		}
	}
	return kept
}

// DatabaseURL is where its PostgreSQL answers, as a superuser.
func (s *Stack) DatabaseURL() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, "servers.json"))
	if err != nil {
		return "", err
	}
	var server struct {
		Password string `json:"password"`
		Port     int    `json:"postgres_port"`
	}
	if err := json.Unmarshal(text, &server); err != nil {
		return "", err
	}
	return fmt.Sprintf("postgres://touchline:%s@127.0.0.1:%d/touchline?sslmode=disable", server.Password, server.Port), nil
}

// Output is everything that devstack printed so far.
func (s *Stack) Output() string { return s.output.String() }

// Stop ends it as Ctrl-C does and returns its exit error.
func (s *Stack) Stop() error {
	if s.cmd == nil || s.cmd.Process == nil {
		return nil
	}
	_ = s.cmd.Process.Signal(os.Interrupt)
	return s.cmd.Wait()
}

// Kill ends devstack itself at once, as a crash does.
func (s *Stack) Kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	_ = s.cmd.Wait() // always says that it was killed
	return nil
}

// Child returns the process id of a service: "tracking", "worker" or "api".
func (s *Stack) Child(name string) (int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline")) // gone meanwhile: not it
		args := strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		if !strings.HasPrefix(args[0], s.bin) || !s.owns(pid) {
			continue
		}
		if filepath.Base(args[0]) == name || args[len(args)-1] == name {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("no process of %s runs", name)
}

// owns says whether pid is a child of this devstack: several may run.
func (s *Stack) owns(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	return len(fields) > 1 && fields[1] == strconv.Itoa(s.cmd.Process.Pid)
}

// KillChild ends a service with SIGKILL and waits until devstack has started it
// again and finds it ready.
func (s *Stack) KillChild(ctx context.Context, name string) error {
	returns := func() int { return strings.Count(s.Output(), name+" is back") }
	before := returns()
	pid, err := s.Child(name)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	return Until(ctx, func() bool { return returns() > before })
}

// Until polls a condition until it holds or ctx ends.
func Until(ctx context.Context, holds func() bool) error {
	for !holds() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// Client calls the API with a token.
type Client struct {
	URL, Token string
}

// API is the demo workspace's admin.
func (s *Stack) API() Client { return Client{URL: s.APIURL, Token: s.WorkspaceToken} }

// Get reads the answer into out and fails the test unless it is a success.
func (c Client) Get(t testing.TB, path string, out any) {
	t.Helper()
	c.decode(t, "GET "+path, out, answer(c.Do(t, http.MethodGet, path, nil)))
}

// Post sends in as JSON, reads the answer into out and fails the test unless it is
// a success.
func (c Client) Post(t testing.TB, path string, in, out any) {
	t.Helper()
	c.decode(t, "POST "+path, out, answer(c.Do(t, http.MethodPost, path, in)))
}

// Put is [Client.Post] with another method.
func (c Client) Put(t testing.TB, path string, in, out any) {
	t.Helper()
	c.decode(t, "PUT "+path, out, answer(c.Do(t, http.MethodPut, path, in)))
}

// response is what came back.
type response struct {
	status int
	body   []byte
}

func answer(status int, body []byte) response { return response{status, body} }

func (c Client) decode(t testing.TB, call string, out any, got response) {
	t.Helper()
	if got.status < 200 || got.status > 299 {
		t.Fatalf("%s answered %d: %s", call, got.status, got.body)
	}
	if err := json.Unmarshal(got.body, out); err != nil {
		t.Fatalf("%s: %v in %s", call, err, got.body)
	}
}

// Do sends in as JSON (nil: no body) and returns whatever the answer is, but for one that
// says to come back later: then it does, for minutes.
func (c Client) Do(t testing.TB, method, path string, in any) (int, []byte) {
	t.Helper()
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(Later); ; time.Sleep(pause) {
		status, text, err := c.Try(t.Context(), method, path, body)
		if err != nil {
			t.Fatal(err)
		}
		if !Busy(status) || time.Now().After(end) {
			return status, text
		}
	}
}

const (
	// Later is how long a caller goes on to come back later.
	Later = 5 * time.Minute
	pause = 250 * time.Millisecond // before coming back
)

// Busy tells whether an answer says to come back later. A service on a busy machine may,
// whenever a server takes seconds to answer it.
func Busy(status int) bool {
	return status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests
}

// Try sends body and reports what came of it; goroutines besides the test's own
// use it.
func (c Client) Try(ctx context.Context, method, path string, body []byte) (int, []byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.URL+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return response.StatusCode, text, err
}
