package deptest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// spy records what Check complains of.
type spy struct {
	testing.TB
	errors []string
}

func (s *spy) Helper() {}

func (s *spy) Errorf(format string, args ...any) {
	s.errors = append(s.errors, fmt.Sprintf(format, args...))
}

func TestCheck(t *testing.T) {
	t.Parallel()
	const hit = "github.com/touchline/touchline/services/internal/hit"

	t.Run("a module that is not listed is named with the reason", func(t *testing.T) {
		t.Parallel()
		s := &spy{TB: t}
		Check(s, hit, Rule{Reason: "because of this", Modules: []string{"golang.org/x/text", "google.golang.org/protobuf", "github.com/nyaruka"}})
		if !slices.Contains(s.errors, "github.com/google/uuid is reached: because of this") {
			t.Errorf("got %q", s.errors)
		}
		if strings.Contains(strings.Join(s.errors, "\n"), "golang.org/x/text") {
			t.Errorf("a listed module is named: %q", s.errors)
		}
	})

	t.Run("an import of the standard library that is forbidden is named", func(t *testing.T) {
		t.Parallel()
		s := &spy{TB: t}
		Check(s, ".", Pure("a test helper is not pure"))
		if got := strings.Join(s.errors, "\n"); got != "os/exec is imported: a test helper is not pure" {
			t.Errorf("got %q", got)
		}
	})
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	modules := []string{"example.com/a"}
	for path, want := range map[string]bool{
		"example.com/a": true, "example.com/a/b": true, "example.com/ab": false, "example.com": false,
	} {
		if got := allowed(path, modules); got != want {
			t.Errorf("allowed(%q) = %v, want %v", path, got, want)
		}
	}
}
