package hit

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit/canonical"
)

// content is a [Fact] as its copies are compared: without where it came from, how
// far that is trusted, its times and its flags. The field names are the fact's; the
// shallower field wins over the embedded one of the same name, and being nil, is
// left out.
type content struct {
	*Fact
	Source     *struct{} `json:"source,omitempty"`
	Trust      *struct{} `json:"trust,omitempty"`
	At         *struct{} `json:"at,omitempty"`
	Precision  *struct{} `json:"precision,omitempty"`
	ReceivedAt *struct{} `json:"received_at,omitempty"`
	Flags      *struct{} `json:"flags,omitempty"`
}

// Content returns what f says as canonical JSON, and the first 16 bytes of its
// SHA-256. Two copies of a fact say the same if and only if the bodies are equal;
// source, trust, times and flags are not in it. [FromContent] reads it back.
//
// It fails when one of the raw JSON fields is no JSON or nests too deep.
func Content(f *Fact) (body []byte, sum uuid.UUID, err error) {
	raw, err := json.Marshal(content{Fact: f})
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("encode fact %s: %w", f.ID, err)
	}
	body, err = canonical.JSON(raw)
	if err != nil {
		return nil, uuid.Nil, fmt.Errorf("canonical form of fact %s: %w", f.ID, err)
	}
	hash := sha256.Sum256(body)
	return body, uuid.UUID(hash[:16]), nil
}

// FromContent reads a body that [Content] made. What a body leaves out is zero: the
// caller has it in columns.
func FromContent(body []byte) (f Fact, err error) {
	err = ReadContent(body, &f)
	return f, err
}

// ReadContent is [FromContent] into a fact that is there already, whatever it held.
func ReadContent(body []byte, f *Fact) error {
	if readContent(body, f) {
		return nil
	}
	*f = Fact{}
	if err := json.Unmarshal(body, f); err != nil {
		*f = Fact{}
		return fmt.Errorf("decode fact: %w", err)
	}
	return nil
}
