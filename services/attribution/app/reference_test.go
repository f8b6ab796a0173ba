package app

import (
	"os"
	"strings"
	"testing"
)

// TestReference_NamesModulesThatHoldData fails when a module whose tables change
// results was brought up to date and the reference still names the old ones.
func TestReference_NamesModulesThatHoldData(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{
		"github.com/nyaruka/phonenumbers": "phonenumbers", "github.com/rivo/uniseg": "uniseg", "golang.org/x/net": "x/net", "golang.org/x/text": "x/text",
	}
	found := 0
	for line := range strings.Lines(string(raw)) {
		module, version, _ := strings.Cut(strings.TrimSpace(line), " ")
		version, _, _ = strings.Cut(version, " ")
		if name, holds := names[module]; holds {
			found++
			if !strings.Contains(reference, name+" "+version) {
				t.Errorf("reference %q does not name %s %s", reference, name, version)
			}
		}
	}
	if found != len(names) {
		t.Errorf("go.mod has %d of the %d modules", found, len(names))
	}
}
