package api

import (
	"cmp"
	"context"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// quarter is the width of a rollup's bucket.
const quarter = 15 * time.Minute

// span is a range of time in whole quarters of an hour, UTC; from is inclusive, to
// exclusive, nil is open.
type span struct{ from, to *time.Time }

// newSpan widens a range to whole quarters.
func newSpan(from, to *time.Time) (span, error) {
	if faults := rangeFaults(from, to); len(faults) > 0 {
		return span{}, problem(http.StatusBadRequest, "A parameter was not understood.", faults...)
	}
	var s span
	if from != nil {
		begin := from.UTC().Truncate(quarter)
		s.from = &begin
	}
	if to != nil {
		end := to.UTC().Truncate(quarter)
		if end.Before(*to) {
			end = end.Add(quarter)
		}
		s.to = &end
	}
	return s, nil
}

// bounds are the ends for a query.
func (s span) bounds() (from, to time.Time) {
	from, to = time.Time{}, endOfTime
	if s.from != nil {
		from = *s.from
	}
	if s.to != nil {
		to = *s.to
	}
	return from, to
}

// sums is what the rollups hold for a span.
type sums struct {
	messages []dbsqlc.TotalMessagesRow
	credits  []dbsqlc.TotalCreditsRow
}

func readSums(ctx context.Context, tx *postgres.Tx, workspace uuid.UUID, version int32, in span) (sums, error) {
	var found sums
	from, to := in.bounds()
	var err error
	found.messages, err = tx.TotalMessages(ctx, dbsqlc.TotalMessagesParams{WorkspaceID: workspace, Version: version, FromAt: from, ToAt: to})
	if err != nil {
		return found, err
	}
	found.credits, err = tx.TotalCredits(ctx, dbsqlc.TotalCreditsParams{WorkspaceID: workspace, Version: version, FromAt: from, ToAt: to})
	return found, err
}

// GetTotals answers GET /v1/totals.
func (s *Server) GetTotals(ctx context.Context, request gen.GetTotalsRequestObject) (gen.GetTotalsResponseObject, error) {
	workspace := sessionOf(ctx).workspace
	in, err := newSpan(request.Params.From, request.Params.To)
	if err != nil {
		return nil, err
	}
	var found sums
	err = s.cfg.Store.InSnapshot(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) error {
		live, err := tx.PolicyInForce(ctx, workspace)
		if err != nil {
			return err
		}
		found, err = readSums(ctx, tx, workspace, live.Version, in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read totals: %w", err)
	}
	data, err := templateTotals(found)
	if err != nil {
		return nil, err
	}
	return gen.GetTotals200JSONResponse{From: row.MaybeInstant(in.from), To: row.MaybeInstant(in.to), Data: data}, nil
}

// templateKey is what totals are grouped by; empty text stands for none.
type templateKey struct{ channel, name, language string }

// templateTotals lays messages and credits side by side.
func templateTotals(found sums) ([]gen.TemplateTotal, error) {
	byKey := map[templateKey]*gen.TemplateTotal{}
	of := func(key templateKey) *gen.TemplateTotal {
		if byKey[key] == nil {
			byKey[key] = &gen.TemplateTotal{
				Channel: key.channel, TemplateName: maybe(key.name), TemplateLanguage: maybe(key.language), Credits: []gen.CreditTotal{},
			}
		}
		return byKey[key]
	}
	for _, m := range found.messages {
		t := of(templateKey{m.Channel, m.TemplateName, m.TemplateLanguage})
		t.Messages, t.Sent, t.Delivered, t.Read = m.Messages, m.Sent, m.Delivered, m.Read
		t.Clicked, t.Replied, t.Failed = m.Clicked, m.Replied, m.Failed
	}
	for _, c := range found.credits {
		conversions, err := share(c.Weight)
		if err != nil {
			return nil, err
		}
		credit := gen.CreditTotal{Model: c.Model, Conversion: c.Definition, Currency: maybe(c.Currency), Conversions: conversions}
		if c.Currency != "" {
			credit.Value = &c.Credited
		}
		t := of(templateKey{c.Channel, c.TemplateName, c.TemplateLanguage})
		t.Credits = append(t.Credits, credit)
	}
	all := make([]gen.TemplateTotal, 0, len(byKey))
	for _, t := range byKey {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b gen.TemplateTotal) int {
		return cmp.Or(cmp.Compare(b.Messages, a.Messages), cmp.Compare(a.Channel, b.Channel),
			cmp.Compare(text(a.TemplateName), text(b.TemplateName)), cmp.Compare(text(a.TemplateLanguage), text(b.TemplateLanguage)))
	})
	return all, nil
}

// share turns a sum of weights, in parts per 10^12, into conversions.
func share(weight string) (float64, error) {
	parts, ok := new(big.Rat).SetString(weight)
	if !ok {
		return 0, fmt.Errorf("rollup weight %q is no number", weight)
	}
	conversions, _ := parts.Quo(parts, big.NewRat(1_000_000_000_000, 1)).Float64()
	return conversions, nil
}
