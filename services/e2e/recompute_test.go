package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/touchline/touchline/services/e2e/stack"
)

// The command as an operator runs it, beside a worker and while hits come in: the
// table was right, every time, and afterwards it is the same under a new version.
func TestRecompute(t *testing.T) {
	t.Parallel()
	w := newWorkspace(t, shared)
	const persons = 60
	for i := range persons {
		w.history(t, i)
	}
	w.settle(t)
	before := w.rowsOf(t, "last_touch")

	arrived := make(chan struct{})
	go func() {
		defer close(arrived)
		for i := persons; i < persons+20; i++ {
			w.history(t, i)
		}
	}()
	for _, c := range []struct {
		flags []string
		state string
	}{{[]string{"--check"}, "discarded"}, {nil, "live"}} {
		var told struct {
			State      string
			Equal      bool
			Comparison struct{ Version int }
		}
		text := w.recompute(t, shared, append(c.flags, "--json")...)
		if err := json.Unmarshal(text, &told); err != nil || !told.Equal || told.State != c.state {
			t.Errorf("recompute %v: %v\n%s", c.flags, err, text)
		}
		if state := w.versionState(t, told.Comparison.Version); state != c.state {
			t.Errorf("version %d is %s, want %s", told.Comparison.Version, state, c.state)
		}
		var kept struct{ Differences int }
		w.Get(t, fmt.Sprintf("/v1/policy/versions/%d/comparison", told.Comparison.Version), &kept)
		if kept.Differences != 0 {
			t.Errorf("%d differences", kept.Differences)
		}
	}
	<-arrived
	w.settle(t)
	after := w.rowsOf(t, "last_touch")
	if len(before) != persons || len(after) != persons+20 {
		t.Fatalf("%d rows before, %d after, want %d and %d", len(before), len(after), persons, persons+20)
	}
	for i, line := range before {
		if after[i] != line {
			t.Errorf("row %d is %s, was %s", i, after[i], line)
		}
	}
}

// recompute runs the command in the worker's environment and returns its report. It
// fails the test unless the command says that the table was right.
func (w workspace) recompute(t *testing.T, s *stack.Stack, flags ...string) []byte {
	t.Helper()
	pid, err := s.Child("worker")
	if err != nil {
		t.Fatal(err)
	}
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Skip("needs /proc to run a command as the worker was run")
	}
	var current struct{ ID string }
	w.Get(t, "/v1/workspaces/current", &current)
	var out, log bytes.Buffer
	command := exec.CommandContext(t.Context(), filepath.Join(bin, "attribution"), append([]string{"recompute", "--workspace", current.ID}, flags...)...)
	for _, line := range bytes.Split(environ, []byte{0}) {
		command.Env = append(command.Env, string(line))
	}
	command.Stdout, command.Stderr = &out, &log
	err = command.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("exit code %d\n%s%s", exit.ExitCode(), log.String(), out.String())
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
