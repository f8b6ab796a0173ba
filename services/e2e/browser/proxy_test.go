package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"
)

// verdict is what the proxy does to a request with events.
type verdict int

const (
	pass   verdict = iota
	refuse         // 503, as the edge says it or as a proxy that knows nothing of CORS
	cut            // the connection ends before the edge has heard of it
	lose           // the edge has it, and the browser hears nothing
)

// request is one with events that came to the proxy.
type request struct {
	Batch []sent `json:"batch"`

	verdict verdict
	status  int // of the edge, 0 when it was not asked
	// noCORS tells a beacon, whose answer no script reads.
	noCORS bool
}

// sent is an event as the browser sent it.
type sent struct {
	Type      string `json:"type"`
	MessageID string `json:"messageId"`
	Event     string `json:"event"`
}

// proxy stands before the tracking service. While it is down it ends every connection.
type proxy struct {
	server *httptest.Server
	to     *httputil.ReverseProxy

	mu       sync.Mutex
	judge    func(n int, r *request) verdict // asked for the n-th request with events since set, from 0
	judged   int
	delay    time.Duration // before each is forwarded
	down     bool
	met      int // requests that came while it was down
	requests []*request
}

func newProxy(t testing.TB, upstream string) *proxy {
	t.Helper()
	target, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{to: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // what the edge's cookie is for
	}}}
	p.server = httptest.NewServer(p)
	t.Cleanup(p.server.Close)
	return p
}

// set has the proxy judge from now on.
func (p *proxy) set(judge func(n int, r *request) verdict) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.judge, p.judged = judge, 0
}

// slow has answers take longer.
func (p *proxy) slow(delay time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = delay
}

// outage begins or ends a time without network.
func (p *proxy) outage(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
	if down {
		p.met = 0
		p.server.CloseClientConnections()
	}
}

// refused is how many requests met the outage.
func (p *proxy) refused() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// seen lists the requests with events so far.
func (p *proxy) seen() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []request
	for _, r := range p.requests {
		all = append(all, *r)
	}
	return all
}

// ServeHTTP implements [http.Handler].
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the browser has gone
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.mu.Lock()
	down, delay := p.down, p.delay
	if down {
		p.met++
	}
	var asked *request
	if !down && r.Method == http.MethodPost {
		asked = &request{noCORS: r.Header.Get("Sec-Fetch-Mode") == "no-cors"}
		_ = json.Unmarshal(body, asked) // the edge judges it
		if p.judge != nil {
			asked.verdict = p.judge(p.judged, asked)
			p.judged++
		}
		p.requests = append(p.requests, asked)
	}
	p.mu.Unlock()
	switch {
	case down:
		end(w)
	case asked == nil:
		p.to.ServeHTTP(w, r)
	default:
		time.Sleep(delay)
		p.forward(w, r, asked)
	}
}

// forward does to a request what was decided.
func (p *proxy) forward(w http.ResponseWriter, r *http.Request, asked *request) {
	switch asked.verdict {
	case cut:
		end(w)
		return
	case refuse:
		if len(asked.Batch)%2 == 0 {
			w.Header().Set("Access-Control-Allow-Origin", r.Header.Get("Origin"))
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	// The edge goes on when a browser is gone, and so must we.
	r = r.WithContext(context.WithoutCancel(r.Context()))
	answer := httptest.NewRecorder()
	p.to.ServeHTTP(answer, r)
	p.mu.Lock()
	asked.status = answer.Code
	p.mu.Unlock()
	if asked.verdict == lose {
		end(w)
		return
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // the browser may have gone
}

// end closes a connection without an answer.
func end(w http.ResponseWriter) {
	hijacker, can := w.(http.Hijacker)
	if !can {
		return // unreachable: HTTP/1.1
	}
	if connection, _, err := hijacker.Hijack(); err == nil {
		_ = connection.Close()
	}
}
