package peer

import (
	"strings"
	"testing"
)

func TestDiffer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, theirs string
		want         string
	}{
		{"a b", "a b", ""}, {"a b", "a", "only touchline"}, {"a", "a b", "only the peer"}, {"a c", "a b", "row 2"}, {"", "", "neither"},
	} {
		err := Differ(strings.Fields(c.ours), strings.Fields(c.theirs))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q and %q: %v, want %q", c.ours, c.theirs, err, c.want)
		}
	}
}
