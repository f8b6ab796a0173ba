package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
)

// unreadable stands for an identifier whose text is not there.
const unreadable = "•••"

// names shows identifiers and message ids as one caller may see them.
type names struct {
	server *Server
	caller session
	pii    bool                         // identifiers in clear
	opaque *row.Opaque                  // nil: the caller sees message ids
	known  map[uuid.UUID]gen.Identifier // by digest, as they are shown
}

// newNames refuses a caller who asks for more than it may see.
func (s *Server) newNames(caller session, pii *bool) (*names, error) {
	n := &names{server: s, caller: caller, pii: pii != nil && *pii, known: map[uuid.UUID]gen.Identifier{}}
	if n.pii && !caller.seesPersons() {
		return nil, problem(http.StatusForbidden, "Identifiers in clear are for the role admin.")
	}
	if !caller.seesPersons() {
		n.opaque = row.NewOpaque(func(id string) uuid.UUID { return s.cfg.Ring.Digest(caller.workspace, "message", id) })
	}
	return n, nil
}

// load reads identifiers, so that of can show them.
func (n *names) load(ctx context.Context, tx *postgres.Tx, digests []uuid.UUID) error {
	rows, err := tx.IdentifierList(ctx, n.caller.workspace, digests)
	if err != nil {
		return err
	}
	for _, r := range rows {
		text, err := n.server.cfg.Ring.Open(n.caller.workspace, r.Digest, r.Ciphertext)
		if err != nil {
			return fmt.Errorf("open identifier: %w", err)
		}
		switch {
		case n.pii:
		case r.Kind == string(hit.Phone):
			text = row.MaskPhone(text, callingCode(text))
		default:
			text = row.MaskIdentifier(text)
		}
		n.known[r.Digest] = gen.Identifier{Kind: gen.IdentifierKind(r.Kind), Value: text}
	}
	return nil
}

// digest shows the identifier of a digest, which load has read.
func (n *names) digest(kind hit.IdentifierKind, digest uuid.UUID) gen.Identifier {
	if shown, ok := n.known[digest]; ok {
		return shown
	}
	return gen.Identifier{Kind: gen.IdentifierKind(kind), Value: unreadable}
}

// of shows an identifier as facts hold it.
func (n *names) of(id hit.Identifier) gen.Identifier {
	digest, _ := fact.Digest(id.Value)
	return n.digest(id.Kind, digest)
}

// all shows identifiers in their order.
func (n *names) all(ids []hit.Identifier) []gen.Identifier {
	shown := make([]gen.Identifier, len(ids))
	for i, id := range ids {
		shown[i] = n.of(id)
	}
	return shown
}

// text shows a text that may contain the id of a WhatsApp message.
func (n *names) text(text string) string {
	if n.opaque == nil {
		return text
	}
	return n.opaque.Text(text)
}

// message shows the id of a message of a channel.
func (n *names) message(channel, id string) string {
	if n.opaque == nil {
		return id
	}
	if channel == hit.ChannelWhatsApp {
		id = n.opaque.Message(id)
	}
	return n.opaque.Text(id)
}

// event shows the id of an event.
func (n *names) event(id string, inThread bool) string {
	if n.opaque == nil {
		return id
	}
	return n.opaque.Event(id, inThread)
}

// conversion shows the id of a conversion.
func (n *names) conversion(id string, inThread bool) string {
	if n.opaque == nil {
		return id
	}
	return n.opaque.Conversion(id, inThread)
}

// audit notes that identifiers were shown in clear.
func (n *names) audit(ctx context.Context, call string, rows int) {
	if n.pii {
		n.server.cfg.Log.InfoContext(ctx, "audit: identifiers shown in clear",
			"call", call, "workspace", n.caller.workspace, "by", n.caller.Subject, "role", n.caller.Role, "rows", rows)
	}
}

// trustOf names a level of trust.
func trustOf(t hit.Trust) gen.Trust {
	switch t {
	case hit.TrustWebhook:
		return gen.TrustWebhook
	case hit.TrustServer:
		return gen.TrustServer
	}
	return gen.TrustBrowser
}

// policyAsked is the version that a call names, else the one in force.
func policyAsked(ctx context.Context, tx *postgres.Tx, workspace uuid.UUID, version *int32) (dbsqlc.Policy, error) {
	if version == nil {
		return tx.PolicyInForce(ctx, workspace)
	}
	asked, err := tx.PolicyVersion(ctx, workspace, *version)
	if errors.Is(err, postgres.ErrNotFound) {
		return asked, problem(http.StatusNotFound, fmt.Sprintf("There is no policy version %d. GET /v1/policy/versions lists those that there are.", *version))
	}
	return asked, err
}
