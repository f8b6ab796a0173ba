// Package registry says which sources may send hits. The attribution service
// publishes them in Redis with a [Publisher]; the tracking edge looks them up in a
// [Directory], which answers from memory, and from a file when it starts while Redis
// is away.
//
// Names of sources, their keys and secrets leave the process only sealed with
// AES-256-GCM. In Redis there is one hash, {prefix}:registry:
//
//	source:<id>                    the sealed source
//	key:<SHA-256 of its write key> its id
//	version                        a new random text with every change
package registry

import (
	"errors"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// The errors that callers branch on.
var (
	// ErrUnknown says that there is no such source, or that it is disabled.
	ErrUnknown = errors.New("unknown source")
	// ErrUnavailable says that Redis could not be asked, so that a source that is not
	// known here may exist. The sender should try again.
	ErrUnavailable = errors.New("source registry unavailable")
	// ErrUnpublished says that Redis holds no registry to change: it is new or lost its
	// data. [Publisher.Replace] makes one.
	ErrUnpublished = errors.New("no source registry in redis, replace it first")
)

// The kinds of sources.
const (
	KindPixel    = "pixel"    // browsers, by a write key that anybody can read
	KindServer   = "server"   // servers, by a secret key
	KindWebhook  = "webhook"  // any sender that signs its bodies
	KindWhatsApp = "whatsapp" // Meta's Cloud API callbacks
)

// Source is one sender of hits.
type Source struct {
	ID        uuid.UUID    `json:"id"`
	Workspace uuid.UUID    `json:"workspace"`
	Kind      string       `json:"kind"`
	Name      string       `json:"name"`
	WriteKey  string       `json:"write_key,omitempty"`
	Country   string       `json:"country,omitempty"` // ISO 3166-1 alpha-2: the source's, else the workspace's
	Config    SourceConfig `json:"config"`
	Disabled  bool         `json:"disabled,omitempty"`
}

// SourceConfig holds what a kind of source needs besides its key.
type SourceConfig struct {
	AppSecret   string   `json:"app_secret,omitempty"`   // whatsapp: signs callbacks
	AppSecrets  []string `json:"app_secrets,omitempty"`  // whatsapp: further ones that are valid, as during a rotation
	VerifyToken string   `json:"verify_token,omitempty"` // whatsapp: of the subscription handshake
	Secret      string   `json:"secret,omitempty"`       // webhook: signs bodies
	Cookie      *Cookie  `json:"cookie,omitempty"`       // pixel: nil is the default, see [Source.DeviceCookie]
}

// Cookie is where the edge keeps the device of a visitor, when a site has it answer
// under a name of its own.
type Cookie struct {
	Name string `json:"name"`
	Days int    `json:"days"` // how long after each request, up to 400, which is all browsers grant; 0: no cookie
}

// The cookie of a source that does not say otherwise.
const (
	CookieName = "_tls"
	CookieDays = 395
)

// DeviceCookie returns the cookie of a source; that of sources other than pixels lasts
// zero days.
func (s Source) DeviceCookie() Cookie {
	switch {
	case s.Kind != KindPixel:
		return Cookie{}
	case s.Config.Cookie != nil:
		return *s.Config.Cookie
	}
	return Cookie{Name: CookieName, Days: CookieDays}
}

// Trust returns how far hits of the source are believed.
func (s Source) Trust() hit.Trust {
	switch s.Kind {
	case KindServer:
		return hit.TrustServer
	case KindWebhook, KindWhatsApp:
		return hit.TrustWebhook
	}
	return hit.TrustBrowser
}
