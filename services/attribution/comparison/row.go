package comparison

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// Row is one that differs: its key, and of the rest the columns that are not the same
// before and after. Nil: the row is not there.
type Row struct {
	Key    Columns `json:"key"`
	Before Columns `json:"before"`
	After  Columns `json:"after"`
}

// Columns are values by name of the column, as JSON: money as decimal strings, weights as
// numbers of which 1 is one conversion, times as [Time].
type Columns map[string]json.RawMessage

// keys are the columns by which rows of a part are paired.
func keys(part string) []string {
	switch part {
	case Conversions:
		return []string{"definition", "conversion_id"}
	case Messages:
		return []string{"channel", "message_id"}
	case Persons:
		return []string{"digest"}
	case Links:
		return []string{"a", "b"}
	case Claims:
		return []string{"device", "at", "fact", "identify"}
	case CreditRollups:
		return []string{
			"bucket", "model", "definition", "channel", "tier", "campaign", "template_name", "template_language", "variant", "currency",
		}
	case MessageRollups:
		return []string{"bucket", "channel", "template_name", "template_language", "campaign", "variant"}
	}
	return nil
}

// Unsaid are the columns that say nothing of what follows from the facts: which
// version, and when and how often it was written.
func Unsaid() []string {
	return []string{"workspace_id", "version", "identity_version", "revision", "computed_at", "superseded_at"}
}

// ReadRows makes rows of a list of {"before": row, "after": row}, each with all its
// columns or null.
func ReadRows(part string, list []byte) ([]Row, error) {
	var pairs []struct{ Before, After Columns }
	if err := json.Unmarshal(list, &pairs); err != nil {
		return nil, fmt.Errorf("read differing rows of %s: %w", part, err)
	}
	rows := make([]Row, len(pairs))
	for i, pair := range pairs {
		rows[i] = newRow(part, pair.Before, pair.After)
	}
	return rows, nil
}

func newRow(part string, before, after Columns) Row {
	row := Row{Key: Columns{}}
	for _, name := range keys(part) {
		value, there := before[name]
		if !there {
			value = after[name]
		}
		row.Key[name] = shaped(name, value)
	}
	row.Before, row.After = before.said(row.Key), after.said(row.Key)
	for name, value := range row.Before {
		if other, there := row.After[name]; there && bytes.Equal(value, other) {
			delete(row.Before, name)
			delete(row.After, name)
		}
	}
	return row
}

// said is c without the key and what is unsaid; nil stays nil.
func (c Columns) said(key Columns) Columns {
	if c == nil {
		return nil
	}
	rest := Columns{}
	for name, value := range c {
		if _, isKey := key[name]; !isKey && !slices.Contains(Unsaid(), name) {
			rest[name] = shaped(name, value)
		}
	}
	return rest
}
