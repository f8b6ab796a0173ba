package api

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// mostFields bounds the differing fields that are named of one conflict; guessed.
const mostFields = 50

// place is a position in a list: the last entry shown. It is sealed, for digests of
// identifiers are nobody's business, and so that no other list takes it.
type place struct {
	List     string    `json:"l"`
	Identity int32     `json:"i,omitempty"` // the identity version that the first page was read from
	At       time.Time `json:"t"`
	A        uuid.UUID `json:"a"`
	B        uuid.UUID `json:"b"`
}

// latest is the position before the latest entry of a list, whatever its time and ids.
func latest(list string) place { return place{List: list, At: endOfTime, A: uuid.Max, B: uuid.Max} }

func (s *Server) sealPlace(workspace uuid.UUID, p place) (*string, error) {
	sealed, err := s.cfg.Cursors.Seal(workspace.String(), p)
	if err != nil {
		return nil, fmt.Errorf("make cursor: %w", err)
	}
	text := base64.RawURLEncoding.EncodeToString(sealed)
	return &text, nil
}

// openPlace returns where a list goes on: after the cursor, or from begin without one.
func (s *Server) openPlace(workspace uuid.UUID, cursor *string, begin place) (place, error) {
	if cursor == nil {
		return begin, nil
	}
	var p place
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(*cursor)
	if err == nil {
		err = s.cfg.Cursors.Open(workspace.String(), sealed, &p)
	}
	if err != nil || p.List != begin.List {
		return p, problem(http.StatusBadRequest, "A parameter was not understood.",
			httpserver.FieldError{Pointer: "?cursor", Detail: "is none that was given out for this list"})
	}
	return p, nil
}

// ListFactConflicts answers GET /v1/facts/conflicts.
func (s *Server) ListFactConflicts(ctx context.Context, request gen.ListFactConflictsRequestObject) (gen.ListFactConflictsResponseObject, error) {
	workspace, most := sessionOf(ctx).workspace, limitOf(request.Params.Limit)
	shown, err := s.newNames(sessionOf(ctx), nil)
	if err != nil {
		return nil, err
	}
	from, err := s.openPlace(workspace, request.Params.Cursor, latest("fact conflicts"))
	if err != nil {
		return nil, err
	}
	var found []dbsqlc.FindingConflictsRow
	err = s.cfg.Store.InSnapshot(ctx, workspace, func(ctx context.Context, tx *postgres.Tx) (err error) {
		if _, err = tx.WorkspaceGet(ctx, workspace); err != nil {
			return err
		}
		found, err = tx.FindingConflicts(ctx, dbsqlc.FindingConflictsParams{
			WorkspaceID: workspace, BeforeAt: from.At, BeforeFact: from.A, BeforeContent: from.B, Most: int32(most) + 1,
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list conflicts of facts: %w", err)
	}
	answer := gen.ListFactConflicts200JSONResponse{Data: []gen.FactConflict{}}
	for i := range found[:min(most, len(found))] {
		one, err := factConflict(&found[i], shown)
		if err != nil {
			return nil, err
		}
		answer.Data = append(answer.Data, one)
	}
	if len(found) > most {
		last := &found[most-1]
		from.At, from.A, from.B = last.ReceivedAt, last.FactID, last.Content
		answer.NextCursor, err = s.sealPlace(workspace, from)
	}
	return answer, err
}

func factConflict(r *dbsqlc.FindingConflictsRow, shown *names) (gen.FactConflict, error) {
	f, err := hit.FromContent(r.Body)
	if err != nil {
		return gen.FactConflict{}, fmt.Errorf("read a conflict of fact %s: %w", r.FactID, err)
	}
	fields, err := differing(r.ForceBody, r.Body)
	if err != nil {
		return gen.FactConflict{}, fmt.Errorf("compare the copies of fact %s: %w", r.FactID, err)
	}
	id := shown.text(f.ID)
	if f.Kind == hit.KindMessage || f.Kind == hit.KindStatus || f.Kind == hit.KindInbound {
		id = shown.message(f.Channel, f.ID)
	}
	return gen.FactConflict{
		Kind: r.Kind, Id: id, Channel: maybe(f.Channel), Fields: fields,
		InForce: gen.FactCopy{
			SourceId: r.ForceSourceID, Trust: trustOf(hit.Trust(r.ForceTrust)),
			At: row.InstantOf(r.ForceOccurredAt), ReceivedAt: row.InstantOf(r.ForceReceivedAt),
		},
		Refused: gen.FactCopy{
			SourceId: r.SourceID, Trust: trustOf(hit.Trust(r.Trust)), At: row.InstantOf(r.OccurredAt), ReceivedAt: row.InstantOf(r.ReceivedAt),
		},
	}, nil
}

// differing returns JSON pointers to what differs between two objects, sorted: where
// both have an object, into it; all else as a whole.
func differing(a, b []byte) ([]string, error) {
	var left, right map[string]json.RawMessage
	if err := json.Unmarshal(a, &left); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &right); err != nil {
		return nil, err
	}
	fields := pointersTo("", left, right)
	slices.Sort(fields)
	return fields[:min(len(fields), mostFields)], nil
}

func pointersTo(path string, left, right map[string]json.RawMessage) []string {
	fields := []string{}
	both := maps.Clone(left)
	maps.Copy(both, right)
	for name := range both {
		l, r := left[name], right[name]
		if bytes.Equal(l, r) {
			continue
		}
		here := path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		var inner, other map[string]json.RawMessage
		if isObject(l) && isObject(r) && json.Unmarshal(l, &inner) == nil && json.Unmarshal(r, &other) == nil {
			fields = append(fields, pointersTo(here, inner, other)...)
			continue
		}
		fields = append(fields, here)
	}
	return fields
}

func isObject(raw json.RawMessage) bool { return len(raw) > 0 && raw[0] == '{' }
