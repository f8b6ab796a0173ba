package historytest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/touchline/touchline/services/attribution/app"
	"github.com/touchline/touchline/services/attribution/consume"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/stock"
)

// workerEnv holds the settings of a worker; a process that has it is one.
const workerEnv = "TOUCHLINE_HISTORY_WORKER"

// TestMain makes this binary a worker when it is started as one: a process of its own
// can be killed as a worker is.
func TestMain(m *testing.M) {
	if text := os.Getenv(workerEnv); text != "" {
		if err := work([]byte(text)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// limits are the settings of a worker that histories must not depend on.
type limits struct {
	BatchSize int           // entries per transaction
	BatchRows int           // touched rows concluded from in one transaction
	WalkRows  int           // facts that a build walks in one transaction
	PlanFacts int           // up to which a build is planned; 0: the usual
	Filed     bool          // what a build reads together lies in a file, not in memory
	Lead      time.Duration // how long a build is left to the worker that was at it
	Parallel  int           // workspaces
	Small     int           // facts of a component that is derived whole; larger ones by reach; 0: all whole
	Reach     int           // facts that the reach of a change may have
	Device    int           // facts of a device that are all read
	Apart     bool          // see derive.Config
	Hold      time.Duration // of a workspace
	Stale     time.Duration // age at which any worker settles a committed batch
	Failpoint string
}

// settings are all that a worker process is told.
type settings struct {
	Database, Redis, Prefix string
	Limits                  limits
}

const shards = 3

// work is the worker as the service runs it, in haste. It ends when its standard
// input does, so also when the test dies.
func work(text []byte) error {
	var s settings
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	cfg := app.WorkerConfig{
		Shared: app.Shared{
			Database: app.Database{DatabaseURL: s.Database}, DatabaseConns: 8,
			RedisURL: s.Redis, StreamPrefix: s.Prefix, StreamShards: shards,
			AdminAddr: "127.0.0.1:0", Drain: 10 * time.Second, LogLevel: slog.LevelWarn,
		},
		BatchSize: s.Limits.BatchSize, ClaimAfter: 10 * time.Second, DeriveParallel: s.Limits.Parallel, Failpoint: s.Limits.Failpoint,
		Listening: func(admin string) { fmt.Println(admin) },
		Builds:    app.Builds{BuildDisk: 1 << 20},
		Tune: func(c *consume.Config, d *derive.Config, room *stock.Config) {
			if s.Limits.Filed {
				room.Memory, room.Piece = 1, 2000
			}
			c.Block, c.ClaimEvery, c.ChoreEvery = 100*time.Millisecond, 250*time.Millisecond, 300*time.Millisecond
			c.StaleAfter, c.FoldAfter = s.Limits.Stale, 4*time.Second
			c.TriedMost = 1000 // no entry is to blame for any end here
			d.Poll, d.Hold = 100*time.Millisecond, s.Limits.Hold
			d.BatchRows, d.WalkRows, d.PlanFacts, d.Lead = s.Limits.BatchRows, s.Limits.WalkRows, s.Limits.PlanFacts, s.Limits.Lead
			d.Small, d.Reach, d.Device, d.Apart = s.Limits.Small, s.Limits.Reach, s.Limits.Device, s.Limits.Apart
		},
	}
	if err := cfg.IdentityKey.UnmarshalText([]byte(identityKey)); err != nil {
		return err
	}
	if err := cfg.RegistryKey.UnmarshalText([]byte(identityKey)); err != nil {
		return err
	}
	return app.RunWorker(ctx, cfg)
}

// worker is a process.
type worker struct {
	process *exec.Cmd
	input   io.Closer
	admin   *output // its address
	log     *output
	ended   chan struct{} // closed when it has
	fault   error         // set by then
	killed  bool          // by the test
}

// startWorker starts a process.
func startWorker(s settings) (*worker, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	w := &worker{process: exec.Command(program), admin: new(output), log: new(output), ended: make(chan struct{})}
	w.process.Env = append(os.Environ(), workerEnv+"="+string(text))
	w.process.Stdout, w.process.Stderr = w.admin, w.log
	if w.input, err = w.process.StdinPipe(); err != nil {
		return nil, err
	}
	if err := w.process.Start(); err != nil {
		return nil, err
	}
	go func() {
		w.fault = w.process.Wait()
		close(w.ended)
	}()
	return w, nil
}

// kill ends the process at once: it settles nothing and says goodbye to nobody.
func (w *worker) kill() {
	w.killed = true
	_ = w.process.Process.Kill()
}

// stop lets it finish what it has at hand.
func (w *worker) stop() error {
	_ = w.input.Close()
	select {
	case <-w.ended:
		return w.fault
	case <-time.After(30 * time.Second):
		_ = w.process.Process.Kill()
		return errors.New("it did not stop")
	}
}

// metrics of a worker that the test counts, by what it calls them.
var metrics = map[string]*regexp.Regexp{
	"redelivery":                   regexp.MustCompile(`(?m)^touchline_consumed_total\{term="redelivery"\} (\d+)`),
	"fact concluded from by reach": regexp.MustCompile(`(?m)^touchline_derive_large_total\{refused=""\} (\d+)`),
}

// apart are how many facts were concluded from apart from their persons, by kind.
var apart = regexp.MustCompile(`(?m)^touchline_derive_apart_total\{kind="(\w+)"\} (\d+)`)

// refusals are how many facts were not concluded from by reach, by reason.
var refusals = regexp.MustCompile(`(?m)^touchline_derive_large_total\{refused="(\w+)"\} (\d+)`)

// refused is before a reason among what is counted.
const refused = "not by reach: "

// counted asks the worker what it has done so far; nothing when it does not answer.
func (w *worker) counted(ctx context.Context) map[string]int {
	address := w.admin.line()
	if address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return nil
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(answer.Body)
	all := map[string]int{}
	for what, metric := range metrics {
		if found := metric.FindSubmatch(text); found != nil {
			all[what], _ = strconv.Atoi(string(found[1]))
		}
	}
	for _, found := range apart.FindAllSubmatch(text, -1) {
		all["concluded from apart: "+string(found[1])], _ = strconv.Atoi(string(found[2]))
	}
	for _, found := range refusals.FindAllSubmatch(text, -1) {
		all[refused+string(found[1])], _ = strconv.Atoi(string(found[2]))
	}
	return all
}

// output keeps what is written to it. Safe for concurrent use.
type output struct {
	mu  sync.Mutex
	all strings.Builder
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.all.Write(p)
}

// line is the first one, empty as long as it is not complete.
func (o *output) line() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	line, _, complete := strings.Cut(o.all.String(), "\n")
	if !complete {
		return ""
	}
	return line
}

// String is the end of all.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := o.all.String()
	return all[max(0, len(all)-3000):]
}
