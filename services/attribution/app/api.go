package app

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/touchline/touchline/services/attribution/api"
	"github.com/touchline/touchline/services/attribution/dashboard"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/secret"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// RunAPI answers the REST API and the first page until ctx ends, which is no error.
// It refuses to start when row-level security would not bind it.
func RunAPI(ctx context.Context, cfg APIConfig) error {
	p, err := newParts(ctx, cfg.Shared, postgres.RoleAPI, "attribution-api")
	if err != nil {
		return err
	}
	defer p.close()
	public, err := p.public(cfg)
	if err != nil {
		return err
	}
	admin, err := p.admin()
	if err != nil {
		return errors.Join(err, public.Close())
	}
	if cfg.Listening != nil {
		cfg.Listening(public.Addr(), admin.Addr())
	}
	p.log.Info("serving", "addr", public.Addr(), "admin", admin.Addr())
	return httpserver.Run(ctx, cfg.Drain, public, admin)
}

// public opens the port of the API.
func (p *parts) public(cfg APIConfig) (*httpserver.Server, error) {
	keys, err := token.ParseKeyring(cfg.JWTKeys)
	if err != nil {
		return nil, fmt.Errorf("TOUCHLINE_JWT_KEYS: %w", err)
	}
	cursors, err := secret.NewBox(cfg.RegistryKey.Bytes(), "cursor")
	if err != nil {
		return nil, err
	}
	server, err := api.New(api.Config{
		Store: p.pool, Keys: keys, Sources: p.publisher, Books: p.booksOf, Ring: p.ring, Sealed: p.sources, Cursors: cursors,
		TokenLife: cfg.TokenLife, Reference: reference, Now: time.Now, Log: p.log,
		ExplainFacts: cfg.ExplainFacts,
	})
	if err != nil {
		return nil, err
	}
	e := httpserver.New(httpserver.Config{TrustedProxies: cfg.TrustedProxies, Logger: p.log, Registerer: p.metrics})
	server.Register(e)
	if err := dashboard.Register(e); err != nil {
		return nil, err
	}
	return httpserver.Listen(cfg.Addr, e)
}

// Mint signs a token for claims; a ttl of 0 is the default life.
func Mint(cfg Tokens, claims token.Claims, ttl time.Duration) (string, error) {
	keys, err := token.ParseKeyring(cfg.JWTKeys)
	if err != nil {
		return "", fmt.Errorf("TOUCHLINE_JWT_KEYS: %w", err)
	}
	if ttl == 0 {
		ttl = cfg.TokenLife
	}
	return keys.Mint(claims, time.Now(), ttl)
}
