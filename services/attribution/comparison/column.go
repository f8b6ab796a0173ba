package comparison

import (
	"bytes"
	"encoding/json"
	"math/big"
	"slices"
	"strings"
	"time"
)

// What columns of the database hold, by name.
var (
	money   = []string{"value", "cost", "credited"}                  // numeric: a decimal string
	weights = []string{"weight", "weights"}                          // bigint, parts of 10^12: a number, 1 is one conversion
	times   = []string{"at", "bucket", "engaged_from", "engaged_to"} // and all that end in _at: as [Time]
)

// partsPerOne is how many parts a weight of 1 has in the database.
const partsPerOne = 1_000_000_000_000

// shaped is a value of a column as the REST API writes such values everywhere.
func shaped(column string, raw json.RawMessage) json.RawMessage {
	reader := json.NewDecoder(bytes.NewReader(raw))
	reader.UseNumber() // keeps each digit
	var value any
	if err := reader.Decode(&value); err != nil {
		return raw
	}
	text, err := json.Marshal(shape(column, value))
	if err != nil {
		return raw
	}
	return text
}

func shape(column string, value any) any {
	switch v := value.(type) {
	case []any:
		for i := range v {
			v[i] = shape(column, v[i])
		}
	case map[string]any: // one of a conversion's credits
		for name := range v {
			v[name] = shape(name, v[name])
		}
	case json.Number:
		return number(column, v)
	case string:
		if at, err := time.Parse(time.RFC3339Nano, v); err == nil && (strings.HasSuffix(column, "_at") || slices.Contains(times, column)) {
			return Time{at}
		}
	}
	return value
}

func number(column string, n json.Number) any {
	if slices.Contains(money, column) {
		return n.String()
	}
	if !slices.Contains(weights, column) {
		return n
	}
	parts, ok := new(big.Rat).SetString(n.String())
	if !ok { // unreachable: it is a number
		return n
	}
	whole := parts.Quo(parts, big.NewRat(partsPerOne, 1)).FloatString(12)
	return json.Number(strings.TrimSuffix(strings.TrimRight(whole, "0"), "."))
}
