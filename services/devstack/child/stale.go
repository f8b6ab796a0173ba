package child

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A killed devstack can leave a program behind: on Linux for the moment it takes
// to shut down (the kernel tells it to), elsewhere for good. It is never taken
// over but ended and started anew, so that the running program is always the one
// on disk: a PostgreSQL whose files were upgraded under it breaks on its next
// library load ("plpgsql.so: undefined symbol").

// EndStale ends the process that a pid file names if it is alive and its command
// says what: politely, then after ten seconds by force.
func EndStale(pidFile, what string, polite syscall.Signal) error {
	return endStale(readPID(pidFile), what, polite)
}

func endStale(pid int, what string, polite syscall.Signal) error {
	if !runs(pid, what) {
		return nil
	}
	_ = syscall.Kill(pid, polite)
	if waitGone(pid, what, 10*time.Second) {
		return nil
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	if waitGone(pid, what, 5*time.Second) {
		return nil
	}
	return fmt.Errorf("an old %s (process %d) does not end", what, pid)
}

func waitGone(pid int, what string, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if !runs(pid, what) {
			return true
		}
	}
	return false
}

// runs reports whether pid is a live process whose command contains what. A pid
// file can be older than the machine's last restart, its number given to another.
func runs(pid int, what string) bool {
	if pid <= 1 || errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		if _, rest, ok := strings.Cut(string(status), ") "); ok && strings.HasPrefix(rest, "Z") {
			return false // ended, only not yet waited for
		}
	}
	if line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)); err == nil {
		return strings.Contains(string(line), what)
	}
	out, err := exec.Command("ps", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	return err == nil && strings.Contains(string(out), what)
}

// readPID reads the number on the first line of a pid file; 0 means none.
func readPID(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(b), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(first))
	if err != nil {
		return 0
	}
	return pid
}
