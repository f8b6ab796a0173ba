package edge

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/signature"
	"github.com/touchline/touchline/services/tracking/edge/webhook"
	"github.com/touchline/touchline/services/tracking/edge/whatsapp"
)

// The headers that carry a callback's signature.
const (
	headerMetaSignature = "X-Hub-Signature-256"
	headerSignature     = "X-Signature-256"
)

// callbackSource finds the source that a callback's path names. One of another kind
// is as unknown as one that does not exist.
func (e *Edge) callbackSource(c echo.Context, kind string) (registry.Source, error) {
	id, err := uuid.Parse(c.Param("source"))
	if err != nil {
		return registry.Source{}, registry.ErrUnknown
	}
	source, err := e.Directory.ByID(c.Request().Context(), id)
	if err == nil && source.Kind != kind {
		return registry.Source{}, registry.ErrUnknown
	}
	return source, err
}

// whatsappVerify answers Meta's question whether this address is ours, with the text
// that the question brings.
func (e *Edge) whatsappVerify(c echo.Context) error {
	source, err := e.callbackSource(c, registry.KindWhatsApp)
	if isUnavailable(err) {
		return err
	}
	token := source.Config.VerifyToken
	challenge := c.QueryParam("hub.challenge")
	// Compared as digests, so that not even the lengths are told.
	stated, want := sha256.Sum256([]byte(c.QueryParam("hub.verify_token"))), sha256.Sum256([]byte(token))
	same := subtle.ConstantTimeCompare(stated[:], want[:]) == 1
	if err != nil || !same || token == "" || c.QueryParam("hub.mode") != "subscribe" || challenge == "" {
		return forbidden("the verify token is not that of this source")
	}
	return c.Blob(http.StatusOK, echo.MIMETextPlainCharsetUTF8, []byte(challenge))
}

// signed reads a callback's body and checks its signature over the bytes as they
// came. A source that does not exist gives the answer, and takes the work, of a
// wrong signature.
func (e *Edge) signed(c echo.Context, header string, source registry.Source) ([]byte, error) {
	body, err := httpserver.ReadRaw(c, e.cfg.MaxWebhook)
	if err != nil {
		return nil, err
	}
	config := source.Config
	secrets := append([]string{config.AppSecret}, config.AppSecrets...)
	if header == headerSignature {
		secrets = []string{config.Secret}
	}
	if source.ID == uuid.Nil {
		secrets = []string{"no such source"}
	}
	if !signature.Valid(c.Request().Header.Values(header), body, secrets) || source.ID == uuid.Nil {
		return nil, unauthorized(header + " must be sha256= and the HMAC-SHA-256 in hex of the body as sent, under the secret of a source at this address")
	}
	return body, nil
}

// whatsapp takes the callbacks of the Cloud API. Once the signature is right it
// answers 200, or 503 while nothing can be kept: Meta then sends again, for days.
func (e *Edge) whatsapp(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	source, err := e.callbackSource(c, registry.KindWhatsApp)
	if isUnavailable(err) {
		return err
	}
	body, err := e.signed(c, headerMetaSignature, source)
	if err != nil {
		return err
	}
	return e.answer(c, request{source: source, trust: hit.TrustWebhook, items: whatsapp.Decode(body), at: at})
}

// webhook takes the callbacks of any system that can sign.
func (e *Edge) webhook(c echo.Context) error {
	at := hit.InstantOf(e.Now())
	source, err := e.callbackSource(c, registry.KindWebhook)
	if isUnavailable(err) {
		return err
	}
	body, err := e.signed(c, headerSignature, source)
	if err != nil {
		return err
	}
	items, err := webhook.Decode(body)
	if err != nil {
		return err
	}
	return e.answer(c, request{source: source, trust: hit.TrustWebhook, items: items, at: at, maxItem: int(e.cfg.MaxBody)})
}
