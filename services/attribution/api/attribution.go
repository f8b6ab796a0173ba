package api

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nyaruka/phonenumbers"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// endOfTime is after every event: the largest year that RFC 3339 can write.
var endOfTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)

// ListAttributions answers GET /v1/attributions: a page as JSON, or everything as a
// stream in another format.
func (s *Server) ListAttributions(ctx context.Context, request gen.ListAttributionsRequestObject) (gen.ListAttributionsResponseObject, error) {
	caller, asked := sessionOf(ctx), request.Params
	pii := asked.Pii != nil && *asked.Pii
	if pii && !caller.seesPersons() {
		return nil, problem(http.StatusForbidden, "Phones in clear are for the role admin.")
	}
	if faults := rangeFaults(asked.From, asked.To); len(faults) > 0 {
		return nil, problem(http.StatusBadRequest, "A parameter was not understood.", faults...)
	}
	reader := &tableReader{server: s, caller: caller, asked: asked, pii: pii}
	switch caller.accept {
	case row.JSON:
		return s.attributionPage(ctx, reader)
	case "":
		return nil, problem(http.StatusNotAcceptable, "The table comes as application/json, text/csv, application/x-ndjson and application/vnd.apache.parquet.")
	}
	reader.asked.Order = nil
	return &export{ctx: ctx, reader: reader, format: caller.accept}, nil
}

func rangeFaults(from, to *time.Time) []httpserver.FieldError {
	if from != nil && to != nil && to.Before(*from) {
		return []httpserver.FieldError{{Pointer: "?to", Detail: "is before from"}}
	}
	return nil
}

func (s *Server) attributionPage(ctx context.Context, reader *tableReader) (gen.ListAttributionsResponseObject, error) {
	answer := gen.ListAttributions200JSONResponse{}
	filter, most := filterDigest(reader.asked), limitOf(reader.asked.Limit)
	var after *cursor
	if reader.asked.Cursor != nil {
		given, err := openCursor(s.cfg.Cursors, reader.caller.workspace, *reader.asked.Cursor, filter)
		if err != nil {
			return nil, err
		}
		after = &given
	}
	err := s.cfg.Store.InSnapshot(ctx, reader.caller.workspace, func(ctx context.Context, tx *postgres.Tx) error {
		if err := reader.open(ctx, tx, after); err != nil {
			return err
		}
		rows, more, err := reader.next(ctx, tx, most)
		if err != nil {
			return err
		}
		answer.Data = rows
		if !more {
			return nil
		}
		next, err := reader.at.seal(s.cfg.Cursors, reader.caller.workspace)
		answer.NextCursor = &next
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the table: %w", err)
	}
	reader.audit(ctx, len(answer.Data))
	return answer, nil
}

// tableReader reads the table page by page, as one caller may see it.
type tableReader struct {
	server *Server
	caller session
	asked  gen.ListAttributionsParams
	pii    bool

	version dbsqlc.Policy
	at      cursor // the last row that next returned
	opaque  *row.Opaque
}

// open begins after a position, or at the beginning of the policy in force.
func (r *tableReader) open(ctx context.Context, tx *postgres.Tx, after *cursor) error {
	workspace := r.caller.workspace
	r.opaque = row.NewOpaque(func(id string) uuid.UUID { return r.server.cfg.Ring.Digest(workspace, "message", id) })
	if after == nil {
		live, err := tx.PolicyInForce(ctx, workspace)
		r.version, r.at = live, beginning(live.Version, backwards(r.asked), filterDigest(r.asked))
		return err
	}
	r.at = *after
	// The rows of a version that was recomputed are gone, and the next one has the same.
	version, err := tx.PolicyHeir(ctx, workspace, after.Version)
	if err != nil {
		return err
	}
	r.version, err = tx.PolicyGet(ctx, workspace, version)
	return err
}

// next returns up to most rows and whether there are more.
func (r *tableReader) next(ctx context.Context, tx *postgres.Tx, most int) ([]row.Row, bool, error) {
	page := dbsqlc.AttributionPageParams{
		WorkspaceID: r.caller.workspace, Version: r.version.Version, FromAt: time.Time{}, ToAt: endOfTime,
		Definition: r.asked.Conversion, Model: r.asked.Model, Campaign: r.asked.Campaign,
		Template: r.asked.Template, Channel: r.asked.Channel, Most: int32(most) + 1,
	}
	if r.asked.From != nil {
		page.FromAt = *r.asked.From
	}
	if r.asked.To != nil {
		page.ToAt = *r.asked.To
	}
	r.at.position(&page)
	stored, err := readPage(ctx, tx, page, backwards(r.asked))
	if err != nil {
		return nil, false, err
	}
	more := len(stored) > most
	if more {
		stored = stored[:most]
	}
	rows := make([]row.Row, len(stored))
	if len(stored) == 0 {
		return rows, false, nil
	}
	phones, err := r.phones(ctx, tx, stored)
	if err != nil {
		return nil, false, err
	}
	for i := range stored {
		rows[i] = r.shown(&stored[i], phones)
	}
	r.at = cursorAfter(&stored[len(stored)-1], r.version.Version, r.at.Filter)
	return rows, more, nil
}

// readPage reads rows after a position, or before it.
func readPage(ctx context.Context, tx *postgres.Tx, page dbsqlc.AttributionPageParams, backwards bool) ([]dbsqlc.AttributionPageRow, error) {
	if !backwards {
		return tx.AttributionPage(ctx, page)
	}
	found, err := tx.AttributionPageBack(ctx, dbsqlc.AttributionPageBackParams(page))
	if err != nil {
		return nil, err
	}
	rows := make([]dbsqlc.AttributionPageRow, len(found))
	for i, f := range found {
		rows[i] = dbsqlc.AttributionPageRow(f)
	}
	return rows, nil
}

// shown turns a stored row into one that the caller may see.
func (r *tableReader) shown(stored *dbsqlc.AttributionPageRow, phones map[uuid.UUID]string) row.Row {
	shown := row.Row{
		Conversion: stored.Definition, ConversionID: stored.ConversionID, EventID: stored.EventID, Event: stored.EventName,
		InThread: stored.InThread, EventAt: row.InstantOf(stored.EventAt), OrderID: stored.OrderID,
		Value: maybe(stored.Value), Currency: stored.Currency,
		Model: stored.Model, Weight: row.Weight(stored.Weight), CreditedValue: maybe(stored.Credited),
		Channel: stored.Channel, Tier: stored.Tier, TouchKey: maybe(stored.TouchKey), TouchAt: row.MaybeInstant(stored.TouchAt),
		WindowSeconds: stored.WindowSeconds, LagSeconds: (*row.Lag)(stored.LagUs), MessageID: stored.MessageID,
		TemplateName: stored.TemplateName, TemplateLanguage: stored.TemplateLanguage, Campaign: stored.Campaign, Variant: stored.Variant,
		SentAt: row.MaybeInstant(stored.SentAt), DeliveredAt: row.MaybeInstant(stored.DeliveredAt), ReadAt: row.MaybeInstant(stored.ReadAt),
		ClickedAt: row.MaybeInstant(stored.ClickedAt), RepliedAt: row.MaybeInstant(stored.RepliedAt), FailedAt: row.MaybeInstant(stored.FailedAt),
		PersonID: stored.PersonID, PolicyVersion: int(r.version.Version),
	}
	shown.ID = row.ID(r.caller.workspace, &shown)
	if stored.PersonID != nil {
		shown.Phone = maybe(phones[*stored.PersonID])
	}
	if !r.caller.seesPersons() {
		r.opaque.Hide(&shown, text(stored.MessageChannel))
	}
	return shown
}

// phones returns what to show as the phone of each person on a page.
func (r *tableReader) phones(ctx context.Context, tx *postgres.Tx, page []dbsqlc.AttributionPageRow) (map[uuid.UUID]string, error) {
	seen := map[uuid.UUID]bool{}
	persons := []uuid.UUID{}
	for i := range page {
		if id := page[i].PersonID; id != nil && !seen[*id] {
			seen[*id] = true
			persons = append(persons, *id)
		}
	}
	found, err := tx.AttributionPhones(ctx, dbsqlc.AttributionPhonesParams{
		WorkspaceID: r.caller.workspace, IdentityVersion: r.version.IdentityVersion, Persons: persons,
	})
	if err != nil {
		return nil, err
	}
	phones := make(map[uuid.UUID]string, len(found))
	for _, f := range found {
		phone, err := r.server.cfg.Ring.Open(r.caller.workspace, f.Digest, f.Ciphertext)
		if err != nil {
			return nil, fmt.Errorf("open phone: %w", err)
		}
		if !r.pii {
			phone = row.MaskPhone(phone, callingCode(phone))
		}
		phones[f.PersonID] = phone
	}
	return phones, nil
}

// callingCode is the country code of a phone in E.164, else "".
func callingCode(phone string) string {
	number, err := phonenumbers.Parse(phone, phonenumbers.UNKNOWN_REGION)
	if err != nil {
		return ""
	}
	return strconv.Itoa(int(number.GetCountryCode()))
}

// audit notes that phones were shown in clear.
func (r *tableReader) audit(ctx context.Context, rows int) {
	if r.pii {
		r.server.cfg.Log.InfoContext(ctx, "audit: phones shown in clear",
			"workspace", r.caller.workspace, "by", r.caller.Subject, "role", r.caller.Role, "rows", rows)
	}
}

func maybe(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}
