package child_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/touchline/touchline/services/devstack/child"
)

func TestStart_RestartsWhatDies(t *testing.T) {
	t.Parallel()
	notes := make(chan string, 10)
	c, err := child.Start(context.Background(), child.Spec{
		Name: "sleeper", Path: "/bin/sleep", Args: []string{"60"},
		Log: filepath.Join(t.TempDir(), "log"), Note: func(line string) { notes <- line },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	first := c.PID()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ended by itself", "is back"} {
		select {
		case line := <-notes:
			if !strings.Contains(line, want) {
				t.Errorf("note %q, want one with %q", line, want)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("no note that says %q", want)
		}
	}
	if c.PID() == first {
		t.Error("the same process is said to run after it was killed")
	}
}

func TestStart_ShowsTheLogOfWhatDoesNotStart(t *testing.T) {
	t.Parallel()
	_, err := child.Start(context.Background(), child.Spec{
		Name: "grumbler", Path: "/bin/sh", Args: []string{"-c", "echo no such luck; exit 3"},
		Log:   filepath.Join(t.TempDir(), "log"),
		Ready: func(context.Context) error { return errors.New("not yet") },
	})
	if err == nil || !strings.Contains(err.Error(), "no such luck") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error = %v, want exit status and log", err)
	}
}

func TestStop_KillsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "ready")
	c, err := child.Start(context.Background(), child.Spec{
		Name: "deaf", Path: "/bin/sh", Args: []string{"-c", "trap '' TERM; touch " + mark + "; while :; do sleep 1; done"},
		Log: filepath.Join(t.TempDir(), "log"), Grace: 50 * time.Millisecond,
		Ready: func(context.Context) error { _, err := os.Stat(mark); return err },
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := c.PID()
	c.Stop()
	if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		t.Error("the program is still there after Stop")
	}
	c.Stop() // a second time is allowed
}
