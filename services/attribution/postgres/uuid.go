package postgres

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgtype"
)

// uuidCodec moves a [uuid.UUID] as the 16 bytes that it is. pgx itself knows it only as
// something that makes and reads text, and goes by way of text and a refused attempt:
// that was a quarter of a worker's time. All other types are left to pgx.
type uuidCodec struct{ pgtype.UUIDCodec }

// registerUUID makes m use the codec, in arrays too.
func registerUUID(m *pgtype.Map) {
	m.RegisterType(&pgtype.Type{Name: "uuid", OID: pgtype.UUIDOID, Codec: uuidCodec{}})
}

// PlanEncode implements [pgtype.Codec].
func (c uuidCodec) PlanEncode(m *pgtype.Map, oid uint32, format int16, value any) pgtype.EncodePlan {
	if _, ours := value.(uuid.UUID); ours && format == pgtype.BinaryFormatCode {
		return uuidPlan{}
	}
	return c.UUIDCodec.PlanEncode(m, oid, format, value)
}

// PlanScan implements [pgtype.Codec].
func (c uuidCodec) PlanScan(m *pgtype.Map, oid uint32, format int16, target any) pgtype.ScanPlan {
	if _, ours := target.(*uuid.UUID); ours && format == pgtype.BinaryFormatCode {
		return uuidPlan{}
	}
	return c.UUIDCodec.PlanScan(m, oid, format, target)
}

// uuidPlan encodes a uuid.UUID and scans into one.
type uuidPlan struct{}

// Encode implements [pgtype.EncodePlan].
func (uuidPlan) Encode(value any, buf []byte) ([]byte, error) {
	id, ours := value.(uuid.UUID)
	if !ours {
		return nil, fmt.Errorf("%T is no uuid", value)
	}
	return append(buf, id[:]...), nil
}

// Scan implements [pgtype.ScanPlan]. NULL leaves the target alone, as uuid.UUID does.
func (uuidPlan) Scan(from []byte, target any) error {
	id, ours := target.(*uuid.UUID)
	if !ours {
		return fmt.Errorf("%T takes no uuid", target)
	}
	if from == nil {
		return nil
	}
	if len(from) != len(id) {
		return fmt.Errorf("a uuid of %d bytes", len(from))
	}
	copy(id[:], from)
	return nil
}
