package browser

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
)

// commandPatience is how long one command to a browser may take, its start included.
const commandPatience = 2 * time.Minute

// driver is one running browser, behind node/driver/main.mjs.
type driver struct {
	version string
	cmd     *exec.Cmd
	stdin   io.WriteCloser

	mu      sync.Mutex
	last    int
	waiting map[int]chan answer
	ended   error // set when it answers no more
}

// answer is a line of the driver's.
type answer struct {
	ID    int             `json:"id"`
	Value json.RawMessage `json:"value"`
	Error string          `json:"error"`
}

// settings say how a browser is started.
type settings struct {
	Executable string `json:"executable"`
	Browser    string `json:"browser,omitempty"` // of WebKitGTK, whose executable is its driver
	Profile    string `json:"profile"`           // an empty folder
	NoCookies  bool   `json:"noCookies"`         // the visitor blocks all cookies, and with them storage
	NoScript   bool   `json:"noScript"`          // the visitor has scripts turned off
	GPC        bool   `json:"gpc"`               // Global Privacy Control, where the browser has it
}

// launch starts a browser and waits for it.
func launch(engine string, s settings) (*driver, error) {
	var err error
	if s.Profile, err = os.MkdirTemp(suite.dir, engine+"-"); err != nil {
		return nil, err
	}
	argument, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	d := &driver{cmd: exec.Command("node", "driver/main.mjs", engine, string(argument)), waiting: map[int]chan answer{0: make(chan answer, 1)}}
	d.cmd.Dir = "../node"
	d.cmd.Stderr = os.Stderr
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if d.stdin, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	ready := d.waiting[0]
	go d.listen(stdout)
	if err := d.await(ready, "start", &d.version); err != nil {
		d.quit()
		return nil, err
	}
	return d, nil
}

// listen hands answers to who waits for them.
func (d *driver) listen(stdout io.Reader) {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue // somebody else's output
		}
		d.mu.Lock()
		waits := d.waiting[a.ID]
		delete(d.waiting, a.ID)
		d.mu.Unlock()
		if waits != nil {
			waits <- a
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ended = errors.New("the browser's driver has ended")
	for _, waits := range d.waiting {
		waits <- answer{Error: d.ended.Error()}
	}
}

// call sends a command and reads its answer into out (nil: nobody wants it).
func (d *driver) call(op string, arguments map[string]any, out any) error {
	waits := make(chan answer, 1)
	command := map[string]any{"op": op}
	for name, value := range arguments {
		command[name] = value
	}
	d.mu.Lock()
	if d.ended != nil {
		d.mu.Unlock()
		return d.ended
	}
	d.last++
	command["id"] = d.last
	d.waiting[d.last] = waits
	line, err := json.Marshal(command)
	if err == nil {
		_, err = d.stdin.Write(append(line, '\n'))
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.await(waits, op, out)
}

func (d *driver) await(waits <-chan answer, op string, out any) error {
	select {
	case a := <-waits:
		if a.Error != "" {
			return fmt.Errorf("%s: %s", op, a.Error)
		}
		if out == nil {
			return nil
		}
		return json.Unmarshal(a.Value, out)
	case <-time.After(commandPatience):
		return fmt.Errorf("%s: no answer within %s", op, commandPatience)
	}
}

// quit ends the browser, and whatever it left behind.
func (d *driver) quit() {
	_ = d.stdin.Close()
	ended := make(chan struct{})
	go func() {
		_ = d.cmd.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-d.cmd.Process.Pid, syscall.SIGKILL) // the group is often gone by now
}

// tab is one tab of a visitor.
type tab struct {
	t      testing.TB
	driver *driver
	name   json.RawMessage
}

func (b tab) call(op string, arguments map[string]any, out any) {
	b.t.Helper()
	all := map[string]any{"tab": b.name}
	for name, value := range arguments {
		all[name] = value
	}
	if err := b.driver.call(op, all, out); err != nil {
		b.t.Fatal(err)
	}
}

// open navigates and waits for the load event, before which a deferred script has run.
func (b tab) open(url string) { b.t.Helper(); b.call("open", map[string]any{"url": url}, nil) }

// click is one of a person's.
func (b tab) click(selector string) {
	b.t.Helper()
	b.call("click", map[string]any{"selector": selector}, nil)
}

// run evaluates an expression and, of a promise, waits for what it comes to.
func (b tab) run(expression string) { b.t.Helper(); b.evaluate(expression, nil) }

// try is [tab.evaluate] that may fail.
func (b tab) try(expression string, out any) error {
	return b.driver.call("evaluate", map[string]any{"tab": b.name, "expression": expression}, out)
}

// evaluate is [tab.run] with an answer.
func (b tab) evaluate(expression string, out any) {
	b.t.Helper()
	b.call("evaluate", map[string]any{"expression": expression}, out)
}

// back is the button.
func (b tab) back() { b.t.Helper(); b.call("back", nil, nil) }

// close closes the tab as a person does; nothing asks it to wait.
func (b tab) close() { b.t.Helper(); b.call("close", nil, nil) }

// kill ends the process that the page runs in: it does not live to see pagehide.
func (b tab) kill() { b.t.Helper(); b.call("kill", nil, nil) }
