package app_test

import (
	"bufio"
	"encoding/json"
	"io"
	"net"
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

// The whole is run as a program, so that it can be killed: one start that plays the
// week, a worker killed in it, a devstack killed, and a start that goes on.
func TestRun_GoesOnAfterKills(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: builds and starts everything")
	}
	bin, dir := build(t), filepath.Join(enterable(t), "run")
	first := begin(t, bin, dir, "--no-traffic")
	before := credentials(t, dir)
	rows := count(t, before)
	if rows < 50 {
		t.Errorf("the made-up week gave %d rows", rows)
	}

	killFrom(t, filepath.Join(dir, "worker.pid"))
	first.await(t, "worker is back")
	if got := books(t, before); got["accepted"] != got["stored"]+got["duplicate"]+got["conflict"]+got["rejected"]+got["pending"] {
		t.Errorf("the books do not balance after a kill of the worker: %v", got)
	}
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait() // "killed" is what it should say

	second := begin(t, bin, dir, "--no-traffic")
	after := credentials(t, dir)
	for _, name := range []string{"workspace_id", "write_key", "server_key", "tracking_url", "api_url"} {
		if before[name] != after[name] {
			t.Errorf("%s was %s, is %s after a kill", name, before[name], after[name])
		}
	}
	if again := count(t, after); again != rows {
		t.Errorf("%d rows, %d after a kill: the week was played again or lost", rows, again)
	}
	second.end(t)
	if conn, err := net.Dial("tcp", strings.TrimPrefix(after["tracking_url"], "http://")); err == nil {
		_ = conn.Close()
		t.Error("the tracking service still answers after the end")
	}
}

func TestRun_EmptyWithoutDemo(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("-short: builds and starts everything")
	}
	bin, dir := build(t), filepath.Join(enterable(t), "run")
	p := begin(t, bin, dir, "--no-demo")
	creds := credentials(t, dir)
	for _, name := range []string{"tracking_url", "api_url", "dashboard_url", "admin_token", "workspace_id", "workspace_token", "write_key", "server_key"} {
		if creds[name] == "" {
			t.Errorf("credentials lack %s", name)
		}
	}
	if info, err := os.Stat(filepath.Join(dir, "credentials.json")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("credentials.json: %v, %v; want mode 0600", info.Mode(), err)
	}
	if got := books(t, creds); got["accepted"] != 0 {
		t.Errorf("an empty start has hits: %v", got)
	}
	if status, body := ask(t, creds, http.MethodDelete, "/v1/workspaces/"+creds["workspace_id"]); status != http.StatusNoContent {
		t.Errorf("deleting the demo with its own token answers %d: %s", status, body)
	}
	p.end(t)

	again := begin(t, bin, dir, "--no-demo")
	if now := credentials(t, dir); now["workspace_id"] == creds["workspace_id"] {
		t.Error("a deleted workspace is still the one of the credentials")
	}
	again.end(t)
}

// build makes the binaries as `make build` does.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	const module = "github.com/touchline/touchline/services/"
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", bin+string(filepath.Separator),
		module+"tracking/cmd/tracking", module+"attribution/cmd/attribution", module+"devstack/cmd/devstack")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build the services: %v\n%s", err, out)
	}
	return bin
}

// process is a running devstack and what it has printed.
type process struct {
	cmd   *exec.Cmd
	lines chan string
}

// begin starts a devstack with private servers and waits until it is ready.
func begin(t *testing.T, bin, dir string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(filepath.Join(bin, "devstack"), append([]string{"run", "--dir", dir, "--bin", bin}, args...)...)
	for _, entry := range os.Environ() {
		if !strings.HasPrefix(entry, "DATABASE_URL=") && !strings.HasPrefix(entry, "REDIS_URL=") {
			cmd.Env = append(cmd.Env, entry)
		}
	}
	// A hit that an edge keeps on its disk, as Redis took over a second, is in no books for
	// a while.
	cmd.Env = append(cmd.Env, "TOUCHLINE_REDIS_TIMEOUT=15s")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	p := &process{cmd: cmd, lines: make(chan string, 1000)}
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(stdout); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	p.await(t, "Ready.")
	return p
}

// patience bounds every wait. It is never used up unless something is wrong.
const patience = 15 * time.Minute

// await reads what the devstack prints until a line has text in it.
func (p *process) await(t *testing.T, text string) {
	t.Helper()
	var seen []string
	for deadline := time.After(patience); ; {
		select {
		case line, ok := <-p.lines:
			seen = append(seen, line)
			if !ok {
				t.Fatalf("ended before it said %q:\n%s", text, strings.Join(seen, "\n"))
			}
			if strings.Contains(line, text) {
				return
			}
		case <-deadline:
			t.Fatalf("did not say %q in time:\n%s", text, strings.Join(seen, "\n"))
		}
	}
}

// end stops the devstack as Ctrl-C does.
func (p *process) end(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.await(t, "Stopped.")
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func killFrom(t *testing.T, pidFile string) {
	t.Helper()
	b, err := os.ReadFile(pidFile)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

func credentials(t *testing.T, dir string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "credentials.json"))
	if err != nil {
		t.Fatal(err)
	}
	var creds map[string]string
	if err := json.Unmarshal(b, &creds); err != nil {
		t.Fatal(err)
	}
	return creds
}

func books(t *testing.T, creds map[string]string) map[string]int {
	t.Helper()
	var all struct{ Accepted, Stored, Duplicate, Conflict, Rejected, Pending int }
	get(t, creds, "/v1/ingestion", &all)
	return map[string]int{
		"accepted": all.Accepted, "stored": all.Stored, "duplicate": all.Duplicate,
		"conflict": all.Conflict, "rejected": all.Rejected, "pending": all.Pending,
	}
}

func count(t *testing.T, creds map[string]string) int {
	t.Helper()
	var page struct{ Data []json.RawMessage }
	get(t, creds, "/v1/attributions?model=last_touch&limit=1000", &page)
	return len(page.Data)
}

func get(t *testing.T, creds map[string]string, path string, out any) {
	t.Helper()
	status, body := ask(t, creds, http.MethodGet, path)
	if status != http.StatusOK {
		t.Fatalf("GET %s answers %d: %s", path, status, body)
	}
	if err := json.Unmarshal(body, out); err != nil {
		t.Fatalf("GET %s: %v", path, err)
	}
}

// ask calls the API, again for as long as it says to come back later.
func ask(t *testing.T, creds map[string]string, method, path string) (status int, body []byte) {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(250 * time.Millisecond) {
		status, body = askOnce(t, creds, method, path)
		if status != http.StatusServiceUnavailable || time.Now().After(end) {
			return status, body
		}
	}
}

func askOnce(t *testing.T, creds map[string]string, method, path string) (status int, body []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, creds["api_url"]+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+creds["workspace_token"])
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, body
}

// enterable is a temporary folder every user can enter; t.TempDir is not.
func enterable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "touchline-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}
