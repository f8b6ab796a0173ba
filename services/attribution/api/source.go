package api

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
)

// keyBytes make a write key of 32 characters, 192 bits.
const keyBytes = 24

// CreateSource answers POST /v1/sources.
func (s *Server) CreateSource(ctx context.Context, request gen.CreateSourceRequestObject) (gen.CreateSourceResponseObject, error) {
	caller := sessionOf(ctx)
	if faults := sourceFaults(request.Body); len(faults) > 0 {
		return nil, problem(http.StatusUnprocessableEntity, "The source makes no sense.", faults...)
	}
	source, err := newSource(caller.workspace, request.Body)
	if err != nil {
		return nil, err
	}
	if err := s.addSource(ctx, source, request.Body.Country); err != nil {
		return nil, err
	}
	s.cfg.Log.Info("source created", "workspace", caller.workspace, "source", source.ID, "kind", source.Kind, "by", caller.Subject)
	return gen.CreateSource201JSONResponse{Id: source.ID, WriteKey: source.WriteKey, WebhookPath: webhookPath(source.Kind, source.ID)}, nil
}

// addSource stores a source and makes it known to the edge before it commits: a
// source that is stored is known, and one that could not be made known is not stored.
func (s *Server) addSource(ctx context.Context, source registry.Source, country *string) error {
	sealed, err := s.cfg.Sealed.Seal(source.ID.String(), source.Config)
	if err != nil {
		return err
	}
	err = s.cfg.Store.InWorkspace(ctx, source.Workspace, func(ctx context.Context, tx *postgres.Tx) error {
		if err := tx.LockRegistry(ctx); err != nil {
			return err
		}
		workspace, err := tx.WorkspaceGet(ctx, source.Workspace)
		if err != nil {
			return err
		}
		if source.Country == "" && workspace.Country != nil {
			source.Country = *workspace.Country
		}
		err = tx.SourceInsert(ctx, dbsqlc.SourceInsertParams{
			WorkspaceID: source.Workspace, SourceID: source.ID, Kind: source.Kind, Name: source.Name, Country: country,
			WriteKey: source.WriteKey, Config: sealed, CreatedAt: s.cfg.Now().UTC(),
		})
		if err != nil {
			return err
		}
		if err := s.cfg.Sources.Put(ctx, source); err != nil {
			return fmt.Errorf("%w: %w", errPublish, err)
		}
		return nil
	})
	if err == nil {
		return nil
	}
	// It may be known although it is not stored. Should this fail too, the worker's
	// next start sets it right.
	if undo := s.cfg.Sources.Delete(context.WithoutCancel(ctx), source.ID); undo != nil {
		s.cfg.Log.Warn("source stays published", "source", source.ID, "error", undo)
	}
	return fmt.Errorf("create source: %w", err)
}

func newSource(workspace uuid.UUID, asked *gen.SourceCreate) (registry.Source, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return registry.Source{}, fmt.Errorf("make an id: %w", err)
	}
	key := make([]byte, keyBytes)
	if _, err := rand.Read(key); err != nil {
		return registry.Source{}, fmt.Errorf("make a write key: %w", err)
	}
	source := registry.Source{
		ID: id, Workspace: workspace, Kind: string(asked.Kind), Name: strings.TrimSpace(asked.Name),
		WriteKey: base64.RawURLEncoding.EncodeToString(key), Config: sourceConfig(asked.Config),
	}
	if asked.Country != nil {
		source.Country = *asked.Country
	}
	return source, nil
}

func sourceConfig(asked *gen.SourceConfig) registry.SourceConfig {
	if asked == nil {
		return registry.SourceConfig{}
	}
	config := registry.SourceConfig{AppSecret: text(asked.AppSecret), VerifyToken: text(asked.VerifyToken), Secret: text(asked.Secret)}
	if asked.AppSecrets != nil {
		config.AppSecrets = *asked.AppSecrets
	}
	if asked.Cookie != nil {
		config.Cookie = &registry.Cookie{Name: registry.CookieName, Days: registry.CookieDays}
		if asked.Cookie.Name != nil {
			config.Cookie.Name = *asked.Cookie.Name
		}
		if asked.Cookie.Days != nil {
			config.Cookie.Days = *asked.Cookie.Days
		}
	}
	return config
}

// sourceFaults finds config that is missing, and config that its kind does not read.
func sourceFaults(asked *gen.SourceCreate) []httpserver.FieldError {
	var faults []httpserver.FieldError
	fault := func(pointer, detail string) {
		faults = append(faults, httpserver.FieldError{Pointer: pointer, Detail: detail})
	}
	if strings.TrimSpace(asked.Name) == "" {
		fault("/name", "is empty")
	}
	if asked.Country != nil && !isCountry(*asked.Country) {
		fault("/country", "is no ISO 3166-1 alpha-2 code")
	}
	kind, config := string(asked.Kind), sourceConfig(asked.Config)
	for _, name := range configured(config) {
		if !strings.Contains(configOf(kind), name+" ") {
			fault("/config/"+name, "means nothing for a source of kind "+kind)
		}
	}
	switch {
	case kind == registry.KindWebhook && config.Secret == "":
		fault("/config/secret", "is needed: it signs the bodies")
	case kind == registry.KindWhatsApp:
		if config.AppSecret == "" && len(config.AppSecrets) == 0 {
			fault("/config/app_secret", "is needed: it signs Meta's callbacks")
		}
		if config.VerifyToken == "" {
			fault("/config/verify_token", "is needed: Meta repeats it when it verifies the address")
		}
	}
	return faults
}

// configOf lists the config that a kind reads, each name followed by a space.
func configOf(kind string) string {
	switch kind {
	case registry.KindPixel:
		return "cookie "
	case registry.KindWebhook:
		return "secret "
	case registry.KindWhatsApp:
		return "app_secret app_secrets verify_token "
	}
	return ""
}

// configured names the entries that are set.
func configured(config registry.SourceConfig) []string {
	names := []string{}
	for _, entry := range []struct {
		name string
		set  bool
	}{
		{"app_secret", config.AppSecret != ""},
		{"app_secrets", len(config.AppSecrets) > 0},
		{"verify_token", config.VerifyToken != ""},
		{"secret", config.Secret != ""},
		{"cookie", config.Cookie != nil},
	} {
		if entry.set {
			names = append(names, entry.name)
		}
	}
	return names
}

// ListSources answers GET /v1/sources.
func (s *Server) ListSources(ctx context.Context, _ gen.ListSourcesRequestObject) (gen.ListSourcesResponseObject, error) {
	caller := sessionOf(ctx)
	var rows []dbsqlc.SourceListRow
	err := s.cfg.Store.InWorkspace(ctx, caller.workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if _, err = tx.WorkspaceGet(ctx, caller.workspace); err != nil {
			return err
		}
		rows, err = tx.SourceList(ctx, caller.workspace)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sources: %w", err)
	}
	answer := gen.ListSources200JSONResponse{Data: []gen.Source{}}
	for i := range rows {
		shown, err := s.shownSource(&rows[i], caller)
		if err != nil {
			return nil, err
		}
		answer.Data = append(answer.Data, shown)
	}
	return answer, nil
}

func (s *Server) shownSource(stored *dbsqlc.SourceListRow, caller session) (gen.Source, error) {
	var config registry.SourceConfig
	if err := s.cfg.Sealed.Open(stored.SourceID.String(), stored.Config, &config); err != nil {
		return gen.Source{}, fmt.Errorf("show source %s: %w", stored.SourceID, err)
	}
	shown := gen.Source{
		Id: stored.SourceID, Kind: gen.SourceKind(stored.Kind), Name: stored.Name, Country: stored.Country,
		WebhookPath: webhookPath(stored.Kind, stored.SourceID), Configured: configured(config),
		CreatedAt: row.InstantOf(stored.CreatedAt), Disabled: stored.DisabledAt != nil,
	}
	if caller.Role == token.Admin || caller.Role == token.Platform {
		shown.WriteKey = &stored.WriteKey
	}
	return shown, nil
}

// webhookPath is where callbacks of a source arrive; empty for kinds that have none.
func webhookPath(kind string, id uuid.UUID) string {
	if kind != registry.KindWhatsApp && kind != registry.KindWebhook {
		return ""
	}
	return "/webhooks/" + kind + "/" + id.String()
}

func text(maybe *string) string {
	if maybe == nil {
		return ""
	}
	return *maybe
}
