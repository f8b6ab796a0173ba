package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The admin port of each process has profiles and the metrics of the Go runtime.
func TestAdminPorts(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(shared.Dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state struct {
		Ports struct {
			TrackingAdmin, APIAdmin int
			Workers                 []int
		} `json:"ports"`
	}
	if err := json.Unmarshal(text, &state); err != nil || len(state.Ports.Workers) == 0 {
		t.Fatalf("%v in %s", err, text)
	}
	for name, port := range map[string]int{"tracking": state.Ports.TrackingAdmin, "api": state.Ports.APIAdmin, "worker": state.Ports.Workers[0]} {
		base := fmt.Sprintf("http://127.0.0.1:%d", port)
		metrics := read(t, base+"/metrics")
		for _, metric := range []string{
			"go_goroutines ", "go_memstats_heap_alloc_bytes ", "go_sched_latencies_seconds_count ", "go_sched_pauses_total_gc_seconds_count ",
			"process_cpu_seconds_total ", "process_resident_memory_bytes ",
		} {
			if !strings.Contains(metrics, "\n"+metric) {
				t.Errorf("%s has no metric %s", name, metric)
			}
		}
		for _, profile := range []string{"heap", "allocs", "goroutine", "profile?seconds=1", "trace?seconds=1"} {
			if got := read(t, base+"/debug/pprof/"+profile); len(got) < 100 {
				t.Errorf("%s: %s has %d bytes", name, profile, len(got))
			}
		}
	}
}

// read gets url and wants a success.
func read(t *testing.T, url string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s answered %d, %v: %s", url, answer.StatusCode, err, text)
	}
	return string(text)
}
