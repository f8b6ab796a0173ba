// Package token makes and reads the bearer tokens of the REST API: JSON Web Tokens
// signed with HS256 by a key that the header names. It knows nothing of HTTP.
package token

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"
)

// Role says what a token may do. The API's own table has the details.
type Role string

// The roles, from the most to the least that they may.
const (
	Platform Role = "platform" // creates and deletes workspaces; acts in any that it names
	Admin    Role = "admin"    // everything in its workspace, phones in clear included
	Analyst  Role = "analyst"  // reads
	Viewer   Role = "viewer"   // reads
)

// Roles returns all roles.
func Roles() []Role { return []Role{Platform, Admin, Analyst, Viewer} }

// Claims is what a token says.
type Claims struct {
	Subject   string
	Workspace uuid.UUID // [uuid.Nil] of the role platform, and of no other
	Role      Role
}

const (
	issuer   = "touchline"
	audience = "touchline-api"
	leeway   = 30 * time.Second
	// maxBytes bounds what is parsed at all; a token of ours has some 400 bytes.
	maxBytes = 8 << 10
)

// ErrInvalid says that a token is not to be trusted, for whatever reason: who sent
// it is told no more.
var ErrInvalid = errors.New("invalid token")

// wire is the body of a token.
type wire struct {
	jwt.RegisteredClaims
	Workspace string `json:"ws,omitempty"`
	Role      Role   `json:"role"`
}

// Mint signs a token with the first key. It is valid from now for ttl, which must be
// longer than a second, for the format has no fractions.
func (k *Keyring) Mint(claims Claims, now time.Time, ttl time.Duration) (string, error) {
	if err := claims.check(); err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	if ttl < time.Second {
		return "", fmt.Errorf("mint token: a life of %s is too short", ttl)
	}
	body := wire{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience}, Subject: claims.Subject, ID: uuid.NewString(),
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(ttl)),
		},
		Role: claims.Role,
	}
	if claims.Workspace != uuid.Nil {
		body.Workspace = claims.Workspace.String()
	}
	unsigned := jwt.NewWithClaims(jwt.SigningMethodHS256, body)
	unsigned.Header["kid"] = k.keys[0].id
	signed, err := unsigned.SignedString(k.keys[0].secret)
	if err != nil {
		return "", fmt.Errorf("mint token: %w", err)
	}
	return signed, nil
}

// Parse reads a token at the time now. Its error is always [ErrInvalid]; what it
// wraps is for the log.
func (k *Keyring) Parse(text string, now time.Time) (Claims, error) {
	if len(text) > maxBytes {
		return Claims{}, fmt.Errorf("%w: %d bytes", ErrInvalid, len(text))
	}
	parser := jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithIssuer(issuer), jwt.WithAudience(audience),
		jwt.WithLeeway(leeway), jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(func() time.Time { return now }),
	)
	var body wire
	if _, err := parser.ParseWithClaims(text, &body, k.find); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	claims := Claims{Subject: body.Subject, Role: body.Role}
	if body.Workspace != "" {
		workspace, err := uuid.Parse(body.Workspace)
		if err != nil {
			return Claims{}, fmt.Errorf("%w: workspace: %w", ErrInvalid, err)
		}
		claims.Workspace = workspace
	}
	if err := claims.check(); err != nil {
		return Claims{}, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return claims, nil
}

// find returns the key that the header names. A header with anything but alg, typ
// and kid is refused: crit, b64, jwk, jku and x5u would each change what a signature
// means.
func (k *Keyring) find(unverified *jwt.Token) (any, error) {
	for name := range unverified.Header {
		if name != "alg" && name != "typ" && name != "kid" {
			return nil, fmt.Errorf("header %q", name)
		}
	}
	if unverified.Header["typ"] != "JWT" {
		return nil, errors.New("header typ is not JWT")
	}
	id, _ := unverified.Header["kid"].(string)
	for _, key := range k.keys {
		if key.id == id {
			return key.secret, nil
		}
	}
	return nil, errors.New("unknown key id")
}

func (c Claims) check() error {
	switch {
	case !slices.Contains(Roles(), c.Role):
		return fmt.Errorf("no role %q", c.Role)
	case c.Subject == "":
		return errors.New("no subject")
	case c.Role == Platform && c.Workspace != uuid.Nil:
		return errors.New("the role platform has no workspace")
	case c.Role != Platform && c.Workspace == uuid.Nil:
		return fmt.Errorf("the role %s needs a workspace", c.Role)
	}
	return nil
}
