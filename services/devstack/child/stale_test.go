package child

import (
	"os"
	"testing"
)

func TestRuns_APidFileOfSomebodyElse(t *testing.T) {
	t.Parallel()
	if runs(os.Getpid(), "postgres -D elsewhere") {
		t.Error("this test is taken for a PostgreSQL")
	}
	if runs(0, "") || runs(1, "") {
		t.Error("no process and init are taken for servers")
	}
	if err := endStale(os.Getpid(), "no-such-program", 9); err != nil {
		t.Errorf("a pid of another program is an error: %v", err)
	}
}
