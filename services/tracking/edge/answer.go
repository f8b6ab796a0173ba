package edge

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/intake"
)

// The headers of an accepted write.
const (
	// headerReceipt is <epoch>-<shard>-<number> of the first item; the others of the
	// request follow it without gaps.
	headerReceipt = "Receipt"
	headerCount   = "Receipt-Count" // items of the request, refused ones included
	headerDropped = "X-Hit-Dropped" // the reasons of refusals
)

// request is one readable, authentic request.
type request struct {
	source  registry.Source
	trust   hit.Trust
	items   []intake.Item
	at      hit.Instant // of receipt
	maxItem int         // bytes; 0: no limit
}

// refused tells the sender of one item that was refused.
type refused struct {
	Index  int           `json:"index"` // in the request, from 0
	Reason intake.Reason `json:"reason"`
	Detail string        `json:"detail,omitempty"`
	// Pointer is a JSON pointer to the faulty field.
	Pointer string `json:"pointer,omitempty"`
}

// accepted is the body of every accepted write.
type accepted struct {
	Success  bool         `json:"success"`
	Messages []registered `json:"messages,omitempty"`
	Rejected []refused    `json:"rejected,omitempty"`
	// AnonymousID is the device that the pixel is to store in place of its own.
	AnonymousID string `json:"anonymousId,omitempty"`
}

// registered is one message that was registered.
type registered struct {
	MessageID  string `json:"message_id"`
	ClickToken string `json:"click_token"`
}

// keep takes a request's items through intake and appends them in one call. When it
// returns nil they are durable, and the answer's headers say so.
func (e *Edge) keep(c echo.Context, r request) (hits []hit.Hit, rejected []refused, err error) {
	if wait := e.rates.take(r.source.ID, len(r.items), e.Now()); wait > 0 {
		e.Metrics.shed.WithLabelValues("rate").Inc()
		return nil, nil, e.rates.tooFast(wait)
	}
	env := intake.Env{
		Workspace: r.source.Workspace, Source: r.source.ID, Country: r.source.Country,
		Trust: r.trust, ReceivedAt: r.at, MaxItem: r.maxItem, Phone: e.phones.read,
	}
	hits = make([]hit.Hit, 0, len(r.items))
	for i := range r.items {
		h, refusal := env.Run(&r.items[i])
		hits = append(hits, h)
		if refusal != nil {
			rejected = append(rejected, refused{Index: i, Reason: refusal.Reason, Detail: refusal.Detail, Pointer: refusal.Pointer})
		}
	}
	if len(hits) == 0 {
		return nil, nil, nil // an empty batch
	}
	started := e.Now()
	receipt, err := e.Appender.Append(c.Request().Context(), hits)
	e.Metrics.appended(e.Now().Sub(started), err)
	if err != nil {
		return nil, nil, fmt.Errorf("append %d hits: %w", len(hits), err)
	}
	e.Metrics.kept(r.source.Kind, len(hits), rejected)
	header := c.Response().Header()
	values := []string{receiptText(receipt), strconv.Itoa(len(hits))}
	header[headerReceipt], header[headerCount] = values[:1:1], values[1:]
	if len(rejected) > 0 {
		header.Set(headerDropped, reasons(rejected))
	}
	return hits, rejected, nil
}

// receiptText is how a receipt is written in a header.
func receiptText(r hit.Receipt) string {
	return r.Epoch.String() + "-" + strconv.Itoa(r.Shard) + "-" + strconv.FormatInt(r.Number, 10)
}

// reasons lists the reasons of refusals, each once.
func reasons(rejected []refused) string {
	var all []string
	for _, r := range rejected {
		if !slices.Contains(all, string(r.Reason)) {
			all = append(all, string(r.Reason))
		}
	}
	return strings.Join(all, ", ")
}

// success is what an accepted write that says nothing else is encoded as.
const success = `{"success":true}` + "\n"

// answer keeps a request and answers it.
func (e *Edge) answer(c echo.Context, r request) error {
	_, rejected, err := e.keep(c, r)
	if err != nil {
		return err
	}
	if len(rejected) == 0 {
		return c.JSONBlob(http.StatusOK, []byte(success))
	}
	return c.JSON(http.StatusOK, accepted{Success: true, Rejected: rejected})
}
