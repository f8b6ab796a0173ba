package api

import (
	"mime"
	"strconv"
	"strings"

	"github.com/touchline/touchline/services/attribution/api/row"
)

// negotiate returns the format of the table that an Accept header prefers (RFC 9110,
// section 12.5.1), JSON when it does not say, and "" when it allows none of ours.
func negotiate(accept string) row.Format {
	if strings.TrimSpace(accept) == "" {
		return row.JSON
	}
	best, weight := row.Format(""), 0.0
	for part := range strings.SplitSeq(accept, ",") {
		media, params, err := mime.ParseMediaType(part)
		if err != nil {
			continue
		}
		q := 1.0
		if text, given := params["q"]; given {
			if q, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		if format := formatOf(media); format != "" && q > weight {
			best, weight = format, q
		}
	}
	return best
}

func formatOf(media string) row.Format {
	switch media {
	case "*/*", "application/*", string(row.JSON):
		return row.JSON
	case "text/*", string(row.CSV):
		return row.CSV
	case string(row.NDJSON), "application/ndjson":
		return row.NDJSON
	case string(row.Parquet):
		return row.Parquet
	}
	return ""
}
