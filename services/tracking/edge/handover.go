package edge

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/handover"
	"github.com/touchline/touchline/services/tracking/edge/site"
)

// handoverPath is below that of the events.
const handoverPath = "/handover"

// handOver signs the device of a visitor who is about to follow a link to another site
// of the same source.
func (e *Edge) handOver(c echo.Context) error {
	key, device, to := c.QueryParam("k"), c.QueryParam("d"), site.Host(c.QueryParam("to"))
	if key == "" {
		return registry.ErrUnknown
	}
	source, err := e.byKey(c, key)
	if err != nil {
		return err
	}
	var faults []httpserver.FieldError
	if !handover.IsDevice(device) {
		faults = append(faults, httpserver.FieldError{Pointer: "?d", Detail: "must be an anonymous id of 8 to 64 letters, digits, dots, hyphens and underscores"})
	}
	if to == "" {
		faults = append(faults, httpserver.FieldError{Pointer: "?to", Detail: "must be the host that the link leads to"})
	}
	if faults != nil {
		p := httpserver.NewProblem(http.StatusBadRequest, "A parameter was not understood.")
		p.Errors = faults
		return p
	}
	now := e.Now()
	if wait := e.rates.take(source.ID, 1, now); wait > 0 {
		e.Metrics.shed.WithLabelValues("rate").Inc()
		return e.rates.tooFast(wait)
	}
	return c.String(http.StatusOK, e.Handover.Sign(device, handover.Target{Source: source.ID, Host: to}, now))
}
