package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// CreateWorkspace answers POST /v1/workspaces.
func (s *Server) CreateWorkspace(ctx context.Context, request gen.CreateWorkspaceRequestObject) (gen.CreateWorkspaceResponseObject, error) {
	asked, caller, now := request.Body, sessionOf(ctx), s.cfg.Now().UTC()
	if faults := workspaceFaults(asked); len(faults) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, "The workspace makes no sense.", faults...)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("make an id: %w", err)
	}
	workspace := dbsqlc.WorkspaceInsertParams{
		WorkspaceID: id, Name: strings.TrimSpace(asked.Name), Currency: asked.Currency, Timezone: asked.Timezone,
		Country: asked.Country, Demo: asked.Demo != nil && *asked.Demo, CreatedAt: now,
	}
	first := policy.Default()
	draft := postgres.PolicyDraft{Policy: &first, Reference: s.cfg.Reference, By: caller.Subject, At: now}
	if err := s.cfg.Store.WorkspaceCreate(ctx, workspace, draft); err != nil {
		return nil, err
	}
	admin := token.Claims{Subject: caller.Subject, Workspace: id, Role: token.Admin}
	text, err := s.cfg.Keys.Mint(admin, now, s.cfg.TokenLife)
	if err != nil {
		return nil, err
	}
	s.cfg.Log.Info("workspace created", "workspace", id, "by", caller.Subject)
	return gen.CreateWorkspace201JSONResponse{Id: id, Token: text}, nil
}

// workspaceFaults finds what the schema cannot: names that only look right.
func workspaceFaults(asked *gen.WorkspaceCreate) []httpserver.FieldError {
	var faults []httpserver.FieldError
	fault := func(pointer, detail string) {
		faults = append(faults, httpserver.FieldError{Pointer: pointer, Detail: detail})
	}
	if strings.TrimSpace(asked.Name) == "" {
		fault("/name", "is empty")
	}
	if _, err := currency.ParseISO(asked.Currency); err != nil {
		fault("/currency", "is no ISO 4217 code")
	}
	// "Local" and "" would mean another zone on every machine.
	if _, err := time.LoadLocation(asked.Timezone); err != nil || asked.Timezone == "Local" {
		fault("/timezone", "is no name of the IANA time zone database")
	}
	if asked.Country != nil && !isCountry(*asked.Country) {
		fault("/country", "is no ISO 3166-1 alpha-2 code")
	}
	return faults
}

func isCountry(code string) bool {
	region, err := language.ParseRegion(code)
	return err == nil && region.IsCountry()
}

// GetWorkspace answers GET /v1/workspaces/current.
func (s *Server) GetWorkspace(ctx context.Context, _ gen.GetWorkspaceRequestObject) (gen.GetWorkspaceResponseObject, error) {
	caller := sessionOf(ctx)
	found, err := s.cfg.Store.WorkspaceLookup(ctx, caller.workspace)
	if err != nil {
		return nil, err
	}
	return gen.GetWorkspace200JSONResponse{
		Id: found.WorkspaceID, Name: found.Name, Currency: found.Currency, Timezone: found.Timezone, Country: found.Country,
		Demo: found.Demo, CreatedAt: row.InstantOf(found.CreatedAt), Role: gen.WorkspaceRole(caller.Role),
	}, nil
}

// DeleteWorkspace answers DELETE /v1/workspaces/{id}.
func (s *Server) DeleteWorkspace(ctx context.Context, request gen.DeleteWorkspaceRequestObject) (gen.DeleteWorkspaceResponseObject, error) {
	caller := sessionOf(ctx)
	if err := s.mayDelete(ctx, caller, request.Id); err != nil {
		return nil, err
	}
	// The edge first: what it no longer accepts cannot arrive after the rows are gone.
	// And again afterwards, for sources that were made in between.
	sources, err := s.sourceIDs(ctx, request.Id)
	if err != nil {
		return nil, err
	}
	if err := s.withdraw(ctx, sources); err != nil {
		return nil, err
	}
	if sources, err = s.cfg.Store.WorkspaceErase(ctx, request.Id); err != nil {
		return nil, err
	}
	if err := s.withdraw(ctx, sources); err != nil {
		return nil, err
	}
	s.cfg.Log.Info("workspace deleted", "workspace", request.Id, "by", caller.Subject)
	return gen.DeleteWorkspace204Response{}, nil
}

// mayDelete lets an admin delete its own workspace when that is a demo, or gone.
func (s *Server) mayDelete(ctx context.Context, caller session, workspace uuid.UUID) error {
	if caller.Role == token.Platform {
		return nil
	}
	if workspace != caller.Workspace {
		return notFound()
	}
	found, err := s.cfg.Store.WorkspaceLookup(ctx, workspace)
	if errors.Is(err, postgres.ErrNotFound) {
		return nil
	}
	if err == nil && !found.Demo {
		return problem(http.StatusForbidden, "Only a demo can be deleted by its own admin; this workspace is none.")
	}
	return err
}

func (s *Server) sourceIDs(ctx context.Context, workspace uuid.UUID) ([]uuid.UUID, error) {
	var ids []uuid.UUID
	err := s.cfg.Store.InWorkspace(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) error {
		ids = nil
		rows, err := tx.SourceList(ctx, workspace)
		for _, r := range rows {
			ids = append(ids, r.SourceID)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	return ids, nil
}

func (s *Server) withdraw(ctx context.Context, sources []uuid.UUID) error {
	for _, id := range sources {
		if err := s.cfg.Sources.Delete(ctx, id); err != nil {
			return fmt.Errorf("%w: %w", errPublish, err)
		}
	}
	return nil
}
