// Package meter counts what processes cost: CPU time and peak memory, as Linux keeps
// them under /proc. On a busy machine the wall clock says little; CPU time says most.
package meter

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU times under /proc: USER_HZ, which is 100 on every Linux.
const tick = 10 * time.Millisecond

// Process is one that is watched.
type Process struct {
	Name string // under which its CPU time is reported
	PID  int
	Tree bool // with its children, those that have ended included: a PostgreSQL
}

// Span is a measurement that has begun.
type Span struct {
	watched []Process
	cpu     []time.Duration
	begun   time.Time
}

// Cost is what a span took.
type Cost struct {
	Wall time.Duration
	CPU  map[string]time.Duration // user and system time, by name of the process
}

// Begin reads the clocks of processes.
func Begin(watched []Process) (Span, error) {
	s := Span{watched: watched, cpu: make([]time.Duration, len(watched))}
	for i, p := range watched {
		spent, err := p.spent()
		if err != nil {
			return Span{}, err
		}
		s.cpu[i] = spent
	}
	s.begun = time.Now()
	return s, nil
}

// End reads them again, and those of processes that were started meanwhile. A process that
// has ended meanwhile is an error.
func (s Span) End(started ...Process) (Cost, error) {
	c := Cost{Wall: time.Since(s.begun), CPU: make(map[string]time.Duration, len(s.watched))}
	s.watched = append(s.watched[:len(s.watched):len(s.watched)], started...)
	s.cpu = append(s.cpu[:len(s.cpu):len(s.cpu)], make([]time.Duration, len(started))...)
	for i, p := range s.watched {
		spent, err := p.spent()
		if err != nil {
			return Cost{}, err
		}
		c.CPU[p.Name] += spent - s.cpu[i]
	}
	return c, nil
}

// Total is the CPU time of all processes.
func (c Cost) Total() time.Duration {
	var sum time.Duration
	for _, spent := range c.CPU {
		sum += spent
	}
	return sum
}

// spent is the CPU time of a process since it began.
func (p Process) spent() (time.Duration, error) {
	own, err := readStat(p.PID)
	if err != nil {
		return 0, fmt.Errorf("CPU time of %s: %w", p.Name, err)
	}
	if !p.Tree {
		return own.self, nil
	}
	sum := own.self + own.reaped
	paths, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, path := range paths {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		if child, err := readStat(pid); err == nil && child.parent == p.PID { // gone meanwhile: counted as reaped next time
			sum += child.self
		}
	}
	return sum, nil
}

// stat is what is read of /proc/PID/stat.
type stat struct {
	parent       int
	self, reaped time.Duration
}

func readStat(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(string(text))
}

// parseStat reads the fields after the name, which may hold blanks and parentheses.
func parseStat(text string) (stat, error) {
	end := strings.LastIndex(text, ")")
	fields := strings.Fields(text[end+1:])
	if end < 0 || len(fields) < 15 {
		return stat{}, fmt.Errorf("%q is no process status", text)
	}
	var n [5]int64
	for i, at := range []int{1, 11, 12, 13, 14} { // ppid, utime, stime, cutime, cstime
		value, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return stat{}, err
		}
		n[i] = value
	}
	return stat{
		parent: int(n[0]), self: time.Duration(n[1]+n[2]) * tick, reaped: time.Duration(n[3]+n[4]) * tick,
	}, nil
}

// Peak is the most memory that a process has had resident so far, in bytes (VmHWM).
func Peak(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, "VmHWM:")
		if !found {
			continue
		}
		kilobytes, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		return kilobytes << 10, err
	}
	return 0, fmt.Errorf("process %d tells no peak of its memory", pid)
}

// Parent is the process that started another.
func Parent(pid int) (int, error) {
	s, err := readStat(pid)
	return s.parent, err
}
