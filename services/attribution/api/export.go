package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/touchline/touchline/services/attribution/api/row"
	"github.com/touchline/touchline/services/attribution/postgres"
)

const (
	// exportPage is how many rows are in memory at once. A guess: 2,000 rows are about
	// 1 MB, and the round trip to the database is small beside them.
	exportPage = 2000
	// exportPatience is how long a client may take for one page of the stream.
	exportPatience = 30 * time.Second
)

// errBroken says that an export failed after its answer had begun.
var errBroken = errors.New("export broke off")

// export is the whole table as a stream, all of it from one snapshot.
type export struct {
	ctx    context.Context //nolint:containedctx // The generated interface has no other way in.
	reader *tableReader
	format row.Format
}

// VisitListAttributionsResponse writes the stream. An error before the first byte is
// an ordinary one; after it the connection is cut, for to end the answer in order
// would pass a part off as the whole.
func (e *export) VisitListAttributionsResponse(w http.ResponseWriter) error {
	begun, rows := false, 0
	err := e.reader.server.cfg.Store.InSnapshot(e.ctx, e.reader.caller.workspace, func(ctx context.Context, tx *postgres.Tx) error {
		if begun {
			return errBroken // the transaction is run again, the answer cannot be
		}
		if err := e.reader.open(ctx, tx, nil); err != nil {
			return err
		}
		begun = true
		var err error
		rows, err = e.copy(ctx, tx, w)
		return err
	})
	e.reader.audit(e.ctx, rows)
	if err == nil || !begun {
		return err
	}
	if e.ctx.Err() == nil {
		e.reader.server.cfg.Log.Error("export broke off", "format", e.format, "rows", rows, "error", err)
	}
	panic(http.ErrAbortHandler) // net/http's way of cutting the connection
}

// copy writes the answer from its headers to its end and counts rows.
func (e *export) copy(ctx context.Context, tx *postgres.Tx, w http.ResponseWriter) (int, error) {
	patience := http.NewResponseController(w)
	buffered := bufio.NewWriterSize(w, 64<<10)
	e.headers(w.Header())
	writer, err := row.NewWriter(buffered, e.format)
	if err != nil {
		return 0, err
	}
	rows := 0
	for more := true; more; {
		var page []row.Row
		if page, more, err = e.reader.next(ctx, tx, exportPage); err != nil {
			return rows, err
		}
		// The server's own deadline is made for small answers. A recorder in a test
		// knows none.
		if err := patience.SetWriteDeadline(time.Now().Add(exportPatience)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return rows, fmt.Errorf("extend the deadline: %w", err)
		}
		if err := writer.Write(page); err != nil {
			return rows, err
		}
		rows += len(page)
	}
	if err := writer.Close(); err != nil {
		return rows, fmt.Errorf("complete the export: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return rows, fmt.Errorf("complete the export: %w", err)
	}
	return rows, nil
}

func (e *export) headers(header http.Header) {
	contentType, name := string(e.format), "attributions"
	switch e.format {
	case row.CSV:
		contentType, name = contentType+"; charset=utf-8; header=present", name+".csv"
	case row.NDJSON:
		name += ".ndjson"
	case row.Parquet:
		name += ".parquet"
	case row.JSON:
	}
	header.Set("Content-Type", contentType)
	header.Set("Content-Disposition", `attachment; filename="`+name+`"`)
	header.Set("Vary", "Accept")
}
