package api

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit/canonical"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// validate holds a request against the OpenAPI document, before any handler sees it,
// and answers with everything that is wrong at once.
func (s *Server) validate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		item, operation := s.spec.operation(c.Request().Method, specPath(c.Path()))
		if operation == nil {
			return notFound()
		}
		if err := unknownQuery(c, operation); err != nil {
			return err
		}
		path := map[string]string{}
		for _, name := range c.ParamNames() {
			plain, err := url.PathUnescape(c.Param(name))
			if err != nil {
				return problem(http.StatusBadRequest, "A parameter was not understood.",
					httpserver.FieldError{Pointer: "path " + name, Detail: "is not percent-encoded"})
			}
			path[name] = plain
		}
		if operation.RequestBody != nil {
			if err := wholeBody(c.Request()); err != nil {
				return err
			}
		}
		err := openapi3filter.ValidateRequest(c.Request().Context(), &openapi3filter.RequestValidationInput{
			Request: c.Request(), PathParams: path,
			Route: &routers.Route{Spec: s.spec.document, Path: specPath(c.Path()), PathItem: item, Method: c.Request().Method, Operation: operation},
			Options: &openapi3filter.Options{
				MultiError:          true,
				SkipSettingDefaults: true,
				KeepValidatedValue:  true, // so that nothing is decoded by another rule
				AuthenticationFunc:  openapi3filter.NoopAuthenticationFunc,
				// Package policy checks its document itself: by more than a schema can say.
				ExcludeRequestBody: operation.OperationID == "putPolicy",
			},
		})
		if err != nil {
			return refusal(err)
		}
		return next(c)
	}
}

// wholeBody refuses a JSON body that is more than one value or nests too deep, before
// anything reads it that stops after the first value or calls itself.
func wholeBody(r *http.Request) error {
	if r.Body == nil || r.ContentLength == 0 {
		return nil // which the validator refuses
	}
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind != "application/json" {
		return problem(http.StatusUnsupportedMediaType, "The body must be application/json.")
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return fmt.Errorf("read the body: %w", err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	if len(body) == 0 {
		return nil // and this too
	}
	if _, err := canonical.JSON(body); err != nil {
		return problem(http.StatusBadRequest, fmt.Sprintf("The body is not one JSON value in UTF-8, or nests deeper than %d.", canonical.MaxDepth))
	}
	return nil
}

// unknownQuery refuses parameters that the call does not have, and those that are
// given twice: a misspelt filter must not show the whole table.
func unknownQuery(c echo.Context, operation *openapi3.Operation) error {
	var faults []httpserver.FieldError
	for name, values := range c.QueryParams() {
		switch {
		case operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, name) == nil:
			faults = append(faults, httpserver.FieldError{Pointer: "?" + name, Detail: "is not a parameter of this call"})
		case len(values) > 1:
			faults = append(faults, httpserver.FieldError{Pointer: "?" + name, Detail: "is given more than once"})
		}
	}
	if len(faults) > 0 {
		return problem(http.StatusBadRequest, "The query was not understood.", faults...)
	}
	return nil
}

// refusal turns what the validator says into a problem: 422 for a body that was read
// and is wrong, 400 for what could not be read and for parameters, 415 for a body of
// another type.
func refusal(err error) error {
	status, detail := http.StatusUnprocessableEntity, "The request was understood and refused."
	var faults []httpserver.FieldError
	for _, one := range flatten(err) {
		var request *openapi3filter.RequestError
		if !errors.As(one, &request) {
			faults = append(faults, httpserver.FieldError{Detail: one.Error()})
			continue
		}
		switch {
		case request.Parameter != nil:
			status, detail = http.StatusBadRequest, "A parameter was not understood."
			faults = append(faults, parameterFault(request))
		case strings.Contains(request.Reason, "Content-Type"):
			return problem(http.StatusUnsupportedMediaType, "The body must be application/json.")
		default:
			body := bodyFaults(request.Err)
			if body == nil {
				return problem(http.StatusBadRequest, "The body is not JSON.")
			}
			faults = append(faults, body...)
		}
	}
	return problem(status, detail, faults...)
}

// parameterKinds says what a parameter has to be, where the validator does not.
var parameterKinds = map[string]string{
	"boolean": "must be true or false",
	"integer": "must be a whole number that is not too large",
}

func parameterFault(request *openapi3filter.RequestError) httpserver.FieldError {
	mark := "?"
	if request.Parameter.In != openapi3.ParameterInQuery {
		mark = request.Parameter.In + " "
	}
	detail := "is not valid"
	if schema := request.Parameter.Schema; schema != nil && schema.Value != nil && schema.Value.Type != nil {
		if wanted, ok := parameterKinds[strings.Join(schema.Value.Type.Slice(), " ")]; ok {
			detail = wanted
		}
	}
	for _, one := range flatten(request.Err) {
		var schema *openapi3.SchemaError
		if errors.As(one, &schema) && schema.Reason != "" {
			detail = wanted(request.Parameter.Schema.Value, reason(schema))
		}
	}
	return httpserver.FieldError{Pointer: mark + request.Parameter.Name, Detail: detail}
}

// bodyFaults returns nil when the body could not be read at all.
func bodyFaults(err error) []httpserver.FieldError {
	var faults []httpserver.FieldError
	for _, one := range flatten(err) {
		var schema *openapi3.SchemaError
		switch {
		case errors.As(one, &schema):
			faults = append(faults, httpserver.FieldError{Pointer: pointer(schema.JSONPointer()), Detail: reason(schema)})
		case errors.Is(one, openapi3filter.ErrInvalidRequired):
			faults = append(faults, httpserver.FieldError{Detail: "a body is needed"})
		}
	}
	return faults
}

// wanted says what a parameter has to be; of a fault that it has no words for, the
// validator's.
func wanted(s *openapi3.Schema, fault string) string {
	switch {
	case strings.HasPrefix(fault, "minimum:") && s.Min != nil:
		return "must be at least " + strconv.FormatFloat(*s.Min, 'f', -1, 64)
	case strings.HasPrefix(fault, "maximum:") && s.Max != nil:
		return "must be at most " + strconv.FormatFloat(*s.Max, 'f', -1, 64)
	case strings.Contains(fault, " is not valid "+s.Format) && formats[s.Format] != "":
		return formats[s.Format]
	}
	return fault
}

// formats say what a text has to be, where the validator shows an expression.
var formats = map[string]string{
	"date-time": "must be a time like 2026-05-04T12:00:00Z",
	"date":      "must be a day like 2026-05-04",
}

// reason is what the validator says, without its first line, which names the address of
// a schema that nobody can look up: the second reads "- at ”: minimum: got 0, want 1".
func reason(schema *openapi3.SchemaError) string {
	_, fault, found := strings.Cut(schema.Reason, "\n- at ")
	if !found {
		return schema.Reason
	}
	_, fault, _ = strings.Cut(fault, ": ")
	fault, _, _ = strings.Cut(fault, "\n")
	return fault
}

// flatten opens the lists of errors that the validator nests.
func flatten(err error) []error {
	var list openapi3.MultiError
	switch e := err.(type) { //nolint:errorlint // A RequestError that wraps a list must stay whole.
	case nil:
		return nil
	case openapi3.MultiError:
		list = e
	default:
		return []error{err}
	}
	var all []error
	for _, one := range list {
		all = append(all, flatten(one)...)
	}
	return all
}

// pointer writes a path as RFC 6901 has it.
func pointer(path []string) string {
	var b strings.Builder
	for _, part := range path {
		b.WriteString("/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(part))
	}
	return b.String()
}
