package consume

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// Keys are per workspace: what two of them are told under one key are two facts, and
// no identifier of one is the other's.
func TestStore_oneKeyInTwoWorkspaces(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	neighbour := uuid.New()
	var id uuid.UUID
	d.scan(t, `insert into workspace (workspace_id, name, currency, timezone, created_at) values ('`+neighbour.String()+`', 'n', 'NOK', 'UTC', now()) returning workspace_id`, &id)
	ring := newRing(t)
	var entries []stream.Entry
	for n, workspace := range []uuid.UUID{shop, neighbour} {
		h := order("o1", noon, "7")
		h.Workspace = workspace
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, stream.Entry{
			ID: fmt.Sprintf("%d-0", n+1), Field: workspace.String() + "/" + h.Fact.Source.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: uuid.New(), Number: 1},
		})
	}
	deliver(t, d, ring, entries, []int{2, 2})
	if n := d.number(t, "select count(*) from fact where fact_id = (select fact_id from fact limit 1)"); n != 2 {
		t.Errorf("%d facts of one key in two workspaces", n)
	}
	if n := d.number(t, "select count(*) from fact_ref where kind = 2"); n != 2 {
		t.Errorf("%d phones", n)
	}
	if n := d.number(t, "select count(distinct value) from fact_ref where kind = 2"); n != 2 {
		t.Error("two workspaces share the digest of a phone")
	}
}
