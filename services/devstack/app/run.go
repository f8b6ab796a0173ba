package app

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/touchline/touchline/services/devstack/demo"
	"github.com/touchline/touchline/services/devstack/server"
	"github.com/touchline/touchline/services/devstack/shop"
)

// run is one start of the whole.
type run struct {
	opts     Options
	screen   *screen
	state    state
	secrets  secrets
	services *services
	stops    []func()
	creds    credentials
	sent     atomic.Int64 // hits of this run
}

// Run starts everything, plays the demo and returns when ctx ends, with everything
// stopped. The error says what could not be started or went wrong.
func Run(ctx context.Context, opts Options) error {
	r := &run{opts: opts, screen: newScreen(opts.Out)}
	defer r.stop()
	began := time.Now()
	if err := r.up(ctx); err != nil {
		return r.ended(ctx, err)
	}
	r.screen.say("Everything is up after %s.", time.Since(began).Round(100*time.Millisecond))
	if !opts.NoDemo {
		if err := r.playDemo(ctx); err != nil {
			return r.ended(ctx, err)
		}
	}
	r.welcome()
	if opts.NoDemo || opts.NoTraffic {
		<-ctx.Done()
		return r.ended(ctx, nil)
	}
	return r.ended(ctx, r.traffic(ctx))
}

// ended turns whatever error an end by Ctrl-C causes into none.
func (r *run) ended(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	r.screen.say("Stopping …")
	return nil
}

func (r *run) stop() {
	if len(r.stops) == 0 {
		return // nothing was started: another devstack runs here
	}
	for i := len(r.stops) - 1; i >= 0; i-- {
		r.stops[i]()
	}
	r.screen.say("Stopped. The data stays in %s; make run goes on from there.", r.opts.Dir)
}

// up brings up servers, services, workspace and credentials.
func (r *run) up(ctx context.Context) error {
	r.screen.say("Starting the servers")
	stack, err := server.Start(ctx, server.Options{
		Dir: r.opts.Dir, Cache: r.opts.path("cache"), Embedded: r.opts.Embedded,
		DatabaseURL: r.opts.DatabaseURL, RedisURL: r.opts.RedisURL,
		Say: func(line string) { r.screen.say("  %s", line) },
	})
	if err != nil {
		return err
	}
	r.stops = append(r.stops, stack.Stop)
	for _, line := range stack.Banner {
		r.screen.say("  ! %s", line)
	}
	if err := r.recall(); err != nil {
		return err
	}
	r.services = &services{opts: r.opts, ports: r.state.Ports, secrets: r.secrets, stack: stack, screen: r.screen}
	r.screen.say("Bringing the schema up to date")
	if err := r.services.migrate(ctx); err != nil {
		return err
	}
	r.screen.say("Starting the services")
	r.stops = append(r.stops, r.services.stop)
	if err := r.services.start(ctx); err != nil {
		return err
	}
	return r.signIn(ctx)
}

// recall reads what earlier starts left.
func (r *run) recall() (err error) {
	if r.secrets, err = loadSecrets(r.opts.path("secrets.json")); err != nil {
		return err
	}
	if err := load(r.opts.path("state.json"), &r.state); err != nil {
		return err
	}
	if err := endStale(r.opts); err != nil {
		return err
	}
	if err := r.state.Ports.choose(max(1, r.opts.Workers)); err != nil {
		return err
	}
	return r.remember()
}

func (r *run) remember() error { return save(r.opts.path("state.json"), r.state) }

// signIn makes the tokens, finds or makes the workspace and writes the credentials.
func (r *run) signIn(ctx context.Context) error {
	platformToken, err := r.services.token(ctx, "platform", "")
	if err != nil {
		return err
	}
	r.creds = credentials{
		TrackingURL: origin(r.state.Ports.Tracking), APIURL: origin(r.state.Ports.API),
		DashboardURL: origin(r.state.Ports.API) + "/", AdminToken: platformToken,
	}
	if r.state.Workspace.ID != "" {
		if r.creds.WorkspaceToken, err = r.services.token(ctx, "admin", r.state.Workspace.ID); err != nil {
			return err
		}
		there, err := exists(ctx, r.admin())
		if err != nil {
			return err
		}
		if !there {
			r.screen.say("  the demo workspace is gone, making a new one")
			r.state.Workspace, r.state.WeekEnds, r.state.WeekPlayed = workspace{}, time.Time{}, false
		}
	}
	made, token, err := ensureWorkspace(ctx, client{url: r.creds.APIURL, token: platformToken}, &r.state, r.secrets)
	if err != nil {
		return err
	}
	if made {
		r.creds.WorkspaceToken = token
	}
	r.creds.WorkspaceID = r.state.Workspace.ID
	r.creds.WriteKey, r.creds.ServerKey = r.state.Workspace.Keys.PixelKey, r.state.Workspace.Keys.ServerKey
	if err := r.remember(); err != nil {
		return err
	}
	return save(r.opts.path("credentials.json"), r.creds)
}

// admin calls the API as the demo workspace's admin.
func (r *run) admin() client { return client{url: r.creds.APIURL, token: r.creds.WorkspaceToken} }

func (r *run) player() *demo.Player {
	return &demo.Player{URL: r.creds.TrackingURL, Keys: r.state.Workspace.Keys}
}

// playDemo opens the shop, sends the made-up week unless an earlier start did, and
// prints rows of the table.
func (r *run) playDemo(ctx context.Context) error {
	if err := r.openShop(); err != nil {
		return err
	}
	if r.state.WeekEnds.IsZero() {
		r.state.WeekEnds = time.Now().UTC().Truncate(time.Second)
		if err := r.remember(); err != nil {
			return err
		}
	}
	if r.state.WeekPlayed {
		r.screen.say("The made-up week is there already")
	} else {
		if err := r.playWeek(ctx); err != nil {
			return err
		}
		r.state.WeekPlayed = true
		if err := r.remember(); err != nil {
			return err
		}
	}
	rows, err := r.admin().rows(ctx, "last_touch", r.state.WeekEnds.Add(-8*24*time.Hour))
	if err != nil {
		return err
	}
	picked := mixed(rows, 18)
	r.screen.say("\nThe attribution table, model last_touch, %d of %d rows:\n\n%s", len(picked), len(rows), table(picked))
	return nil
}

// playWeek sends the week and waits until the table is up to date with it.
func (r *run) playWeek(ctx context.Context) error {
	const seed = 42
	hits := demo.Week(seed, r.state.WeekEnds)
	r.screen.say("Playing a made-up week: %d hits of %d customers", len(hits), demo.Customers)
	began := time.Now()
	err := r.player().PlayAtOnce(ctx, hits, func(n int) {
		r.screen.progress(time.Now(), fmt.Sprintf("  sent %d of %d", r.sent.Add(int64(n)), len(hits)))
	})
	if err != nil {
		return err
	}
	const patience = 10 * time.Minute
	for deadline := time.Now().Add(patience); ; {
		b, err := r.admin().books(ctx)
		if err != nil {
			return err
		}
		// What the edge keeps on its disk, as Redis is slow, is in no books yet.
		if b.Pending == 0 && b.Accepted >= int64(len(hits)) {
			r.screen.say("  sent and attributed in %s: %s", time.Since(began).Round(100*time.Millisecond), b)
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still pending after %s: %s; look into %s", patience, b, r.opts.path("logs/worker.log"))
		}
		r.screen.progress(time.Now(), fmt.Sprintf("  sent; %d of %d not yet in the table", int64(len(hits))-b.Accepted+b.Pending, len(hits)))
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

func (b books) String() string {
	return fmt.Sprintf("accepted %d = stored %d + duplicate %d + conflict %d + rejected %d + pending %d",
		b.Accepted, b.Stored, b.Duplicate, b.Conflict, b.Rejected, b.Pending)
}

// openShop serves the shop until the run stops.
func (r *run) openShop() error {
	handler, err := shop.New(shop.Config{
		TrackingURL: r.creds.TrackingURL, WriteKey: r.creds.WriteKey,
		ScriptPath: os.Getenv("TOUCHLINE_PIXEL_SCRIPT_PATH"), EventPath: os.Getenv("TOUCHLINE_PIXEL_EVENT_PATH"), // as the service has them
	})
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address(r.state.Ports.Shop))
	if err != nil {
		return fmt.Errorf("serve the shop: %w", err)
	}
	srv := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = srv.Serve(listener) }()
	r.stops = append(r.stops, func() { _ = srv.Close() })
	return nil
}

// welcome prints where everything is.
func (r *run) welcome() {
	say := r.screen.say
	if !r.opts.NoDemo {
		say("  Shop          %s/", origin(r.state.Ports.Shop))
		say("                %s/?mt=%s   as customer 1 opens it from a message", origin(r.state.Ports.Shop), demo.TryToken)
	}
	say("  First page    %s#token=%s", r.creds.DashboardURL, r.creds.WorkspaceToken)
	say("  API docs      %s/docs", r.creds.APIURL)
	say("  Tracking      %s", r.creds.TrackingURL)
	say("  Credentials   %s", r.opts.path("credentials.json"))
	if !r.opts.NoDemo {
		say("\n  Delete the demo: curl -X DELETE -H \"Authorization: Bearer $(sed -n 's/.*\"workspace_token\": \"\\(.*\\)\".*/\\1/p' %s)\" %s/v1/workspaces/%s",
			r.opts.path("credentials.json"), r.creds.APIURL, r.creds.WorkspaceID)
	}
	say("\nReady. Ctrl-C stops everything.")
}
