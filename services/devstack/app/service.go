package app

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/touchline/touchline/services/devstack/child"
	"github.com/touchline/touchline/services/devstack/server"
)

// keyID names the key that signs tokens here.
const keyID = "devstack"

// services are the processes of Touchline on this machine.
type services struct {
	opts    Options
	ports   ports
	secrets secrets
	stack   *server.Stack
	screen  *screen

	children []*child.Child // in order of starting
}

// endStale ends processes that an earlier, killed devstack left behind, so that
// their ports are free again. There may have been more workers than there will be.
func endStale(opts Options) error {
	left, err := filepath.Glob(opts.path("worker*.pid"))
	if err != nil {
		return err
	}
	for _, file := range append(left, opts.path("api.pid")) {
		if err := child.EndStale(file, "attribution", syscall.SIGTERM); err != nil {
			return err
		}
	}
	return child.EndStale(opts.path("tracking.pid"), "tracking", syscall.SIGTERM)
}

// migrate brings the schema up to date.
func (s *services) migrate(ctx context.Context) error {
	_, err := s.attribution(ctx, "migrate")
	return err
}

// attribution runs the attribution binary to its end and returns its output.
func (s *services) attribution(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, s.binary("attribution"), args...)
	cmd.Env = s.environment(0, s.ports.Workers[0])
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("attribution %s: %w\n%s", args[0], err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// process is one process of Touchline: a binary with arguments, and its ports.
type process struct {
	name, binary string
	args         []string
	port, admin  int
}

// processes lists all of them in the order in which they are started: the first
// worker publishes who may send, and tracking is ready once that is done.
func (s *services) processes() []process {
	var all []process
	for i, admin := range s.ports.Workers {
		name := "worker"
		if i > 0 {
			name = fmt.Sprintf("worker-%d", i+1)
		}
		all = append(all, process{name, "attribution", []string{"worker"}, 0, admin})
	}
	return append(all,
		process{"api", "attribution", []string{"api"}, s.ports.API, s.ports.APIAdmin},
		process{"tracking", "tracking", nil, s.ports.Tracking, s.ports.TrackingAdmin},
	)
}

// start starts all processes; what could be started is stopped by stop, also after
// an error.
func (s *services) start(ctx context.Context) error {
	for _, one := range s.processes() {
		c, err := child.Start(ctx, child.Spec{
			Name: one.name, Path: s.binary(one.binary), Args: one.args, Env: s.environment(one.port, one.admin),
			Log: filepath.Join(s.opts.path("logs"), one.name+".log"), PID: s.opts.path(one.name + ".pid"), Grace: 10 * time.Second,
			Ready: ready(origin(one.admin) + "/readyz"),
			Note:  func(line string) { s.screen.say("%s", line) },
		})
		if err != nil {
			return err
		}
		s.children = append(s.children, c)
		s.screen.say("  %-9s process %d, log %s", one.name, c.PID(), filepath.Join(s.opts.path("logs"), one.name+".log"))
	}
	return nil
}

// stop ends the processes, the last first, and returns when they are gone.
func (s *services) stop() {
	for i := len(s.children) - 1; i >= 0; i-- {
		s.children[i].Stop()
	}
	s.children = nil
}

func (s *services) binary(name string) string {
	path, err := filepath.Abs(filepath.Join(s.opts.Bin, name))
	if err != nil {
		return filepath.Join(s.opts.Bin, name) // no working folder: starting it says so
	}
	return path
}

// environment is the whole configuration of a process. Its variables are
// documented in each service's app/config.go.
func (s *services) environment(port, admin int) []string {
	var env []string
	for _, setting := range os.Environ() { // what somebody sets to try it out
		if strings.HasPrefix(setting, "TOUCHLINE_") {
			env = append(env, setting)
		}
	}
	env = append(env,
		"PATH="+os.Getenv("PATH"), "HOME="+os.Getenv("HOME"), "TZ=UTC",
		"DATABASE_URL="+s.stack.DatabaseURL,
		"REDIS_URL="+s.stack.RedisURL,
		"TOUCHLINE_REGISTRY_KEY="+s.secrets.RegistryKey,
		"TOUCHLINE_IDENTITY_KEY="+s.secrets.IdentityKey,
		"TOUCHLINE_JWT_KEYS="+keyID+"="+s.secrets.JWTKey,
		"TOUCHLINE_TRACKING_URL="+origin(s.ports.Tracking),
		"TOUCHLINE_ADMIN_ADDR="+address(admin),
		"TOUCHLINE_REGISTRY_SNAPSHOT="+s.opts.path("registry.snapshot"),
		"TOUCHLINE_SPOOL_DIR="+s.opts.path("spool"),
	)
	if port != 0 {
		env = append(env, "TOUCHLINE_ADDR="+address(port))
	}
	if s.stack.EmbeddedRedis {
		env = append(env, "TOUCHLINE_REDIS_EMBEDDED=true")
	}
	return env
}

// ready asks a readiness endpoint.
func ready(url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, resp.Status)
		}
		return nil
	}
}

// token has the attribution service sign a token for a role; the role platform
// has no workspace.
func (s *services) token(ctx context.Context, role, workspace string) (string, error) {
	args := []string{"token", "--role", role, "--subject", "devstack"}
	if workspace != "" {
		args = append(args, "--workspace", workspace)
	}
	return s.attribution(ctx, args...)
}
