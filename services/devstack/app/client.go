package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// client calls the REST API.
type client struct {
	url, token string
}

// statusError is an answer that is no success.
type statusError struct {
	Method, Path string
	Code         int
	Body         string
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s %s answered %d: %s", e.Method, e.Path, e.Code, e.Body)
}

// request is one call of the API: In is sent as JSON and the answer read into Out;
// either may be nil.
type request struct {
	Method, Path string
	In, Out      any
}

// call makes a call. An answer of 503 is asked again for ten seconds: a service may
// just be starting.
func (c client) call(ctx context.Context, r request) error {
	body, err := json.Marshal(r.In)
	if err != nil {
		return fmt.Errorf("write a request for %s: %w", r.Path, err)
	}
	for deadline := time.Now().Add(10 * time.Second); ; {
		code, answer, err := c.once(ctx, r, body)
		if err == nil && code < 300 {
			if r.Out == nil {
				return nil
			}
			return json.Unmarshal(answer, r.Out)
		}
		if err == nil && code != http.StatusServiceUnavailable {
			return &statusError{Method: r.Method, Path: r.Path, Code: code, Body: string(answer)}
		}
		if err == nil {
			err = errors.New(string(answer))
		}
		if time.Now().After(deadline) || pause(ctx, 100*time.Millisecond) != nil {
			return fmt.Errorf("%s %s: %w", r.Method, r.Path, err)
		}
	}
}

func (c client) once(ctx context.Context, r request, body []byte) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.Method, c.url+r.Path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	return resp.StatusCode, answer, err
}

// books are the answer of GET /v1/ingestion, in items.
type books struct {
	Accepted, Stored, Duplicate, Conflict, Rejected, Pending int64
}

func (c client) books(ctx context.Context) (books, error) {
	var b books
	return b, c.call(ctx, request{Method: http.MethodGet, Path: "/v1/ingestion", Out: &b})
}

// row is what the printed table shows of a row of GET /v1/attributions.
type row struct {
	EventAt       string  `json:"event_at"`
	Conversion    string  `json:"conversion"`
	OrderID       *string `json:"order_id"`
	Value         *string `json:"value"`
	Currency      *string `json:"currency"`
	CreditedValue *string `json:"credited_value"`
	Weight        float64 `json:"weight"`
	Channel       string  `json:"channel"`
	Tier          *string `json:"tier"`
	Template      *string `json:"template_name"`
	Campaign      *string `json:"campaign"`
	Phone         *string `json:"phone"`
}

// rows reads the whole table of one model since a time.
func (c client) rows(ctx context.Context, model string, since time.Time) ([]row, error) {
	query := url.Values{"model": {model}, "limit": {"1000"}, "from": {since.UTC().Format(time.RFC3339)}}
	var all []row
	for {
		var page struct {
			Data []row
			Next *string `json:"next_cursor"`
		}
		if err := c.call(ctx, request{Method: http.MethodGet, Path: "/v1/attributions?" + query.Encode(), Out: &page}); err != nil {
			return nil, err
		}
		all = append(all, page.Data...)
		if page.Next == nil || *page.Next == "" {
			return all, nil
		}
		query.Set("cursor", *page.Next)
	}
}
