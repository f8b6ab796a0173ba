package server_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// held is a process that holds a pair of servers.
type held struct {
	cmd             *exec.Cmd
	stdin           io.WriteCloser
	database, cache string
	embedded        bool
}

func testContext() context.Context { return context.Background() }

// hold starts a process that holds servers in dir and waits until they are up.
func hold(t *testing.T, dir string, change func(*exec.Cmd)) *held {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), rehearsal+"="+dir)
	cmd.Stderr = os.Stderr
	if change != nil {
		change(cmd)
		cmd.Path = openToAll(t, cmd.Path)
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	h := &held{cmd: cmd, stdin: stdin}
	if _, scanErr := fmt.Sscanf(line, "up %s %s %t", &h.database, &h.cache, &h.embedded); scanErr != nil {
		t.Fatalf("the servers did not come up: %q, %v", line, err)
	}
	return h
}

// openToAll copies this test binary where another user can run it.
func openToAll(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	public := filepath.Join(enterable(t), "held")
	if err := os.WriteFile(public, b, 0o755); err != nil {
		t.Fatal(err)
	}
	return public
}

// kill ends the process as a crash would.
func (h *held) kill(t *testing.T) {
	t.Helper()
	if err := h.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = h.cmd.Wait() // "killed" is what it should say
}

// stop ends the process as Ctrl-C would.
func (h *held) stop(t *testing.T) {
	t.Helper()
	_ = h.stdin.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("the holder of the servers ended with %v", err)
	}
}

// redis sends one inline command and compares the first line of the answer.
func (h *held) redis(t *testing.T, command, want string) {
	t.Helper()
	if got := h.ask(t, command); got != want {
		t.Errorf("%s answered %q, want %q", command, got, want)
	}
}

// patience bounds every wait for Redis. It is never used up unless something is wrong.
const patience = time.Minute

func (h *held) redisUntil(t *testing.T, command, want string) {
	t.Helper()
	var got string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if got = h.ask(t, command); got == want {
			return
		}
	}
	t.Errorf("%s answers %q after %s, want %q", command, got, patience, want)
}

// ask returns the first line of the answer.
func (h *held) ask(t *testing.T, command string) string {
	t.Helper()
	return h.answer(t, command, 1)[0]
}

// answer returns so many lines of it.
func (h *held) answer(t *testing.T, command string, lines int) []string {
	t.Helper()
	u, err := url.Parse(h.cache)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.DialTimeout("tcp", u.Host, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(patience))
	password, _ := u.User.Password()
	request := ""
	for _, line := range []string{"AUTH " + password, command} {
		words := strings.Fields(line)
		request += fmt.Sprintf("*%d\r\n", len(words))
		for _, word := range words {
			request += fmt.Sprintf("$%d\r\n%s\r\n", len(word), word)
		}
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if line, err := in.ReadString('\n'); err != nil || line != "+OK\r\n" {
		t.Fatalf("AUTH answered %q, %v", line, err)
	}
	answer := make([]string, lines)
	for i := range answer {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatalf("line %d of the answer to %s: %v", i+1, command, err)
		}
		answer[i] = strings.TrimSpace(line)
	}
	return answer
}

// removeElsewhere removes the folder that the servers of dir had to move to.
func removeElsewhere(t *testing.T, dir string) {
	t.Helper()
	var memory struct{ Elsewhere string }
	b, err := os.ReadFile(filepath.Join(dir, "servers.json"))
	if err == nil {
		err = json.Unmarshal(b, &memory)
	}
	if err != nil || memory.Elsewhere == "" {
		t.Fatalf("no other folder was remembered: %v", err)
	}
	_ = os.RemoveAll(memory.Elsewhere)
}
