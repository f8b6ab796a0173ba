//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is one program under test. It is started, killed and started again under the
// same ports; its log is one file.
type process struct {
	name, path string
	args, env  []string
	dir, log   string
	account    *syscall.Credential // nil: whoever runs the tests
	ready      func(context.Context) error

	mu    sync.Mutex
	cmd   *exec.Cmd
	ended chan struct{} // closed when cmd has ended
	asked bool          // the end of cmd was ours
	keep  bool          // start it again when it ends by itself
	died  int           // how often it ended by itself
	kills int           // how often we killed it
}

// start starts the program and returns at once; see await.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.launch()
}

// launch starts the program. The lock is held.
func (p *process) launch() error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(p.path, p.args...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = p.env, p.dir, log, log
	// The kernel ends it with the tests, kill -9 of these included.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL, Credential: p.account}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	ended := make(chan struct{})
	p.cmd, p.ended, p.asked = cmd, ended, false
	go func() {
		_ = cmd.Wait() // how it ended is not asked: the log has it
		close(ended)
		p.again(cmd)
	}()
	return nil
}

// again starts a program that ended by itself, when that is wanted.
func (p *process) again(ended *exec.Cmd) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd != ended || p.asked {
		return
	}
	p.died++
	if p.keep {
		_ = p.launch() // it worked before
	}
}

// await waits until the program says that it is ready. It fails at once when the program
// has ended by itself and nobody starts it again.
func (p *process) await(ctx context.Context) error {
	if p.ready == nil {
		return nil
	}
	var last error
	gone := false
	err := until(ctx, func() bool {
		gone = p.gone() // asked first: what is ready now may end after
		last = p.ready(ctx)
		return last == nil || gone
	})
	switch {
	case err != nil:
		return fmt.Errorf("%s is not ready: %w\n%s", p.name, last, p.tail())
	case last != nil:
		return fmt.Errorf("%s ended by itself: %w\n%s", p.name, last, p.tail())
	}
	return nil
}

// gone tells whether the program ended by itself and is not started again.
func (p *process) gone() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && isClosed(p.ended) && !p.asked && !p.keep
}

// end sends a signal and waits until the program is gone.
func (p *process) end(with syscall.Signal) {
	p.mu.Lock()
	cmd, ended := p.cmd, p.ended
	if cmd == nil || isClosed(ended) {
		p.mu.Unlock()
		return
	}
	p.asked = true
	p.kills++
	_ = cmd.Process.Signal(with)
	if with != syscall.SIGKILL {
		_ = cmd.Process.Signal(syscall.SIGCONT)
	}
	p.mu.Unlock()
	select {
	case <-ended:
	case <-time.After(40 * time.Second):
		_ = cmd.Process.Kill()
		<-ended
	}
}

func isClosed(c chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// pid is 0 when the program does not run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || isClosed(p.ended) {
		return 0
	}
	return p.cmd.Process.Pid
}

func (p *process) alive() bool { return p.pid() != 0 }

// deaths is how often the program ended by itself.
func (p *process) deaths() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died
}

// freeze stops the program where it is, until the returned function thaws it. It
// returns when the kernel says that it stands still.
func (p *process) freeze(t testing.TB) (thaw func()) {
	t.Helper()
	pid := p.pid()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatalf("freeze %s: %v", p.name, err)
	}
	eventually(t, p.name+" stands still", func() bool { return stateOf(pid) == "T" })
	return func() { _ = syscall.Kill(pid, syscall.SIGCONT) }
}

// stateOf is the letter that the kernel has for a process' state.
func stateOf(pid int) string {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return ""
	}
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	return string(rest[:1])
}

// text is all that the program printed.
func (p *process) text() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return ""
	}
	return string(text)
}

// said is how often the log has a text.
func (p *process) said(text string) int { return strings.Count(p.text(), text) }

func (p *process) tail() string {
	text := p.text()
	return fmt.Sprintf("--- end of %s\n%s", filepath.Base(p.log), text[max(0, len(text)-3000):])
}

// patience bounds every wait. It is long because it is never used up unless something
// is wrong: a slow machine fails no case.
const patience = 2 * time.Minute

var errWaited = errors.New("waited in vain")

// until polls a condition until it holds or ctx ends.
func until(ctx context.Context, holds func() bool) error { return within(ctx, patience, holds) }

// within is [until] with a limit of its own.
func within(ctx context.Context, limit time.Duration, holds func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for !holds() {
		select {
		case <-ctx.Done():
			return errWaited
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if err := until(t.Context(), holds); err != nil {
		t.Fatalf("%v: %s", err, what)
	}
}

// pause waits a little where a fault needs time to take hold. No outcome hangs on it.
func pause(milliseconds int) { time.Sleep(time.Duration(milliseconds) * time.Millisecond) }

// script is a program of the shell, which is up when it has made the file "up".
func script(t *testing.T, text string) *process {
	t.Helper()
	dir := t.TempDir()
	p := &process{
		name: "script", path: "/bin/sh", args: []string{"-c", text}, dir: dir, log: filepath.Join(dir, "script.log"),
		ready: func(context.Context) error {
			_, err := os.Stat(filepath.Join(dir, "up"))
			return err
		},
	}
	t.Cleanup(func() { p.end(syscall.SIGKILL) })
	return p
}

// Nobody waits for a program that ended by itself.
func TestProcess_awaitEnded(t *testing.T) {
	t.Parallel()
	p := script(t, "echo the port is taken; exit 1")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	err := p.await(t.Context())
	if err == nil || !strings.Contains(err.Error(), "ended by itself") || !strings.Contains(err.Error(), "the port is taken") {
		t.Errorf("await says %v", err)
	}
}

// A program that is started again is waited for.
func TestProcess_awaitKept(t *testing.T) {
	t.Parallel()
	p := script(t, "if [ -e tried ]; then touch up; exec sleep 600; fi; touch tried")
	p.keep = true
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	if err := p.await(t.Context()); err != nil || p.deaths() != 1 {
		t.Errorf("after %d deaths: %v", p.deaths(), err)
	}
}
