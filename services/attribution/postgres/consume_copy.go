package postgres

import (
	"context"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// What consume writes most of, in the binary format of COPY: each row with as many bytes as
// it takes.

// FactRefInsert writes references. It takes the place of the generated one, which is the same
// by way of pgx.
func (t *Tx) FactRefInsert(ctx context.Context, rows []dbsqlc.FactRefInsertParams) (int64, error) {
	const columns, size = 5, 16 + 16 + 16 + 2 + 8
	c := newCopy(columns, len(rows)*size, len(rows))
	for i := range rows {
		r := &rows[i]
		c.row()
		c.uuid(r.WorkspaceID)
		c.uuid(r.Value)
		c.uuid(r.FactID)
		c.int2(r.Kind)
		c.value(8)
		c.buf = appendTime(c.buf, r.At)
	}
	return c.send(ctx, t, "copy fact_ref (workspace_id, value, fact_id, kind, at) from stdin (format binary)")
}

// TouchedInsert writes touched rows. It takes the place of the generated one, which is the
// same by way of pgx.
func (t *Tx) TouchedInsert(ctx context.Context, rows []dbsqlc.TouchedInsertParams) (int64, error) {
	const columns, fixed = 10, 4*16 + 8 + 4 + 8 + 2*20
	size := 0
	for i := range rows {
		size += fixed + 20*(len(rows[i].OldRefs)+len(rows[i].NewRefs)) + len(rows[i].Term)
	}
	c := newCopy(columns, size, len(rows))
	for i := range rows {
		r := &rows[i]
		c.row()
		c.uuid(r.WorkspaceID)
		c.uuid(r.FactID)
		c.uuids(r.OldRefs)
		c.uuids(r.NewRefs)
		c.uuid(r.SourceID)
		c.value(8)
		c.buf = appendTime(c.buf, r.Hour)
		c.value(len(r.Term))
		c.buf = append(c.buf, r.Term...)
		c.uuid(r.Consumer)
		c.int4(r.Shard)
		c.value(8)
		c.buf = appendInt64(c.buf, r.Batch)
	}
	return c.send(ctx, t, "copy touched (workspace_id, fact_id, old_refs, new_refs, source_id, hour, term, consumer, shard, batch) from stdin (format binary)")
}
