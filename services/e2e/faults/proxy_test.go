//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/Shopify/toxiproxy/v2/toxics"
	"github.com/rs/zerolog"

	"github.com/touchline/touchline/services/internal/freeport"
)

// proxy is toxiproxy between a service and a server, in this process.
type proxy struct {
	t     testing.TB
	inner *toxiproxy.Proxy
}

// newProxy starts a proxy on a port of its own.
func newProxy(t testing.TB, name, upstream string) *proxy {
	t.Helper()
	registerToxics()
	port, err := freeport.Port()
	if err != nil {
		t.Fatal(err)
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{t: t, inner: toxiproxy.NewProxy(server, name, local(port), upstream)}
	p.heal()
	t.Cleanup(p.inner.Stop)
	return p
}

func (p *proxy) address() string { return p.inner.Listen }

func (p *proxy) port() int {
	_, digits, _ := net.SplitHostPort(p.inner.Listen)
	port, _ := strconv.Atoi(digits) // our own
	return port
}

// refuse closes all connections and refuses new ones, until heal.
func (p *proxy) refuse() { p.inner.Stop() }

// heal ends refuse.
func (p *proxy) heal() {
	p.t.Helper()
	if err := p.inner.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// add puts a toxic on one direction, "upstream" (to the server) or "downstream", until
// the returned function is called.
func (p *proxy) add(kind, direction string, attributes map[string]any) (remove func()) {
	p.t.Helper()
	name := kind + "_" + direction
	body, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": direction, "attributes": attributes})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.inner.Toxics.AddToxicJson(bytes.NewReader(body)); err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if err := p.inner.Toxics.RemoveToxic(context.Background(), name); err != nil {
			p.t.Error(err)
		}
	}
}

// cutToxic closes a connection at the n-th piece of data that holds a text, before that
// piece is passed on. So on the way back it cuts after the server has done its work, on
// the way there before the server has heard of it.
type cutToxic struct {
	Counter string `json:"counter"` // names the counts in [cuts]
	Match   string `json:"match"`   // "": every piece
	At      int64  `json:"at"`      // which one, from 1 over all connections; 0: none, only count
	Every   int64  `json:"every"`   // and then every so many; 0: once
}

// cutCount is what a toxic met.
type cutCount struct{ met, cut atomic.Int64 }

var cuts sync.Map // of *cutCount, by counter

func cutsOf(counter string) *cutCount {
	c, _ := cuts.LoadOrStore(counter, &cutCount{})
	return c.(*cutCount) //nolint:forcetypeassert // nothing else is stored
}

var registerToxics = sync.OnceFunc(func() { toxics.Register("cut", new(cutToxic)) })

// Pipe implements [toxics.Toxic].
func (c *cutToxic) Pipe(stub *toxics.ToxicStub) {
	count := cutsOf(c.Counter)
	for {
		select {
		case <-stub.Interrupt:
			return
		case chunk := <-stub.Input:
			if chunk == nil {
				stub.Close()
				return
			}
			if bytes.Contains(chunk.Data, []byte(c.Match)) && c.due(count.met.Add(1)) {
				count.cut.Add(1)
				stub.Close()
				return
			}
			stub.Output <- chunk
		}
	}
}

func (c *cutToxic) due(n int64) bool {
	if c.At == 0 || n < c.At {
		return false
	}
	return n == c.At || c.Every > 0 && (n-c.At)%c.Every == 0
}

// cut adds a cutToxic. The counts are of this call alone.
func (p *proxy) cut(direction string, toxic cutToxic) (*cutCount, func()) {
	p.t.Helper()
	toxic.Counter = fmt.Sprintf("%s %s %s %p", p.t.Name(), p.inner.Name, direction, new(int))
	return cutsOf(toxic.Counter), p.add("cut", direction, map[string]any{
		"counter": toxic.Counter, "match": toxic.Match, "at": toxic.At, "every": toxic.Every,
	})
}
