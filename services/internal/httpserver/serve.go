package httpserver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// Limits of a connection (slow senders, oversized headers). Reading a body of 4 MB
// within 15 s needs 270 kB/s.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 20 * time.Second
	idleTimeout       = 60 * time.Second
	maxHeaderBytes    = 16 << 10
)

// Server is an HTTP server with its port already bound.
type Server struct {
	HTTP     *http.Server
	listener net.Listener
}

// Listen binds an address, "host:port", at once, so that a port in use is found at
// the start; port 0 takes a free one. It serves only after [Run].
func Listen(addr string, handler http.Handler) (*Server, error) {
	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return &Server{listener: listener, HTTP: &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: readHeaderTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug),
	}}, nil
}

// ListenAdmin is [Listen] for the handler of [Admin], whose profiles take longer to
// write than any other answer.
func ListenAdmin(addr string, handler http.Handler) (*Server, error) {
	s, err := Listen(addr, handler)
	if err == nil {
		s.HTTP.WriteTimeout = 2 * time.Minute
	}
	return s, err
}

// Addr returns the address that is bound, with the real port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Close frees the port of a server that was never run.
func (s *Server) Close() error { return s.HTTP.Close() }

// Run serves until ctx ends or a server fails, then stops the servers one after the
// other in the order given (so the admin port comes last): each accepts nothing more
// and finishes the requests it has. After drain, for all of them together, those left
// are cut off, which is an error.
func Run(ctx context.Context, drain time.Duration, servers ...*Server) error {
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() { failed <- s.HTTP.Serve(s.listener) }()
	}
	var errs []error
	select {
	case <-ctx.Done():
	case err := <-failed:
		errs = append(errs, fmt.Errorf("serve: %w", err))
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	for _, s := range servers {
		if err := s.HTTP.Shutdown(limited); err != nil {
			errs = append(errs, fmt.Errorf("stop %s within %s: %w", s.Addr(), drain, err), s.HTTP.Close())
		}
	}
	return errors.Join(errs...)
}
