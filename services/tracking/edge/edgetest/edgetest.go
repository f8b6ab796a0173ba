// Package edgetest holds wire formats to the facts written beside their payloads.
package edgetest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/intake"
)

// ReceivedAt is the time of receipt of every payload: 2026-09-01T12:00:00Z.
const ReceivedAt = hit.Instant(1_788_264_000_000_000)

// Env returns the request that payloads are part of: a Norwegian source.
func Env(trust hit.Trust) intake.Env {
	return intake.Env{
		Workspace: uuid.MustParse("00000000-0000-4000-8000-000000000001"),
		Source:    uuid.MustParse("00000000-0000-4000-8000-000000000002"),
		Country:   "NO", Trust: trust, ReceivedAt: ReceivedAt, MaxItem: 32 << 10,
	}
}

// shown is a hit as the expectations write it: without what [Env] says of all.
type shown struct {
	hit.Fact
	Source     *struct{}     `json:"source,omitempty"`
	Trust      *struct{}     `json:"trust,omitempty"`
	ReceivedAt *struct{}     `json:"received_at,omitempty"`
	At         string        `json:"at,omitempty"` // RFC 3339, UTC
	Rejected   intake.Reason `json:"rejected,omitempty"`
	Pointer    string        `json:"pointer,omitempty"`
}

// Payloads runs every testdata/NAME.json through decode and intake and compares what
// comes out with the list in testdata/NAME.want.json.
func Payloads(t *testing.T, env intake.Env, decode func(t *testing.T, name string, body []byte) []intake.Item) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.json")
	if err != nil || len(names) == 0 {
		t.Fatalf("no payloads: %v", err)
	}
	for _, name := range names {
		if strings.HasSuffix(name, ".want.json") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(name), ".json"), func(t *testing.T) {
			t.Parallel()
			body, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(name, ".json")+".want.json", run(decode(t, filepath.Base(name), body), env))
		})
	}
}

func run(items []intake.Item, env intake.Env) []shown {
	var all []shown
	for _, item := range items {
		h, refusal := intake.Run(item, env)
		s := shown{Fact: h.Fact}
		if refusal != nil {
			s.Rejected, s.Pointer = refusal.Reason, refusal.Pointer
		} else {
			s.At = h.Fact.At.Time().Format("2006-01-02T15:04:05.999999Z07:00")
		}
		all = append(all, s)
	}
	return all
}

func compare(t *testing.T, path string, got []shown) {
	t.Helper()
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v\nit says:\n%s", err, text)
	}
	if diff := cmp.Diff(decoded(t, want), decoded(t, text)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func decoded(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}

// Check holds what must be true of any item whatever was sent: it becomes a hit that
// can be encoded, read again and stored, or a rejection with one of the reasons.
func Check(t *testing.T, items []intake.Item) {
	t.Helper()
	for _, item := range items {
		h, refusal := intake.Run(item, Env(hit.TrustBrowser))
		encoded, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		if _, err := hit.Decode(encoded); err != nil {
			t.Fatalf("decode: %v", err)
		}
		if (refusal != nil) != (h.Rejection != nil) {
			t.Fatal("a refusal without a rejection, or the reverse")
		}
		if refusal != nil {
			continue
		}
		if h.Fact.At == 0 || h.Fact.ID == "" || h.Fact.Kind == "" {
			t.Fatalf("an incomplete fact: %+v", h.Fact)
		}
		if _, _, err := hit.Content(&h.Fact); err != nil {
			t.Fatalf("content: %v", err)
		}
	}
}
