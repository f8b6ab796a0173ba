package browser

import (
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// engine is a browser that tests know.
type engine struct {
	name  string   // of its driver
	find  []string // commands under which it is installed
	setAt string   // the environment variable that names its command instead
	apt   string   // the package that has it
	turn  sync.Mutex

	once   sync.Once
	shared *driver
	err    error
}

var (
	chromium = &engine{name: "chromium", find: []string{"chromium", "chromium-browser", "google-chrome"}, setAt: "TOUCHLINE_CHROMIUM", apt: "chromium"}
	firefox  = &engine{name: "firefox", find: []string{"firefox-esr", "firefox"}, setAt: "TOUCHLINE_FIREFOX", apt: "firefox-esr"}
	webkit   = &engine{name: "webkit", find: []string{"WebKitWebDriver"}, setAt: "TOUCHLINE_WEBKIT_DRIVER", apt: "webkit2gtk-driver"}

	// minibrowser is webkit without its driver, which no page may die under.
	minibrowser = &engine{name: "minibrowser", find: webkit.find, setAt: webkit.setAt, apt: webkit.apt}

	engines = []*engine{chromium, firefox, webkit}
	both    = []*engine{chromium, firefox}
)

// executable finds the browser, or says why a test can't have it.
func (e *engine) executable() (path, missing string) {
	if _, err := exec.LookPath("node"); err != nil {
		return "", "node is not installed"
	}
	if _, err := os.Stat("../node/node_modules/ws"); err != nil {
		return "", "the drivers are not installed; npm ci in services/e2e/node installs them"
	}
	if path := os.Getenv(e.setAt); path != "" {
		return path, ""
	}
	for _, name := range e.find {
		if path, err := exec.LookPath(name); err == nil {
			return path, ""
		}
	}
	return "", e.name + " is not installed: the Debian package is " + e.apt + ", or " + e.setAt + " names it"
}

// settings are those of a usual visitor, or why there are none.
func (e *engine) settings() (settings, string) {
	path, missing := e.executable()
	s := settings{Executable: path}
	if missing != "" || e != webkit && e != minibrowser {
		return s, missing
	}
	if _, err := exec.LookPath("Xvfb"); err != nil {
		return s, "Xvfb is not installed, and WebKitGTK needs a screen: the Debian package is xvfb"
	}
	browsers, err := filepath.Glob("/usr/lib/*/webkit2gtk-4.*/MiniBrowser")
	if err != nil || len(browsers) == 0 {
		return s, "the MiniBrowser of WebKitGTK is not installed"
	}
	s.Browser = browsers[len(browsers)-1]
	return s, ""
}

// driver is the engine's browser that all usual visitors share.
func (e *engine) driver(t testing.TB) *driver {
	t.Helper()
	s, missing := e.settings()
	if missing != "" {
		t.Skip("skipped: " + missing)
	}
	e.once.Do(func() { e.shared, e.err = launch(e.name, s) })
	if e.err != nil {
		t.Fatal(e.err)
	}
	return e.shared
}

// own starts a browser for one test, with settings that change makes.
func (e *engine) own(t testing.TB, change func(*settings)) *driver {
	t.Helper()
	s, missing := e.settings()
	if missing != "" {
		t.Skip("skipped: " + missing)
	}
	change(&s)
	d, err := launch(e.name, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.quit)
	return d
}

func (e *engine) quit() {
	if e.shared != nil {
		e.shared.quit()
	}
}

// in plays a scenario in several browsers, in each one at a time: several at once are
// slow enough on a small machine to fail.
func in(t *testing.T, browsers []*engine, play func(t *testing.T, w *world)) {
	t.Helper()
	for _, e := range browsers {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			d := e.driver(t)
			e.turn.Lock()
			defer e.turn.Unlock()
			play(t, newWorld(t, d))
		})
	}
}
