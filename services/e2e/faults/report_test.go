//go:build linux

package faults

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// results are the rows of the report, from cases that run side by side.
var results struct {
	sync.Mutex
	rows []row
}

// table is the results in Markdown, in the order of the plan's numbers.
func table() string {
	results.Lock()
	defer results.Unlock()
	if len(results.rows) == 0 {
		return ""
	}
	slices.SortFunc(results.rows, func(a, b row) int {
		return cmp.Or(cmp.Compare(number(a.fault), number(b.fault)), strings.Compare(a.how, b.how))
	})
	var text strings.Builder
	text.WriteString("| | fault | fired | hits acknowledged | lost | twice | accepted = stored + duplicate + conflict + rejected + pending | at rest after |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range results.rows {
		rest := ""
		if r.recovery > 0 {
			rest = fmt.Sprintf("%.1f s", r.recovery.Seconds())
		}
		fmt.Fprintf(&text, "| %s | %s | %s | %d | %d | %d | %s | %s |\n", r.fault, r.how, r.fired, r.acked, r.lost, r.twice, r.books, rest)
	}
	return text.String()
}

// number orders F2 before F10.
func number(fault string) int {
	n, err := strconv.Atoi(strings.TrimPrefix(fault, "F"))
	if err != nil {
		return 1000
	}
	return n
}

// writeReport writes the table with what it needs to be judged: seed, commit, machine.
func writeReport(path string) error {
	tier := "short"
	if *long {
		tier = "long"
	}
	head := fmt.Sprintf("Seed %d, commit %s, %s tier, %s. %d cores, %s of memory, Go %s, %s, %s.\n\n", suite.seed, commit(), tier,
		time.Now().UTC().Format("2006-01-02"), runtime.NumCPU(), memory(), strings.TrimPrefix(runtime.Version(), "go"),
		version(suite.postgres+"/postgres"), version(suite.redis))
	return os.WriteFile(path, []byte(head+table()), 0o644)
}

// memory is the machine's, in whole GB.
func memory() string {
	text, _ := os.ReadFile("/proc/meminfo") // without it the report says 0
	fields := append(strings.Fields(string(text)), "", "0")
	kilobytes, _ := strconv.Atoi(fields[1])
	return fmt.Sprintf("%d GB", (kilobytes+1<<19)>>20)
}

// version is the first line of what a program says of itself, without its build.
func version(program string) string {
	out, err := exec.Command(program, "--version").Output()
	if err != nil {
		return program
	}
	words := strings.Fields(string(out))
	return strings.Join(words[:min(3, len(words))], " ")
}
