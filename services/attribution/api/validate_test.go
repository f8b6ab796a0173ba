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
		"limit=0":        "minimum: got 0, want 1",
		"limit=some":     "must be a whole number",
		"pii=plain":      "must be true or false",
		"from=yesterday": "'yesterday' is not valid date-time",
	} {
		var answer httpserver.Problem
		r.call(http.MethodGet, "/v1/attributions?"+query, r.token(token.Admin, workspace), nil).into(t, http.StatusBadRequest, &answer)
		if len(answer.Errors) != 1 || !strings.HasPrefix(answer.Errors[0].Detail, want) {
			t.Errorf("%s: %+v, want %q", query, answer.Errors, want)
		}
	}
}

func TestRoutes_WhatIsNotThereIsNotForbidden(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	workspace, _ := r.workspace(nil)
	for _, call := range []string{"GET /v1/nothing", "POST /v1/attributions", "GET /v1/workspaces"} {
		method, path, _ := strings.Cut(call, " ")
		r.call(method, path, r.token(token.Admin, workspace), nil).into(t, http.StatusNotFound, nil)
		r.call(method, path, "", nil).into(t, http.StatusUnauthorized, nil)
	}
}
