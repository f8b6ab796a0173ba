package row

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"

	"github.com/parquet-go/parquet-go"
)

// Format is a media type that the table can be asked for.
type Format string

// The formats of GET /v1/attributions.
const (
	JSON    Format = "application/json"
	CSV     Format = "text/csv"
	NDJSON  Format = "application/x-ndjson"
	Parquet Format = "application/vnd.apache.parquet"
)

// Writer writes rows in one format. Close completes the document; it does not close
// what lies beneath.
type Writer interface {
	Write(rows []Row) error
	Close() error
}

// NewWriter returns a Writer of a streamed format: all but [JSON].
func NewWriter(w io.Writer, format Format) (Writer, error) {
	switch format {
	case CSV:
		c := &csvWriter{csv: csv.NewWriter(w)}
		c.csv.UseCRLF = true // RFC 4180
		return c, c.csv.Write(columns())
	case NDJSON:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return ndjsonWriter{encoder}, nil
	case Parquet:
		return &parquetWriter{parquet.NewGenericWriter[parquetRow](w, parquet.Compression(&parquet.Zstd), parquet.MaxRowsPerRowGroup(parquetGroup))}, nil
	case JSON:
	}
	return nil, fmt.Errorf("no stream of format %q", format)
}

type ndjsonWriter struct{ encoder *json.Encoder }

func (n ndjsonWriter) Write(rows []Row) error {
	for i := range rows {
		if err := n.encoder.Encode(&rows[i]); err != nil {
			return fmt.Errorf("write row as JSON: %w", err)
		}
	}
	return nil
}

func (n ndjsonWriter) Close() error { return nil }
