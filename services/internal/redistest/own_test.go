package redistest

import (
	"net"
	"strings"
	"testing"
)

// A server that can't have its port says so at once, with what it logged, though whoever
// has the port does not answer as a Redis.
func TestServer_start(t *testing.T) {
	t.Parallel()
	s := Own(t)
	s.Kill()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", s.port))
	if err != nil {
		t.Fatal(err)
	}
	go func() { // hangs up on everybody
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
	if err := s.start(); err == nil || !strings.Contains(err.Error(), "ddress already in use") {
		t.Errorf("with its port taken: %v", err)
	}
	s.Kill()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	s.Start()
}
