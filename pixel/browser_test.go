package pixel_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// chromiumNames are the commands under which Chromium is installed; test/support/findChromium.mjs has the same list.
var chromiumNames = [...]string{"chromium", "chromium-browser", "google-chrome"}

// Drives the committed script in a real browser against a beacon server; the cases
// are in test/browser.
func TestPixel_InChromium(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("skipped: -short leaves the browser out")
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("skipped: the browser test needs node, which is not installed")
	}
	if !hasChromium() {
		t.Skip("skipped: the browser test needs Chromium; install it or name it in TOUCHLINE_CHROMIUM")
	}
	if _, err := os.Stat("test/node_modules/playwright-core"); err != nil {
		t.Skip("skipped: the browser test needs `npm ci` in pixel/test")
	}
	// One browser at a time: several at once are slow enough on a small machine to fail.
	tests, err := filepath.Glob("test/browser/*.test.mjs")
	if err != nil || len(tests) == 0 {
		t.Fatalf("find the browser tests: %d files, error %v", len(tests), err)
	}
	args := []string{"--test", "--test-concurrency=1"}
	for _, test := range tests {
		args = append(args, "browser/"+filepath.Base(test))
	}
	run := exec.CommandContext(t.Context(), node, args...)
	run.Dir = "test"
	if out, err := run.CombinedOutput(); err != nil {
		t.Errorf("node --test: %v\n%s", err, out)
	}
}

func hasChromium() bool {
	if os.Getenv("TOUCHLINE_CHROMIUM") != "" {
		return true
	}
	for _, name := range chromiumNames {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}
