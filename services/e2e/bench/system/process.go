package system

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// Process is a program that runs beside the benchmark.
type Process struct {
	Name      string
	Addr      string // host:port of what it serves; "" for a worker
	Admin     string // host:port of health and profiles; "" when it has none
	cmd       *exec.Cmd
	ended     chan struct{} // closed when it has ended, how is in err
	err       error
	log       *os.File
	readiness string
}

// program says how to start one.
type program struct {
	name, path string
	args, env  []string
	ready      string // asked until it answers 200
}

// start runs a program, its output in a file of dir, and waits until it is ready.
func start(ctx context.Context, dir string, p program) (*Process, error) {
	log, err := os.OpenFile(filepath.Join(dir, p.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(p.path, p.args...) // without a context, which would kill it: Stop ends it in order
	cmd.Stdout, cmd.Stderr, cmd.Env, cmd.Dir = log, log, p.env, dir
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", p.name, err), log.Close())
	}
	process := &Process{Name: p.name, cmd: cmd, ended: make(chan struct{}), log: log, readiness: p.ready}
	go func() {
		process.err = cmd.Wait()
		close(process.ended)
	}()
	if err := process.await(ctx); err != nil {
		process.Stop()
		return nil, fmt.Errorf("%s does not get ready: %w; see %s", p.name, err, log.Name())
	}
	return process, nil
}

// await polls readiness.
func (p *Process) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	for {
		if get(ctx, p.readiness) == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended: %w", p.err)
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// get asks url and wants a 200.
func get(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", url, answer.Status)
	}
	return nil
}

// PID is its process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends it in order, and by force after 20 s. Nil and a second call do nothing.
func (p *Process) Stop() {
	if p == nil || p.log == nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	_ = p.log.Close()
	p.log = nil
}

// FreeAddr is a loopback address that nobody listens on now.
func FreeAddr() (string, error) {
	var config net.ListenConfig
	l, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// Own starts another program: one that serves addr and answers path when it is ready.
func Own(ctx context.Context, dir, addr, path string, command ...string) (*Process, error) {
	p, err := start(ctx, dir, program{
		name: "reference", path: command[0], args: command[1:], env: os.Environ(), ready: "http://" + addr + path,
	})
	if err != nil {
		return nil, err
	}
	p.Addr = addr
	return p, nil
}
