package derive

import (
	"testing"

	"github.com/touchline/touchline/services/internal/hit"
)

// A fault in the rules is this workspace's error, not the end of the process.
func TestStep_outcomeTurnsAPanicIntoAnError(t *testing.T) {
	t.Parallel()
	s := step{cfg: Config{}.withDefaults()}
	broken := Version{Policy: nil} // nothing that a stored version can be
	if _, err := s.outcome(broken, gathered{facts: []hit.Fact{{Kind: hit.KindPage, ID: "a"}, {Kind: hit.KindPage, ID: "b"}}}); err == nil {
		t.Error("no error")
	}
}
