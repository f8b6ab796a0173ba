package browser

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// page is one of the shop's.
type page struct {
	tag     string // attributes of the pixel's tag
	use     string // its modules
	head    string // before the tag
	body    string
	headers map[string]string
	noTag   bool // without the pixel
}

// site is a shop of its own origin, whose pages have the pixel.
type site struct {
	server *httptest.Server
	tag    func(p page) string
	edge   http.Handler // behind the path /e

	mu    sync.Mutex
	pages map[string]page
	files map[string]string // of JavaScript
	asked []visit
}

// visit is a request for a page.
type visit struct{ path, purpose string }

// faultsHead keeps what the page's scripts throw, before any other script.
const faultsHead = `<script>window.faults = []; addEventListener('error', function (e) { faults[faults.length] = String(e.message) }); ` +
	`addEventListener('unhandledrejection', function (e) { faults[faults.length] = String(e.reason) }); ` +
	`document.addEventListener('securitypolicyviolation', function (e) { faults[faults.length] = e.violatedDirective })</script>`

func newSite(t testing.TB, tag func(p page) string, edge http.Handler) *site {
	t.Helper()
	s := &site{tag: tag, edge: edge, pages: map[string]page{}, files: map[string]string{}}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

// host is a server of these tests under a name of its own: browsers know that all names
// below localhost are this machine.
func host(server *httptest.Server, name string) string {
	u, err := url.Parse(server.URL)
	if err != nil {
		return server.URL // unreachable
	}
	return "http://" + name + ":" + u.Port()
}

// url is the address of a path of the shop.
func (s *site) url(path string) string { return host(s.server, "shop.localhost") + path }

func (s *site) set(path string, p page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pages[path] = p
}

// file serves JavaScript.
func (s *site) file(path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[path] = text
}

// visits lists the requests for a path.
func (s *site) visits(path string) []visit {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []visit
	for _, v := range s.asked {
		if v.path == path {
			all = append(all, v)
		}
	}
	return all
}

// ServeHTTP implements [http.Handler]. What is below /app is the page of /app, as servers
// of single-page applications have it.
func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/e" {
		s.edge.ServeHTTP(w, r)
		return
	}
	s.mu.Lock()
	s.asked = append(s.asked, visit{r.URL.Path, r.Header.Get("Sec-Purpose")})
	p, there := s.pages[r.URL.Path]
	if first, _, below := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/"); !there && below {
		p, there = s.pages["/"+first]
	}
	file, script := s.files[r.URL.Path]
	s.mu.Unlock()
	if script {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = w.Write([]byte(file))
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	for name, value := range p.headers {
		w.Header().Set(name, value)
	}
	if !there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	tag := ""
	if !p.noTag {
		tag = s.tag(p)
	}
	head := p.head
	if p.headers["Content-Security-Policy"] == "" {
		head = faultsHead + head
	}
	_, _ = fmt.Fprintf(w, "<!doctype html><title>Shop</title>%s%s<body>%s", head, tag, p.body)
}
