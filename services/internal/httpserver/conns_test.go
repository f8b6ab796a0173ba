package httpserver

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

func TestLimitConns(t *testing.T) {
	t.Parallel()
	loopback := netip.MustParsePrefix("127.0.0.0/8")
	for name, c := range map[string]struct {
		limits ConnLimits
		served int
	}{
		"none":              {ConnLimits{}, 5},
		"total":             {ConnLimits{Total: 3}, 3},
		"per peer":          {ConnLimits{Total: 4, PerPeer: 2}, 2},
		"a proxy is exempt": {ConnLimits{Total: 4, PerPeer: 2, Exempt: []netip.Prefix{loopback}}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := Listen("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
			if err != nil {
				t.Fatal(err)
			}
			s.LimitConns(c.limits)
			ctx, stop := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() { done <- Run(ctx, time.Minute, s) }()
			var open []net.Conn
			for range 5 {
				if conn := talk(t, s.Addr()); conn != nil {
					open = append(open, conn)
				}
			}
			if len(open) != c.served {
				t.Errorf("%d connections were served, want %d", len(open), c.served)
			}
			// A place is free again once somebody leaves.
			_ = open[0].Close()
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
				if conn := talk(t, s.Addr()); conn != nil {
					open = append(open, conn)
					break
				}
				<-time.After(10 * time.Millisecond)
			}
			if len(open) != c.served+1 {
				t.Error("no place became free")
			}
			for _, conn := range open {
				_ = conn.Close()
			}
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}

// talk opens a connection and keeps it after one request; nil when it is refused.
func talk(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil // reset before it was told that it is open
	}
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if err == nil {
		_, err = io.ReadFull(conn, make([]byte, 10))
	}
	if err == nil {
		return conn
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		t.Fatal(err)
	}
	_ = conn.Close()
	return nil
}
