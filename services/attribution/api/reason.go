package api

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// evidence is all that findings are drawn from.
type evidence struct {
	sources, facts  bool
	messages        messageCounts
	conversions     dbsqlc.ReasonConversionsRow
	quarantine      []dbsqlc.ReasonQuarantineRow
	refused, shared int64 // links of identifiers that join nobody
}

type messageCounts struct{ total, unaddressed, unregistered, failed, engaged int64 }

// GetDiagnostics answers GET /v1/diagnostics.
func (s *Server) GetDiagnostics(ctx context.Context, request gen.GetDiagnosticsRequestObject) (gen.GetDiagnosticsResponseObject, error) {
	workspace := sessionOf(ctx).workspace
	in, err := newSpan(request.Params.From, request.Params.To)
	if err != nil {
		return nil, err
	}
	var found evidence
	err = s.cfg.Store.InSnapshot(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) error {
		live, err := tx.PolicyInForce(ctx, workspace)
		if err != nil {
			return err
		}
		found, err = readEvidence(ctx, tx, &live, in)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read diagnostics: %w", err)
	}
	return gen.GetDiagnostics200JSONResponse(diagnose(found, in)), nil
}

func readEvidence(ctx context.Context, tx *postgres.Tx, live *dbsqlc.Policy, in span) (evidence, error) {
	var found evidence
	workspace := live.WorkspaceID
	from, to := in.bounds()
	messages, err := tx.TotalMessages(ctx, dbsqlc.TotalMessagesParams{WorkspaceID: workspace, Version: live.Version, FromAt: from, ToAt: to})
	if err != nil {
		return found, err
	}
	for _, m := range messages {
		found.messages.total += m.Messages
		found.messages.unaddressed += m.Unaddressed
		found.messages.unregistered += m.Unregistered
		found.messages.failed += m.Failed
		found.messages.engaged += m.Read + m.Clicked + m.Replied
	}
	found.conversions, err = tx.ReasonConversions(ctx, dbsqlc.ReasonConversionsParams{WorkspaceID: workspace, Version: live.Version, FromAt: from, ToAt: to})
	if err != nil {
		return found, err
	}
	found.quarantine, err = tx.ReasonQuarantine(ctx, dbsqlc.ReasonQuarantineParams{WorkspaceID: workspace, FromAt: from, ToAt: to})
	if err != nil {
		return found, err
	}
	links, err := tx.ReasonLinks(ctx, workspace, live.IdentityVersion)
	if err != nil {
		return found, err
	}
	found.refused, found.shared = links.Refused, links.Shared
	presence, err := tx.ReasonPresence(ctx, workspace)
	found.sources, found.facts = presence.Sources, presence.Facts
	return found, err
}

// diagnose is pure.
func diagnose(found evidence, in span) gen.Diagnostics {
	var d gen.Diagnostics
	d.From, d.To = row.MaybeInstant(in.from), row.MaybeInstant(in.to)
	d.Messages.Total = found.messages.total
	d.Messages.WithoutRecipient = found.messages.unaddressed
	d.Messages.WithoutRegistration = found.messages.unregistered
	d.Messages.Failed = found.messages.failed
	c := found.conversions
	d.Conversions.Total, d.Conversions.Orders = c.Total, c.Orders
	d.Conversions.WithoutIdentifiers, d.Conversions.OrdersWithoutIdentifiers = c.Unidentified, c.UnidentifiedOrders
	d.Conversions.Unattributed = c.Unattributed
	if c.Total > 0 {
		matched := float64(c.Total-c.Unidentified) / float64(c.Total)
		attributed := float64(c.Total-c.Unattributed) / float64(c.Total)
		d.MatchRate, d.AttributedRate = &matched, &attributed
	}
	d.Quarantine = []struct {
		Count  int64  `json:"count"`
		Reason string `json:"reason"`
	}{}
	for _, q := range found.quarantine {
		d.Quarantine = append(d.Quarantine, struct {
			Count  int64  `json:"count"`
			Reason string `json:"reason"`
		}{q.Count, q.Reason})
	}
	d.Findings = findings(found)
	return d
}

// findings says what stands in the way, the gravest first; of one gravity those that
// concern most come first.
func findings(found evidence) []gen.Finding {
	all := []gen.Finding{}
	for _, f := range catalogue(found) {
		if f.Count > 0 {
			all = append(all, f)
		}
	}
	rank := map[gen.FindingSeverity]int{gen.Stop: 0, gen.Warn: 1, gen.Note: 2}
	slices.SortStableFunc(all, func(a, b gen.Finding) int {
		return cmp.Or(cmp.Compare(rank[a.Severity], rank[b.Severity]), cmp.Compare(b.Count, a.Count))
	})
	return all
}
