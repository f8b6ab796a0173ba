// Package child runs the programs that devstack starts: databases and services.
//
// In goes a Spec, out comes a Child that is ready, writes to a log file, is
// started again when it dies by itself, and ends with devstack whatever happens
// to devstack. It knows nothing of what the programs do.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Account is who a program runs as. The zero value is whoever runs devstack.
type Account struct {
	UID, GID uint32
	Switch   bool // true: take UID and GID on, which needs root
}

// Spec describes one program.
type Spec struct {
	Name string   // for people: "tracking", "postgres"
	Path string   // the program
	Args []string // without the program's name
	Env  []string // its whole environment; nil means devstack's
	Dir  string   // working folder; "" means devstack's
	Log  string   // file that takes stdout and stderr, appended to
	PID  string   // file that keeps its process id, for EndStale; "" keeps none

	Account    Account
	StopSignal syscall.Signal // asks for a clean end; 0 means SIGTERM
	Grace      time.Duration  // between StopSignal and SIGKILL; 0 means 5 s

	// Ready is asked every 20 ms until it returns nil. It must not block for long
	// after its context is done. Nil means ready at once.
	Ready func(ctx context.Context) error
	// Patience is how long Ready may take; 0 means two minutes.
	Patience time.Duration
	// Note is told, in one line, that the program died or is back. May be nil.
	Note func(line string)
}

// Child is a running program. Its methods are safe for concurrent use.
type Child struct {
	spec Spec
	stop chan struct{} // closed by Stop
	gone chan struct{} // closed when the program has ended for good
	once sync.Once

	mu  sync.Mutex
	cmd *exec.Cmd
}

// errStopped says that Stop was called while the program was being started.
var errStopped = errors.New("stopped")

const (
	askEvery   = 20 * time.Millisecond
	firstPause = 100 * time.Millisecond // before a first restart
	longPause  = 5 * time.Second        // a program that keeps dying is tried this often
)

// Start starts the program and returns when it is ready. From then on it is
// started again whenever it ends by itself, until Stop. When it ends before it
// was ready, Start returns an error that shows the end of its log.
func Start(ctx context.Context, spec Spec) (*Child, error) {
	if spec.StopSignal == 0 {
		spec.StopSignal = syscall.SIGTERM
	}
	if spec.Grace == 0 {
		spec.Grace = 5 * time.Second
	}
	if spec.Patience == 0 {
		spec.Patience = 2 * time.Minute
	}
	if spec.Note == nil {
		spec.Note = func(string) {}
	}
	c := &Child{spec: spec, stop: make(chan struct{}), gone: make(chan struct{})}
	ended, err := c.launch(ctx)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w%s", spec.Name, err, tail(spec.Log))
	}
	go c.watch(ended)
	return c, nil
}

// PID is the program's process id; after a restart it is another one.
func (c *Child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cmd.Process.Pid
}

// Stop asks the program to end, kills it when its grace is over, and returns
// when it is gone. Calling it again waits for the same end.
func (c *Child) Stop() {
	c.once.Do(func() { close(c.stop) })
	<-c.gone
}

// launch starts the program once and waits until it is ready. The channel it
// returns yields how the program ended.
func (c *Child) launch(ctx context.Context) (<-chan end, error) {
	if err := os.MkdirAll(filepath.Dir(c.spec.Log), 0o755); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(c.spec.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the program has its own copy
	cmd := exec.Command(c.spec.Path, c.spec.Args...)
	cmd.Env, cmd.Dir = c.spec.Env, c.spec.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes(c.spec.Account, c.spec.StopSignal)
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.cmd = cmd
	c.mu.Unlock()
	if c.spec.PID != "" {
		// Without the file a later start may have to take another port, no more.
		_ = os.WriteFile(c.spec.PID, []byte(strconv.Itoa(cmd.Process.Pid)), 0o644)
	}
	ended := make(chan end, 1)
	go func() { ended <- end{cmd.Wait()} }()
	if err := c.await(ctx, ended); err != nil {
		_ = cmd.Process.Kill()
		return nil, err
	}
	return ended, nil
}

// await asks Ready until it agrees. On an error the caller gives the program up.
func (c *Child) await(ctx context.Context, ended <-chan end) error {
	if c.spec.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.spec.Patience)
	defer cancel()
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		last := c.spec.Ready(ctx)
		if last == nil {
			return nil
		}
		select {
		case e := <-ended:
			return fmt.Errorf("it ended before it was ready: %s", e)
		case <-c.stop:
			return errStopped
		case <-ctx.Done():
			return fmt.Errorf("not ready after %s: %w", c.spec.Patience, last)
		case <-tick.C:
		}
	}
}

// watch waits for the program's end and starts it again, more slowly each time
// it dies young, until Stop is called.
func (c *Child) watch(ended <-chan end) {
	defer close(c.gone)
	pause, born := firstPause, time.Now()
	for {
		select {
		case <-c.stop:
			c.finish(ended)
			return
		case e := <-ended:
			c.spec.Note(fmt.Sprintf("%s ended by itself (%s), starting it again", c.spec.Name, e))
		}
		if time.Since(born) > longPause {
			pause = firstPause
		}
		for ended = nil; ended == nil; pause = min(2*pause, longPause) {
			select {
			case <-c.stop:
				return
			case <-time.After(pause):
			}
			ended = c.relaunch()
		}
		born = time.Now()
	}
}

// relaunch starts the program again; nil means that it could not be started.
func (c *Child) relaunch() <-chan end {
	ended, err := c.launch(context.Background())
	if errors.Is(err, errStopped) {
		return nil
	}
	if err != nil {
		c.spec.Note(fmt.Sprintf("%s: %v%s", c.spec.Name, err, tail(c.spec.Log)))
		return nil
	}
	c.spec.Note(c.spec.Name + " is back")
	return ended
}

// finish asks the program to end, then makes it.
func (c *Child) finish(ended <-chan end) {
	_ = c.cmd.Process.Signal(c.spec.StopSignal)
	select {
	case <-ended:
		return
	case <-time.After(c.spec.Grace):
	}
	_ = c.cmd.Process.Kill()
	<-ended
}

// end is how a program ended; a program without an error ended unasked all the same.
type end struct{ err error }

func (e end) String() string {
	if e.err == nil {
		return "exit status 0"
	}
	return e.err.Error()
}

// tail is the end of a log, indented, for an error a person reads.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil || len(b) == 0 {
		return ""
	}
	const most = 1500
	if len(b) > most {
		b = b[len(b)-most:]
	}
	return fmt.Sprintf("\n--- end of %s\n%s", path, b)
}
