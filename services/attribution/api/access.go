package api

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/token"
)

// rule says who may make a call.
type rule struct {
	roles     []token.Role
	workspace bool // the call acts in one workspace
}

// access is the whole of who may do what, by method and path. A route that is not in
// here is refused; a test holds the table against the OpenAPI document.
func access() map[string]rule {
	everybody := token.Roles()
	owners := []token.Role{token.Platform, token.Admin}
	return map[string]rule{
		"POST /v1/workspaces":                          {roles: []token.Role{token.Platform}},
		"DELETE /v1/workspaces/{id}":                   {roles: owners}, // an admin: its own demo, see DeleteWorkspace
		"GET /v1/workspaces/current":                   {roles: everybody, workspace: true},
		"GET /v1/sources":                              {roles: everybody, workspace: true},
		"POST /v1/sources":                             {roles: owners, workspace: true},
		"GET /v1/policy":                               {roles: everybody, workspace: true},
		"PUT /v1/policy":                               {roles: owners, workspace: true},
		"GET /v1/policy/versions":                      {roles: everybody, workspace: true},
		"GET /v1/policy/versions/{version}/comparison": {roles: everybody, workspace: true}, // rows: admin alone
		"GET /v1/ingestion":                            {roles: everybody, workspace: true},
		"GET /v1/quarantine":                           {roles: owners, workspace: true},
		"GET /v1/quarantine/{id}":                      {roles: owners, workspace: true}, // bytes: admin alone
		"POST /v1/quarantine/replay":                   {roles: owners, workspace: true},
		"POST /v1/quarantine/drop":                     {roles: owners, workspace: true},
		"GET /v1/ingestion/gaps":                       {roles: []token.Role{token.Platform}},
		"GET /v1/attributions":                         {roles: everybody, workspace: true}, // phones in clear: admin alone
		"GET /v1/totals":                               {roles: everybody, workspace: true},
		"GET /v1/diagnostics":                          {roles: everybody, workspace: true},
		"GET /v1/conversions/{id}/explanation":         {roles: everybody, workspace: true}, // identifiers in clear: admin alone, here and below
		"GET /v1/identity/conflicts":                   {roles: everybody, workspace: true},
		"GET /v1/identity/shared":                      {roles: everybody, workspace: true},
		"GET /v1/facts/conflicts":                      {roles: everybody, workspace: true},
	}
}

// session is who makes a call and where. Handlers get it from their context.
type session struct {
	token.Claims
	workspace uuid.UUID  // the call acts in it; [uuid.Nil] where the rule names none
	accept    row.Format // what the answer may be; empty: nothing that there is
}

// seesPersons says whether the caller may see phones, if it asks for them, and plain
// WhatsApp message ids, which contain them.
func (s session) seesPersons() bool { return s.Role == token.Admin }

type sessionKey struct{}

func sessionOf(ctx context.Context) session {
	s, _ := ctx.Value(sessionKey{}).(session)
	return s
}

// authorise lets a call through to its handler when the table allows it.
func (s *Server) authorise(next echo.HandlerFunc) echo.HandlerFunc {
	table := access()
	return func(c echo.Context) error {
		claims, err := s.authenticate(c.Request().Header)
		if err != nil {
			c.Response().Header().Set("WWW-Authenticate", `Bearer realm="touchline"`)
			return err
		}
		wanted, known := table[c.Request().Method+" "+specPath(c.Path())]
		if !known {
			return problem(http.StatusNotFound, "There is no such call. /openapi.yaml lists those that there are.")
		}
		if !slices.Contains(wanted.roles, claims.Role) {
			return problem(http.StatusForbidden, "The role "+string(claims.Role)+" may not do this.")
		}
		now := session{Claims: claims, accept: negotiate(c.Request().Header.Get("Accept"))}
		if wanted.workspace {
			if now.workspace, err = actingIn(claims, c.Request().Header); err != nil {
				return err
			}
		}
		request := c.Request()
		c.SetRequest(request.WithContext(context.WithValue(request.Context(), sessionKey{}, now)))
		return next(c)
	}
}

// authenticate reads the one Authorization header. Every fault has the same answer.
func (s *Server) authenticate(header http.Header) (token.Claims, error) {
	refused := problem(http.StatusUnauthorized, "A valid bearer token is needed.")
	values := header.Values("Authorization")
	if len(values) != 1 {
		return token.Claims{}, refused
	}
	scheme, text, found := strings.Cut(values[0], " ")
	if !found || !strings.EqualFold(scheme, "Bearer") {
		return token.Claims{}, refused
	}
	claims, err := s.cfg.Keys.Parse(strings.TrimSpace(text), s.cfg.Now())
	if errors.Is(err, token.ErrInvalid) {
		s.cfg.Log.Info("token refused", "reason", err.Error())
		return token.Claims{}, refused
	}
	return claims, err
}

// actingIn is the workspace that a call acts in: the token's, or of the role platform
// the one that the header names. Any other than the token's own is not found, whether
// it exists or not.
func actingIn(claims token.Claims, header http.Header) (uuid.UUID, error) {
	values := header.Values("X-Workspace")
	if len(values) == 0 && claims.Role != token.Platform {
		return claims.Workspace, nil
	}
	if len(values) != 1 {
		return uuid.Nil, problem(http.StatusBadRequest, "The role platform names one workspace in the header X-Workspace.")
	}
	named, err := uuid.Parse(values[0])
	if err != nil {
		return uuid.Nil, problem(http.StatusBadRequest, "The header X-Workspace is no UUID.")
	}
	if claims.Role != token.Platform && named != claims.Workspace {
		return uuid.Nil, notFound()
	}
	return named, nil
}

// specPath turns a path of Echo into one of OpenAPI: /a/:id is /a/{id}.
func specPath(path string) string {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, found := strings.CutPrefix(part, ":"); found {
			parts[i] = "{" + name + "}"
		}
	}
	return strings.Join(parts, "/")
}
