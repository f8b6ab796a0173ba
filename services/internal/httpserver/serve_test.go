package httpserver

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func mustListen(t *testing.T, h http.Handler) *Server {
	t.Helper()
	s, err := Listen("127.0.0.1:0", h)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// run starts servers; the function returned stops them and gives Run's error.
func run(t *testing.T, drain time.Duration, servers ...*Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, drain, servers...) }()
	t.Cleanup(cancel)
	return func() error {
		cancel()
		return <-ended
	}
}

func get(t *testing.T, url string) (status int, body string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestRun_FinishesRequestsThatHaveBegun(t *testing.T) {
	t.Parallel()
	begun, finish := make(chan struct{}), make(chan struct{})
	s := mustListen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		<-finish
		_, _ = io.WriteString(w, "done")
	}))
	stop := run(t, 10*time.Second, s)
	answered := make(chan string, 1)
	go func() {
		answer, err := http.Get("http://" + s.Addr())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		answered <- string(text)
	}()
	<-begun
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	waitRefused(t, s.Addr())
	close(finish)
	if got := <-answered; got != "done" {
		t.Errorf("the request in flight got %q", got)
	}
	if err := <-stopped; err != nil {
		t.Errorf("run: %v", err)
	}
}

// waitRefused polls until nothing listens.
func waitRefused(t *testing.T, addr string) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	for {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		_ = conn.Close()
		if time.Now().After(deadline) {
			t.Fatal("connections are still accepted")
		}
	}
}

func TestRun_CutsWhatOutlastsTheDrain(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	s := mustListen(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	stop := run(t, 20*time.Millisecond, s)
	go func() {
		if answer, err := http.Get("http://" + s.Addr()); err == nil {
			answer.Body.Close()
		}
	}()
	<-begun
	if err := stop(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("run: %v, want a deadline exceeded", err)
	}
}

func TestRun_OneFailingStopsAll(t *testing.T) {
	t.Parallel()
	bad, good := mustListen(t, http.NotFoundHandler()), mustListen(t, http.NotFoundHandler())
	_ = bad.listener.Close()
	if err := Run(t.Context(), time.Second, bad, good); err == nil {
		t.Error("a server that cannot serve is no error")
	}
	waitRefused(t, good.Addr())
}

func TestListen_PortInUse(t *testing.T) {
	t.Parallel()
	s := mustListen(t, http.NotFoundHandler())
	if _, err := Listen(s.Addr(), http.NotFoundHandler()); err == nil {
		t.Error("a port was bound twice")
	}
}

func TestListen_LimitsHeaders(t *testing.T) {
	t.Parallel()
	s := mustListen(t, http.NotFoundHandler())
	run(t, time.Second, s)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// net/http allows 4 KiB over the limit.
	go func() {
		_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX-Long: "+strings.Repeat("x", 24<<10)+"\r\n\r\n")
	}()
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil || !strings.Contains(line, " 431 ") {
		t.Errorf("answer %q, %v, want 431", line, err)
	}
	h := s.HTTP
	if h.ReadHeaderTimeout != 5*time.Second || h.ReadTimeout != 15*time.Second ||
		h.WriteTimeout != 20*time.Second || h.IdleTimeout != time.Minute {
		t.Errorf("timeouts %+v", h)
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewCounter(prometheus.CounterOpts{Name: "canary_total"}))
	fails := make(chan error, 10)
	admin, err := ListenAdmin("127.0.0.1:0", Admin(AdminConfig{Gatherer: registry, Checks: []Check{
		{Name: "redis", Run: func(context.Context) error {
			select {
			case err := <-fails:
				return err
			default:
				return nil
			}
		}},
		{Name: "slow", Run: func(ctx context.Context) error {
			if _, limited := ctx.Deadline(); !limited {
				return errors.New("no deadline")
			}
			return nil
		}},
	}}))
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, time.Minute, admin)
	base := "http://" + admin.Addr()

	if status, body := get(t, base+"/healthz"); status != 200 || !strings.Contains(body, `"ok"`) {
		t.Errorf("healthz %d %s", status, body)
	}
	if status, body := get(t, base+"/readyz"); status != 200 || !strings.Contains(body, `"redis":"ok"`) {
		t.Errorf("readyz %d %s", status, body)
	}
	fails <- errors.New("dial redis://:hunter2@host")
	status, body := get(t, base+"/readyz")
	if status != 503 || !strings.Contains(body, `"redis":"failing"`) || !strings.Contains(body, `"slow":"ok"`) {
		t.Errorf("readyz %d %s, want 503", status, body)
	}
	if strings.Contains(body, "hunter2") {
		t.Errorf("readyz shows the cause: %s", body)
	}
	if status, body := get(t, base+"/metrics"); status != 200 || !strings.Contains(body, "canary_total 0") {
		t.Errorf("metrics %d %s", status, body)
	}
	if status, _ := get(t, base+"/debug/pprof/"); status != 200 {
		t.Errorf("pprof %d", status)
	}
	if err := stop(); err != nil {
		t.Errorf("run: %v", err)
	}
}
