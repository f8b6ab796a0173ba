package timeline_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // so that TZ means something on a machine without the zones

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/reftest"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// digestEnv makes a process of these tests print the digest of its outcomes and end.
const digestEnv = "TOUCHLINE_PRINT_DIGEST"

// outcomes is a digest of what follows from a hundred histories, from a policy
// document and from texts in which zones and languages show.
func outcomes(t *testing.T) string {
	t.Helper()
	sum := sha256.New()
	keep := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = sum.Write(text)
	}
	for seed := range 100 {
		h := reftest.Histories().Example(seed)
		keep(timeline.Derive(historyInput(&h)))
	}
	turkish := policy.Default()
	turkish.KeywordRules = []policy.KeywordRule{{Event: "title", Any: []string{"TITLE", "İSTANBUL"}, Mode: policy.ModeWord}}
	turkish.BlockedIdentifiers = []string{"TIGHT"}
	keep(turkish.Blocked())
	keep(timeline.Derive(timeline.Input{Policy: &turkish, Facts: []hit.Fact{{
		Kind: hit.KindInbound, Channel: hit.ChannelWhatsApp, ID: "in", At: noon, Identifiers: []hit.Identifier{{Kind: hit.UserID, Value: "tight"}},
		Inbound: &hit.Inbound{Type: "text", Text: "title istanbul"},
	}}}))
	for _, text := range []string{"2026-03-29T02:30:00+01:00", "2026-10-25 02:30:00Z", "2026-11-01T01:30:00-03:30"} {
		at, precision, err := hit.ParseInstant(text)
		keep([]any{at, precision, err == nil, at.Time()})
	}
	email, _ := hit.NormalizeEmail("INFO@EXAMPLE.COM")
	keep(email)
	return hex.EncodeToString(sum.Sum(nil))
}

// The table is the same wherever and in whatever language the process runs.
func TestDerive_AnyTimeZoneAndLanguage(t *testing.T) {
	t.Parallel()
	want := outcomes(t)
	if os.Getenv(digestEnv) != "" {
		_, offset := time.Unix(1_788_220_800, 0).Zone()
		_, _ = os.Stdout.WriteString("digest " + want + " at " + (time.Duration(offset) * time.Second).String() + "\n")
		return
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ zone, language, offset string }{
		{"Asia/Kathmandu", "tr_TR.UTF-8", "5h45m0s"},
		{"America/St_Johns", "he_IL.UTF-8", "-2h30m0s"},
		{"Pacific/Kiritimati", "C", "14h0m0s"},
		{"UTC", "vi_VN.UTF-8", "0s"},
	} {
		t.Run(tt.zone+" "+tt.language, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			child := exec.CommandContext(ctx, self, "-test.run=^TestDerive_AnyTimeZoneAndLanguage$", "-test.count=1")
			child.Env = append(os.Environ(), digestEnv+"=1", "TZ="+tt.zone, "LANG="+tt.language, "LC_ALL="+tt.language, "LANGUAGE="+tt.language)
			out, err := child.Output()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			// The offset shows that the zone was taken.
			if line := "digest " + want + " at " + tt.offset + "\n"; !strings.Contains(string(out), line) {
				t.Errorf("got %swant %s", out, line)
			}
		})
	}
}
