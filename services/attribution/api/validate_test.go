package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/touchline/touchline/services/attribution/token"
	"github.com/touchline/touchline/services/internal/httpserver"
)

func TestValidate_FaultsAreForPeople(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	for query, want := range map[string]string{
		"limit=0":        "must be at least 1",
		"limit=some":     "must be a whole number",
		"pii=plain":      "must be true or false",
		"limit=5000000":  "must be at most 1000",
		"from=yesterday": "must be a time like 2026-05-04T12:00:00Z",
	} {
		var answer httpserver.Problem
		r.call(http.MethodGet, "/v1/attributions?"+query, r.token(token.Admin, workspace), nil).into(t, http.StatusBadRequest, &answer)
		if len(answer.Errors) != 1 || !strings.HasPrefix(answer.Errors[0].Detail, want) {
			t.Errorf("%s: %+v, want %q", query, answer.Errors, want)
		}
	}
}

// What there is says /openapi.yaml to everybody, so that nothing is told by saying so.
func TestRoutes_WhatIsNotThereIsNotForbidden(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	for _, bearer := range []string{r.token(token.Admin, workspace), ""} {
		for call, allow := range map[string]string{
			"GET /v1/nothing": "", "PUT /v1/": "", "POST /v1/attributions": "OPTIONS, GET", "GET /v1/workspaces": "OPTIONS, POST",
			"HEAD /v1/policy": "OPTIONS, GET, PUT", "PATCH /v1/workspaces/" + workspace.String(): "OPTIONS, DELETE",
		} {
			method, path, _ := strings.Cut(call, " ")
			got, want := r.call(method, path, bearer, nil), http.StatusMethodNotAllowed
			if allow == "" {
				want = http.StatusNotFound
			}
			if got.status != want || got.header.Get("Allow") != allow || got.header.Get("Content-Type") != httpserver.ContentType {
				t.Errorf("%s: %d, Allow %q, %s", call, got.status, got.header.Get("Allow"), got.body)
			}
		}
	}
}

// A body of another type is refused in words, by every call in the same.
func TestValidate_TypeOfTheBody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, admin := r.workspace(nil)
	for call, path := range map[string]string{http.MethodPut: "/v1/policy", http.MethodPost: "/v1/sources"} {
		var answer httpserver.Problem
		r.call(call, path, admin, `{}`, "Content-Type", "text/plain").into(t, http.StatusUnsupportedMediaType, &answer)
		if answer.Detail != "The body must be application/json." {
			t.Errorf("%s %s: %+v", call, path, answer)
		}
	}
}
