package app

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/redistest"
)

// cutting leads to a server, and cuts a connection that says a word so many times.
func cutting(t *testing.T, server, word string, times int32) (address string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	var left atomic.Int32
	left.Store(times)
	pass := func(from net.Conn) {
		defer func() { _ = from.Close() }()
		to, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer func() { _ = to.Close() }()
		go func() { _, _ = io.Copy(from, to) }()
		for piece := make([]byte, 32<<10); ; {
			n, err := from.Read(piece)
			if bytes.Contains(bytes.ToLower(piece[:n]), []byte(word)) && left.Add(-1) >= 0 {
				return
			}
			if _, failed := to.Write(piece[:n]); failed != nil || err != nil {
				return
			}
		}
	}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(from)
		}
	}()
	return listener.Addr().String()
}

// A Redis that answers, and does not say how it is set up, is one that is away: the program goes
// on, and asks again until it knows that it must not use it.
func TestRun_ChecksAgain(t *testing.T) {
	t.Parallel()
	server := redistest.Own(t)
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Addr: to.Host})
	t.Cleanup(func() { _ = client.Close() })
	if err := client.ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err(); err != nil {
		t.Fatal(err)
	}
	to.Host = cutting(t, to.Host, "maxmemory-policy", 2)
	p := start(t, environment("REDIS_URL", to.String()))
	refused(t, strings.TrimPrefix(p.public, "http://"))
	if err := p.stop(); err == nil || !strings.Contains(err.Error(), "allkeys-lru") {
		t.Errorf("it ended with %v, not for what Redis would do", err)
	}
}
