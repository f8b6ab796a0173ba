package app

import (
	"bytes"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/freeport"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
	"github.com/touchline/touchline/services/internal/registry"
)

// What the tests of the servers share that stand before an edge.

func freePort(t *testing.T) string {
	t.Helper()
	port, err := freeport.Port()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// listening runs a server until the test ends, and returns when it takes connections.
func listening(t *testing.T, run *exec.Cmd, address string) {
	t.Helper()
	var said bytes.Buffer
	run.Stderr = &said
	run.WaitDelay = time.Minute
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- run.Wait() }()
	t.Cleanup(func() {
		_ = run.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			t.Logf("%s, told to end: %v", run.Path, err)
		case <-time.After(run.WaitDelay):
			_ = run.Process.Kill()
			t.Errorf("%s, told to end, has not after %v: %v", run.Path, run.WaitDelay, <-ended)
		}
	})
	for deadline := time.Now().Add(2 * time.Minute); ; {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return
		}
		select {
		case err := <-ended:
			ended <- err // for the cleanup
			t.Fatalf("%s ended: %v\n%s", run.Path, err, said.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s does not listen after two minutes", run.Path)
		}
	}
}

// newSite registers a pixel with the write key "key", and returns the prefix of its streams.
func newSite(t *testing.T) (prefix string) {
	t.Helper()
	client, prefix := redistest.New(t)
	source := registry.Source{ID: uuid.New(), Workspace: uuid.New(), Kind: registry.KindPixel, WriteKey: "key"}
	if err := registry.NewPublisher(client, prefix, bytes.Repeat([]byte{7}, 32)).Replace(t.Context(), []registry.Source{source}); err != nil {
		t.Fatal(err)
	}
	return prefix
}

// pageView is what the pixel of that site sends of one, with more members.
func pageView(id, more string) string {
	return `{"writeKey":"key","batch":[{"type":"page","messageId":"` + id + `","properties":{"url":"https://www.shop.example/"},"consent":"granted"` + more + `}]}`
}

// from sends a request of a page of www.shop.example out of a loopback address; headers
// come in pairs.
func from(t *testing.T, local, method, address, path, body string, headers ...string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "www.shop.example"
	r.Header.Set("User-Agent", "a browser")
	r.Header.Set("Origin", "https://www.shop.example")
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	transport := &http.Transport{DisableKeepAlives: true, DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(local)}}).DialContext}
	defer transport.CloseIdleConnections()
	return answered(t, transport, r)
}

// withinADay waits for the next UTC day when this one is about to end: who visits without a
// cookie is somebody else then.
func withinADay() {
	now := time.Now()
	if left := now.Truncate(24 * time.Hour).Add(24 * time.Hour).Sub(now); left < time.Minute {
		<-time.After(left)
	}
}

// devicesOf are the devices of so many hits, by their ids.
func devicesOf(t *testing.T, prefix string, hits int) map[string]string {
	t.Helper()
	devices := map[string]string{}
	for _, entry := range readAll(t, newReader(t, prefix), hits) {
		h, err := hit.Decode(entry.Payload)
		if err != nil || h.Rejection != nil || h.Fact.Device == nil {
			t.Fatalf("%+v, %v", h, err)
		}
		devices[h.Fact.ID] = h.Fact.Device.Value
	}
	return devices
}
