package httpserver

import (
	"net"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// ConnLimits bounds the connections of a [Server]. What is over a limit is closed at
// once, so that those who are served are not slowed by those who cannot be.
type ConnLimits struct {
	Total   int // of all clients; 0: no limit
	PerPeer int // of one address; 0: no limit
	// Exempt are networks that PerPeer does not bind: proxies, which bring many clients.
	Exempt     []netip.Prefix
	Registerer prometheus.Registerer // default none
}

// LimitConns binds limits to a server that does not run yet.
func (s *Server) LimitConns(limits ConnLimits) {
	l := &limitedListener{Listener: s.listener, limits: limits, peers: map[netip.Addr]int{}}
	l.refused = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "touchline_http_connections_refused_total", Help: "Connections closed at once, by the limit that was reached.",
	}, []string{"limit"})
	if limits.Registerer != nil {
		limits.Registerer.MustRegister(l.refused)
	}
	s.listener = l
}

// limitedListener counts the connections that it accepts.
type limitedListener struct {
	net.Listener
	limits  ConnLimits
	refused *prometheus.CounterVec

	mu    sync.Mutex
	total int
	peers map[netip.Addr]int
}

// Accept implements [net.Listener].
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		peer, _ := parseAddr(conn.RemoteAddr().String())
		limit := l.admit(peer)
		if limit == "" {
			return &countedConn{Conn: conn, listener: l, peer: peer}, nil
		}
		l.refused.WithLabelValues(limit).Inc()
		if tcp, ok := conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // nothing of it is to stay, in the kernel either
		}
		_ = conn.Close()
	}
}

// admit counts a connection, or names the limit that refuses it.
func (l *limitedListener) admit(peer netip.Addr) (limit string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Total > 0 && l.total >= l.limits.Total {
		return "total"
	}
	if l.limits.PerPeer > 0 && l.peers[peer] >= l.limits.PerPeer && !contains(l.limits.Exempt, peer) {
		return "peer"
	}
	l.total++
	l.peers[peer]++
	return ""
}

func (l *limitedListener) release(peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.peers[peer]--; l.peers[peer] == 0 {
		delete(l.peers, peer)
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	listener *limitedListener
	peer     netip.Addr
	once     sync.Once
}

// Close implements [net.Conn].
func (c *countedConn) Close() error {
	c.once.Do(func() { c.listener.release(c.peer) })
	return c.Conn.Close()
}
