// Package e2e_test plays Touchline's users against the whole of it: real processes,
// real servers, real clients and a real browser.
package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/touchline/touchline/services/e2e/stack"
)

// bin holds the binaries, shared a stack that tests use side by side, each in a
// workspace of its own. Both are set once, before any test runs.
var (
	bin    string
	shared *stack.Stack
)

func TestMain(m *testing.M) { os.Exit(runAll(m)) }

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "touchline-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	_ = os.Chmod(dir, 0o755) // PostgreSQL's own user has to get at its data below
	bin = filepath.Join(dir, "bin")
	if err := stack.Build(context.Background(), bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	shared = stack.New(bin, filepath.Join(dir, "shared"))
	defer func() { _ = shared.Stop() }()
	if err := shared.Start(context.Background(), "--no-demo"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// workspace is a fresh one of a stack, with a source of each kind.
type workspace struct {
	stack.Client
	tracking stack.Client // without a token
	sources  map[string]source
	taken    *atomic.Int64 // items that the edge acknowledged to send and callback
}

// source is what its creation answers.
type source struct {
	ID          string `json:"id"`
	WriteKey    string `json:"write_key"`
	WebhookPath string `json:"webhook_path"`
}

// secret signs the webhooks of every test workspace.
const secret = "end-to-end-secret"

func newWorkspace(t *testing.T, s *stack.Stack) workspace {
	t.Helper()
	var made struct{ ID, Token string }
	platform := stack.Client{URL: s.APIURL, Token: s.AdminToken}
	platform.Post(t, "/v1/workspaces", map[string]any{"name": t.Name(), "currency": "NOK", "timezone": "Europe/Oslo", "country": "NO"}, &made)
	w := workspace{
		Client: stack.Client{URL: s.APIURL, Token: made.Token}, tracking: stack.Client{URL: s.TrackingURL},
		sources: make(map[string]source), taken: new(atomic.Int64),
	}
	for kind, config := range map[string]any{
		"pixel": map[string]any{}, "server": map[string]any{}, "webhook": map[string]any{"secret": secret},
		"whatsapp": map[string]any{"app_secret": secret, "verify_token": "v"},
	} {
		var made source
		w.Post(t, "/v1/sources", map[string]any{"kind": kind, "name": kind, "config": config}, &made)
		w.sources[kind] = made
	}
	return w
}

// books is the answer of GET /v1/ingestion.
type books struct{ Accepted, Stored, Duplicate, Conflict, Rejected, Pending int64 }

// patience bounds every wait. It is never used up unless something is wrong.
const patience = 5 * time.Minute

// settle waits until all that was acknowledged is in the books, and nothing pending; they
// must balance at every look.
func (w workspace) settle(t *testing.T) books {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var b books
	err := stack.Until(ctx, func() bool {
		w.Get(t, "/v1/ingestion", &b)
		if b.Accepted != b.Stored+b.Duplicate+b.Conflict+b.Rejected+b.Pending {
			t.Fatalf("the books do not balance: %+v", b)
		}
		return b.Accepted >= w.taken.Load() && b.Pending == 0
	})
	if err != nil {
		t.Fatalf("%d acknowledged, still pending: %+v", w.taken.Load(), b)
	}
	return b
}

// row is what tests look at of a row of GET /v1/attributions.
type row struct {
	Conversion    string  `json:"conversion"`
	ConversionID  string  `json:"conversion_id"`
	OrderID       *string `json:"order_id"`
	Model         string  `json:"model"`
	Channel       string  `json:"channel"`
	Tier          *string `json:"tier"`
	MessageID     *string `json:"message_id"`
	TemplateName  *string `json:"template_name"`
	CreditedValue *string `json:"credited_value"`
	Currency      *string `json:"currency"`
}

// lastTouch returns the rows of the default model.
func (w workspace) lastTouch(t *testing.T) []row {
	t.Helper()
	var page struct{ Data []row }
	w.Get(t, "/v1/attributions?model=last_touch&limit=1000", &page)
	return page.Data
}

// creditedTo fails unless the order's whole value went where want says: message,
// tier, value and currency in one line.
func creditedTo(t *testing.T, rows []row, orderID, want string) {
	t.Helper()
	r, found := rowOfOrder(rows, orderID)
	if !found {
		t.Fatalf("no row of order %s among %d", orderID, len(rows))
	}
	got := fmt.Sprintf("%s %s %s %s", text(r.MessageID), text(r.Tier), text(r.CreditedValue), text(r.Currency))
	if got != want {
		t.Errorf("order %s is credited to %q, want %q", orderID, got, want)
	}
}

func text(p *string) string {
	if p == nil {
		return "none"
	}
	return *p
}

// register logs a message to phone with a click token, sent now.
func (w workspace) register(t *testing.T, id, phone, token string) {
	t.Helper()
	w.send(t, "/v1/messages", map[string]any{"messages": []any{map[string]any{
		"channel": "whatsapp", "message_id": id, "to": map[string]any{"phone": phone}, "template": map[string]any{"name": "spring", "language": "nb"},
		"campaign": "c1", "click_token": token, "sender": "1001", "sent_at": time.Now().UTC().Add(-time.Minute).Format(time.RFC3339Nano),
	}}})
}

// node runs one of the scripts in folder node and returns what it printed.
func node(t *testing.T, script string, options map[string]any) map[string]any {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: node is not installed")
	}
	if _, err := os.Stat("node/node_modules"); err != nil {
		t.Skip("skipped: the clients are not installed; npm ci in services/e2e/node installs them")
	}
	argument, err := json.Marshal(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), stack.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, script, string(argument))
	cmd.Dir = "node"
	var errors strings.Builder
	cmd.Stderr = &errors
	printed, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", script, err, printed, errors.String())
	}
	var result map[string]any
	if err := json.Unmarshal(printed, &result); err != nil {
		t.Fatalf("%s printed %q: %v", script, printed, err)
	}
	if faults, _ := result["faults"].([]any); len(faults) > 0 {
		t.Errorf("%s met faults: %v", script, faults)
	}
	return result
}

// browser runs a scenario of browser.mjs in Chromium.
func browser(t *testing.T, scenario string, options map[string]any) map[string]any {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			options["scenario"], options["executable"] = scenario, path
			if dir := os.Getenv("TOUCHLINE_SCREENSHOTS"); dir != "" {
				options["screenshots"] = dir
			}
			return node(t, "browser.mjs", options)
		}
	}
	t.Skip("skipped: no Chromium is installed")
	return nil
}
