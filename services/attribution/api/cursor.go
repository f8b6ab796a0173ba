package api

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/api/gen"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
	"github.com/touchline/touchline/services/attribution/secret"
	"github.com/touchline/touchline/services/internal/httpserver"
)

// cursor is a position in the attribution table of one policy version: the last row
// shown. It is sealed, for a conversion id can be a message id, which contains a phone.
type cursor struct {
	Version    int32  `json:"v"`
	At         int64  `json:"t"` // microseconds
	Definition string `json:"d"`
	Conversion string `json:"c"`
	Ordinal    int32  `json:"o"`
	Rank       int32  `json:"r"`
	Filter     string `json:"f"` // digest of the filters it was made under
}

// cursorAfter is the position of a row that was shown.
func cursorAfter(r *dbsqlc.AttributionPageRow, version int32, filter string) cursor {
	return cursor{
		Version: version, At: r.EventAt.UnixMicro(), Definition: r.Definition, Conversion: r.ConversionID,
		Ordinal: r.Ordinal, Rank: r.Rank, Filter: filter,
	}
}

// seal makes the text that a client sends back; another workspace cannot use it.
func (c cursor) seal(box *secret.Box, workspace uuid.UUID) (string, error) {
	sealed, err := box.Seal(workspace.String(), c)
	if err != nil {
		return "", fmt.Errorf("make cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(sealed), nil
}

// openCursor reads a client's cursor. One that we did not make for this workspace and
// these filters is the client's fault.
func openCursor(box *secret.Box, workspace uuid.UUID, text, filter string) (cursor, error) {
	var c cursor
	refused := problem(http.StatusBadRequest, "A parameter was not understood.",
		httpserver.FieldError{Pointer: "?cursor", Detail: "is none that was given out for these filters"})
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil {
		return c, refused
	}
	if err := box.Open(workspace.String(), sealed, &c); err != nil || c.Filter != filter {
		return c, refused
	}
	return c, nil
}

// position puts the cursor into a query.
func (c cursor) position(page *dbsqlc.AttributionPageParams) {
	page.AfterAt, page.AfterDefinition, page.AfterConversion = time.UnixMicro(c.At).UTC(), c.Definition, c.Conversion
	page.AfterOrdinal, page.AfterRank = int64(c.Ordinal), c.Rank
}

// beginning is the position before all rows, or of the opposite order after all: no
// time is before the year 1 or after the year 9999.
func beginning(version int32, backwards bool, filter string) cursor {
	at := time.Time{}
	if backwards {
		at = endOfTime
	}
	return cursor{Version: version, At: at.UnixMicro(), Rank: -1, Filter: filter}
}

// backwards says that the latest row comes first.
func backwards(asked gen.ListAttributionsParams) bool {
	return asked.Order != nil && *asked.Order == gen.Desc
}

// filterDigest tells two sets of filters apart, the order included. The limit is no
// filter: it may change from page to page.
func filterDigest(asked gen.ListAttributionsParams) string {
	h := sha256.New()
	for _, value := range []*string{asked.Model, asked.Conversion, asked.Campaign, asked.Template, asked.Channel} {
		if value != nil {
			fmt.Fprintf(h, "%d:%s", len(*value), *value)
		}
		h.Write([]byte{0})
	}
	for _, at := range []*time.Time{asked.From, asked.To} {
		if at != nil {
			fmt.Fprintf(h, "%d", at.UnixMicro())
		}
		h.Write([]byte{0})
	}
	fmt.Fprint(h, backwards(asked))
	return hex.EncodeToString(h.Sum(nil)[:8])
}
