package edge

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/message"
)

// messages registers messages that were sent, and tells their click tokens.
func (e *Edge) messages(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	source, err := e.serverSource(c)
	if err != nil {
		return err
	}
	body, err := e.body(c)
	if err != nil {
		return err
	}
	items, err := message.Registrations(body, source.Workspace, e.Tokens)
	if err != nil {
		return err
	}
	hits, rejected, err := e.keep(c, request{source: source, trust: hit.TrustServer, items: items, at: at, maxItem: e.cfg.MaxItem})
	if err != nil {
		return err
	}
	answer := accepted{Success: true, Rejected: rejected}
	for i := range hits {
		if f := &hits[i].Fact; f.Message != nil {
			answer.Messages = append(answer.Messages, registered{MessageID: f.ID, ClickToken: f.Message.Token})
		}
	}
	return c.JSON(http.StatusOK, answer)
}

// messageStatuses takes statuses of channels that have no adapter. A status has the
// trust of a signed callback whichever way it comes.
func (e *Edge) messageStatuses(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	source, err := e.serverSource(c)
	if err != nil {
		return err
	}
	body, err := e.body(c)
	if err != nil {
		return err
	}
	items, err := message.Statuses(body)
	if err != nil {
		return err
	}
	return e.answer(c, request{source: source, trust: hit.TrustWebhook, items: items, at: at, maxItem: e.cfg.MaxItem})
}
