package consume

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// encoded are the entries of facts, as an edge writes them.
func encoded(t *testing.T, facts ...hit.Fact) []stream.Entry {
	t.Helper()
	epoch := uuid.New()
	var entries []stream.Entry
	for n, f := range facts {
		h := hit.Hit{Workspace: shop, Fact: f}
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, stream.Entry{
			ID: fmt.Sprintf("%d-0", n+1), Field: shop.String() + "/" + f.Source.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: epoch, Number: int64(n + 1)},
		})
	}
	return entries
}

// Before a visitor has consented, a page's facts name nobody. They are stored with what
// was said of consent, and earn and own nothing: an order of nobody is a conversion of
// nobody, also when somebody clicked a message on the same page.
func TestDerive_FactsOfNobody(t *testing.T) {
	t.Parallel()
	d := newTable(t)
	pageOf := func(id, url string, consent *hit.Consent) hit.Fact {
		return hit.Fact{
			Kind: hit.KindPage, Source: site, Trust: hit.TrustBrowser, ID: id, At: hit.InstantOf(noon), ReceivedAt: hit.InstantOf(noon) + 1,
			Page: &hit.Page{URL: url}, Consent: consent,
		}
	}
	denied := &hit.Consent{State: hit.ConsentDenied, GPC: true, DNT: true, GCM: []byte(`{"ad_storage":"denied"}`), TCF: "CP.A"}
	bought := order("of nobody", noon.Add(1), "10")
	bought.Fact.Identifiers, bought.Fact.Device, bought.Fact.Consent = nil, nil, denied
	facts := []hit.Fact{
		pageOf("seen", "https://shop.example/?utm_source=ad", &hit.Consent{State: hit.ConsentUnknown}),
		pageOf("clicked", "https://shop.example/?mt=tk1", denied),
		bought.Fact,
		pageOf("of before", "https://shop.example/?mt=tk2", nil),
	}
	deliver(t, d.database, d.ring, encoded(t, facts...), []int{3, 1})
	for d.number(t, `select count(*) from touched`) > 0 {
		d.pass(t)
	}
	if n := d.number(t, `select count(*) from conversion where person_id is null and not identified`); n != 1 {
		t.Errorf("%d conversions of nobody, want 1", n)
	}
	if n := d.number(t, `select count(*) from credit where channel <> 'unattributed'`); n != 0 {
		t.Errorf("nobody's order was credited %d times", n)
	}
	rows, err := d.rows.Query(t.Context(), `select body from fact`)
	if err != nil {
		t.Fatal(err)
	}
	stored := map[string]*hit.Consent{}
	for rows.Next() {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			t.Fatal(err)
		}
		f, err := hit.FromContent(body)
		if err != nil {
			t.Fatal(err)
		}
		stored[f.ID] = f.Consent
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	want := map[string]*hit.Consent{"seen": facts[0].Consent, "clicked": denied, "of nobody": denied, "of before": nil}
	if diff := cmp.Diff(want, stored); diff != "" {
		t.Errorf("what is stored of consent (-want +got):\n%s", diff)
	}
}

// Edges that are upgraded before the workers write what these can't read yet. It is put
// away, whole, and can be replayed once they are.
func TestNewItem_NewerVersion(t *testing.T) {
	t.Parallel()
	entries := encoded(t, hit.Fact{
		Kind: hit.KindPage, Source: site, Trust: hit.TrustBrowser, ID: "p", At: 1, ReceivedAt: 2, Page: &hit.Page{}, Consent: &hit.Consent{State: hit.ConsentGranted},
	})
	newer := entries[0]
	newer.Payload = slices.Clone(newer.Payload)
	newer.Payload[0] = hit.Version + 1
	if i := newItem(newer, newRing(t)); i.refused == nil || i.refused.reason != reasonVersion || !i.refused.hit || !slices.Equal(i.refused.raw, newer.Payload) {
		t.Errorf("%+v", i.refused)
	}
	if i := newItem(entries[0], newRing(t)); i.refused != nil {
		t.Errorf("this version: %+v", i.refused)
	}
}
