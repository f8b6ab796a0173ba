package freeport

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Another process is this test binary, called again with this set to what it does: "find
// many", "keep" a port or "listen" on one.
const order = "TOUCHLINE_TEST_FREEPORT"

func TestMain(m *testing.M) {
	text, another := os.LookupEnv(order)
	if !another {
		os.Exit(m.Run())
	}
	ports, err := obey(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(ports)
	_, _ = os.Stdin.Read(make([]byte, 1)) // until it is ended
}

// obey returns the ports that another process has.
func obey(text string) ([]int, error) {
	verb, number, _ := strings.Cut(text, " ")
	if verb == "find" {
		return many()
	}
	port, err := strconv.Atoi(number)
	if err != nil {
		return nil, err
	}
	if verb == "keep" && !Keep(port) {
		return nil, nil
	}
	if verb == "listen" {
		_, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", number))
	}
	return []int{port}, err
}

// many finds 400 ports, from several goroutines.
func many() ([]int, error) {
	const goroutines, each = 8, 50
	ports, errs := make([]int, goroutines*each), make([]error, goroutines*each)
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := g * each; i < (g+1)*each; i++ {
				ports[i], errs[i] = Port()
			}
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return ports, nil
}

// other is another process that looks for ports.
type other struct {
	t    *testing.T
	cmd  *exec.Cmd
	line *bufio.Reader
}

func begin(t *testing.T, text string) *other {
	t.Helper()
	o := &other{t: t, cmd: exec.Command(os.Args[0])}
	o.cmd.Env, o.cmd.Stderr = append(os.Environ(), order+"="+text), os.Stderr
	if _, err := o.cmd.StdinPipe(); err != nil { // held open, or it ends
		t.Fatal(err)
	}
	stdout, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.line = bufio.NewReader(stdout)
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(o.kill)
	return o
}

// ports are those that it holds.
func (o *other) ports() []int {
	o.t.Helper()
	line, err := o.line.ReadBytes('\n')
	if err != nil {
		o.t.Fatal(err)
	}
	var ports []int
	if err := json.Unmarshal(line, &ports); err != nil {
		o.t.Fatal(err)
	}
	return ports
}

// kill ends it as kill -9 does. It may have ended.
func (o *other) kill() {
	_ = o.cmd.Process.Kill()
	_ = o.cmd.Wait()
}

// Three processes that look for 400 ports each, at once: by chance alone, some sixty would
// be found twice. This one is none of them, or -count=30 would find no more.
func TestPort_neverTwice(t *testing.T) {
	t.Parallel()
	others := []*other{begin(t, "find many"), begin(t, "find many"), begin(t, "find many")}
	holder := map[int]int{}
	for i, o := range others {
		ports := o.ports()
		if len(ports) != 400 {
			t.Errorf("%d ports of process %d", len(ports), i)
		}
		for _, port := range ports {
			if first, twice := holder[port]; twice {
				t.Errorf("%d was found by process %d and by %d", port, first, i)
			}
			holder[port] = i
			if port < 20000 || port >= 32000 {
				t.Errorf("%d lies outside", port)
			}
		}
	}
}

// A port can be listened on by who has it, at once, whatever else is being started: a socket
// that was open in between would live on in a program until that is under way.
func TestPort_isFree(t *testing.T) {
	t.Parallel()
	ctx, stop := context.WithCancel(t.Context())
	var starts sync.WaitGroup
	defer starts.Wait()
	defer stop()
	for range 8 {
		starts.Go(func() {
			for ctx.Err() == nil {
				_ = exec.Command("true").Run()
			}
		})
	}
	for range 50 {
		port, err := Port()
		if err != nil {
			t.Fatal(err)
		}
		listen(t, port)
	}
}

func listen(t *testing.T, port int) {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
}

// A port that is remembered can be had again, unless somebody listens on it or holds it.
func TestKeep(t *testing.T) {
	t.Parallel()
	port, err := Port()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if !Keep(port) {
			t.Errorf("%d, which is ours, can't be kept", port)
		}
	}
	listen(t, port)
	if Keep(port) {
		t.Errorf("%d is kept although it is listened on", port)
	}
	if got := begin(t, fmt.Sprint("keep ", port)).ports(); len(got) != 0 {
		t.Errorf("another process keeps %v, which is ours", got)
	}
}

// A port is another's while that process lives, and can be kept after. It is none that Port
// finds, so that no test that runs beside this one takes it in between.
func TestKeep_ofAnother(t *testing.T) {
	t.Parallel()
	port, o := 0, (*other)(nil)
	for kept := 0; kept == 0; kept = len(o.ports()) { // unless somebody listens on it
		port = 10000 + rand.IntN(10000)
		o = begin(t, fmt.Sprint("keep ", port))
	}
	if Keep(port) {
		t.Errorf("%d, which another process holds, is kept", port)
	}
	o.kill()
	o = begin(t, fmt.Sprint("listen ", port))
	if got := o.ports(); len(got) != 1 || Keep(port) {
		t.Errorf("%d is kept although it is listened on", port)
	}
	o.kill()
	o = begin(t, fmt.Sprint("keep ", port))
	if got := o.ports(); len(got) != 1 {
		t.Errorf("%d, of a process that has ended, can't be kept", port)
	}
	if Keep(port) {
		t.Errorf("%d, which another process keeps, is kept", port)
	}
}
