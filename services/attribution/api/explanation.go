package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/internal/hit"
)

// mostIdentifiers bounds those of a person that an explanation lists: a person can have
// thousands, and nobody reads on. Guessed.
const mostIdentifiers = 100

// GetExplanation answers GET /v1/conversions/{id}/explanation: it reads all facts that
// can bear on the conversion and asks the function that writes the table.
func (s *Server) GetExplanation(ctx context.Context, request gen.GetExplanationRequestObject) (gen.GetExplanationResponseObject, error) {
	shown, err := s.newNames(sessionOf(ctx), request.Params.Pii)
	if err != nil {
		return nil, err
	}
	select {
	case s.explaining <- struct{}{}:
		defer func() { <-s.explaining }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	x := explainer{server: s, names: shown, asked: request.Params, id: request.Id}
	err = s.cfg.Store.InSnapshot(ctx, shown.caller.workspace, x.read)
	if errors.Is(err, postgres.ErrTooLarge) {
		return nil, problem(http.StatusUnprocessableEntity, fmt.Sprintf(
			"More than %d facts hang together with this conversion: more than are explained at once (TOUCHLINE_EXPLAIN_FACTS). "+
				"Identifiers that too many have in common are the usual cause: see GET /v1/identity/shared.", s.cfg.ExplainFacts))
	}
	if err != nil {
		return nil, fmt.Errorf("explain a conversion: %w", err)
	}
	shown.audit(ctx, "explanation", 1)
	return patient{gen.GetExplanation200JSONResponse(x.answer())}, nil
}

// explanationPatience is how long an explanation may take to be sent; guessed.
const explanationPatience = time.Minute

// patient answers with an explanation that may have taken longer to draw up than the
// server's own deadline, which is made for small answers, allows.
type patient struct {
	gen.GetExplanation200JSONResponse
}

// VisitGetExplanationResponse sends it.
func (p patient) VisitGetExplanationResponse(w http.ResponseWriter) error {
	err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(explanationPatience))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		return fmt.Errorf("extend the deadline: %w", err)
	}
	return p.GetExplanation200JSONResponse.VisitGetExplanationResponse(w)
}

// explainer draws up one explanation.
type explainer struct {
	server *Server
	names  *names
	asked  gen.GetExplanationParams
	id     string

	version dbsqlc.Policy
	found   postgres.Gathered
	told    timeline.Explanation
}

// read does everything that needs the database.
func (x *explainer) read(ctx context.Context, tx *postgres.Tx) (err error) {
	workspace := x.names.caller.workspace
	if x.version, err = policyAsked(ctx, tx, workspace, x.asked.Version); err != nil {
		return err
	}
	id, err := x.conversionID(ctx, tx)
	if err != nil {
		return err
	}
	ask := postgres.Component{Workspace: workspace, Version: &x.version, Most: x.server.cfg.ExplainFacts, Folder: x.server.cfg.Ring}
	for _, r := range fact.ConversionRefs(id) {
		ask.Refs = append(ask.Refs, r.Value)
	}
	if x.found, err = tx.Gather(ctx, ask); err != nil {
		return err
	}
	question := timeline.Question{ID: id}
	if x.asked.Conversion != nil {
		question.Definition = *x.asked.Conversion
	}
	v := x.found.Version
	var known bool
	x.told, known = timeline.Explain(timeline.Input{
		Workspace: workspace, Currency: x.found.Currency, Policy: v.Policy, Rules: v.Rules, Facts: x.found.Facts,
		Blocked: func(id hit.Identifier) bool { return v.Blocked[fact.IdentifierRef(id).Value] },
	}, question)
	if !known {
		return x.unknown()
	}
	x.told.Identifiers = x.told.Identifiers[:min(len(x.told.Identifiers), mostIdentifiers)]
	return x.names.load(ctx, tx, x.digests())
}

// conversionID is the plain id of the conversion asked for. An opaque one cannot be
// turned back, but among the conversions of one instant it can be found.
func (x *explainer) conversionID(ctx context.Context, tx *postgres.Tx) (string, error) {
	if x.asked.At == nil {
		return x.id, nil
	}
	rows, err := tx.ExplainConversionsAt(ctx, dbsqlc.ExplainConversionsAtParams{
		WorkspaceID: x.names.caller.workspace, Version: x.version.Version, EventAt: x.asked.At.UTC().Truncate(time.Microsecond),
	})
	if err != nil {
		return "", err
	}
	for _, r := range rows {
		if x.id == r.ConversionID || x.id == x.names.conversion(r.ConversionID, r.InThread) {
			return r.ConversionID, nil
		}
	}
	return "", problem(http.StatusNotFound, "No conversion of this id happened at this instant.")
}

// unknown says what is known of an id that is no conversion's.
func (x *explainer) unknown() error {
	switch {
	case len(x.told.Definitions) > 0:
		return problem(http.StatusNotFound, "That definition does not know this conversion. Known to: "+strings.Join(x.told.Definitions, ", ")+".")
	case len(x.found.Facts) > 0:
		return problem(http.StatusNotFound, fmt.Sprintf(
			"Something of this id has been reported, but policy version %d has no conversion for it. Names of events are compared letter by letter.", x.version.Version))
	case x.asked.At == nil && strings.Contains(x.id, "m_"):
		return problem(http.StatusNotFound, "Nothing of this id has been reported. An opaque id (m_…) is found only with ?at=, the event_at of its row.")
	case !strings.HasPrefix(x.id, "order:"):
		return problem(http.StatusNotFound, "Nothing of this id has been reported. Of an order the id is order:<order_id>, percent-encoded.")
	}
	return problem(http.StatusNotFound, "Nothing of this id has been reported.")
}

// digests are those of every identifier that the answer shows.
func (x *explainer) digests() []uuid.UUID {
	seen := map[uuid.UUID]bool{}
	note := func(ids ...hit.Identifier) {
		for _, id := range ids {
			if digest, ok := fact.Digest(id.Value); ok {
				seen[digest] = true
			}
		}
	}
	note(x.told.Identifiers...)
	if x.told.Claim != nil {
		note(x.told.Claim.Holder)
	}
	for i := range x.told.Copies {
		f := x.told.Copies[i].Fact
		note(f.Identifiers...)
		if f.Device != nil {
			note(*f.Device)
		}
	}
	for i := range x.told.Candidates {
		c := &x.told.Candidates[i]
		note(c.Touch.Device)
		if c.Claim != nil {
			note(c.Claim.Holder)
		}
	}
	all := make([]uuid.UUID, 0, len(seen))
	for digest := range seen {
		all = append(all, digest)
	}
	return all
}
