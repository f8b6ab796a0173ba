package meter

import (
	"os"
	"os/exec"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	t.Parallel()
	got, err := parseStat("12 (a) b (c) S 7 12 12 0 -1 4194304 1 2 3 4 100 20 3000 400 20 0 1 0 99 0 0\n")
	if want := (stat{parent: 7, self: 1200 * time.Millisecond, reaped: 34 * time.Second}); err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	for _, text := range []string{"", "12 (a) S 7", "12 (a) S x 12 12 0 -1 4194304 1 2 3 4 100 20 3000 400"} {
		if got, err := parseStat(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// burn uses CPU time of this process until it has used more than the clock's grain.
func burn(t *testing.T) {
	t.Helper()
	me := Process{Name: "test", PID: os.Getpid()}
	before, err := me.spent()
	if err != nil {
		t.Fatal(err)
	}
	for now := before; now < before+3*tick; {
		if now, err = me.spent(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSpan(t *testing.T) {
	t.Parallel()
	span, err := Begin([]Process{{Name: "test", PID: os.Getpid()}})
	if err != nil {
		t.Fatal(err)
	}
	burn(t)
	cost, err := span.End()
	if err != nil || cost.CPU["test"] < 3*tick || cost.Total() != cost.CPU["test"] || cost.Wall <= 0 {
		t.Errorf("%+v, %v", cost, err)
	}
}

// What a child used is counted while it lives and after it has ended.
func TestSpan_Tree(t *testing.T) {
	t.Parallel()
	shell := exec.CommandContext(t.Context(), "sh", "-c", `sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'; read -r line`)
	input, err := shell.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := shell.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = input.Close(); _ = shell.Wait() }()
	tree := Process{Name: "shell", PID: shell.Process.Pid, Tree: true}
	deadline := time.Now().Add(20 * time.Second)
	for {
		spent, err := tree.spent()
		if err != nil {
			t.Fatal(err)
		}
		if spent >= 2*tick {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the child's CPU time is not counted")
		}
	}
}

func TestPeak(t *testing.T) {
	t.Parallel()
	if got, err := Peak(os.Getpid()); err != nil || got < 1<<20 {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := Peak(-1); err == nil {
		t.Errorf("a process that is none has %d bytes", got)
	}
	if _, err := Begin([]Process{{Name: "none", PID: -1}}); err == nil {
		t.Error("a process that is none is watched")
	}
}
