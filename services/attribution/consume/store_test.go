package consume

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/digest"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// world is a set of entries: copies of a few facts, some with other contents.
func world(t *testing.T, random *rand.Rand, epoch uuid.UUID) []stream.Entry {
	t.Helper()
	var entries []stream.Entry
	for n := range 60 {
		h := order(fmt.Sprint("order-", random.IntN(6)), noon.Add(time.Duration(random.IntN(3))*time.Second), fmt.Sprint(random.IntN(3)))
		if random.IntN(4) == 0 { // another source's copy of it is another fact
			h.Fact.Source, h.Fact.Trust = server, hit.TrustServer
		}
		h.Fact.ReceivedAt += hit.Instant(random.IntN(3)) * 3_600_000_000
		if random.IntN(10) == 0 {
			h.Rejection = &hit.Rejection{Reason: "bad_time", Raw: []byte("{}")}
		}
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, stream.Entry{
			ID: fmt.Sprintf("%d-0", n+1), Field: shop.String() + "/" + h.Fact.Source.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: epoch, Number: int64(n + 1)},
		})
	}
	return entries
}

// Whatever the order, the batches, the number of workers and the redeliveries: the
// same facts, references and totals, equal to those of the pure merge.
func TestStore_neitherOrderNorBatchesNorRedeliveryMatter(t *testing.T) {
	t.Parallel()
	d := newDatabase(t)
	ring := newRing(t)
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		entries := world(t, random, uuid.New())
		facts, terms := model(entries, ring)

		var group sync.WaitGroup
		for range 3 {
			deliveries := slices.Concat(entries, entries[:random.IntN(len(entries))])
			random.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
			sizes := []int{1 + random.IntN(3), 1 + random.IntN(20)}
			group.Go(func() { deliver(t, d, ring, deliveries, sizes) })
		}
		group.Wait()

		if diff := cmp.Diff(facts, d.facts(t)); diff != "" {
			t.Fatalf("seed %d: facts and references (-want +got):\n%s", seed, diff)
		}
		if diff := cmp.Diff(terms, d.terms(t)); diff != "" {
			t.Fatalf("seed %d: terms (-want +got):\n%s", seed, diff)
		}
		var done bool
		d.scan(t, `with a as (delete from fact), b as (delete from fact_ref), c as (delete from fact_conflict), e as (delete from touched),
			f as (delete from ledger_batch), g as (delete from quarantine), h as (delete from batch) select true`, &done)
	}
}

// deliver stores entries in batches of changing sizes, as one consumer.
func deliver(t *testing.T, d *database, ring *digest.Ring, entries []stream.Entry, sizes []int) {
	n := name{consumer: uuid.New(), number: 1}
	for batch := 0; len(entries) > 0; batch++ {
		size := min(sizes[batch%2], len(entries))
		items := make([]*item, size)
		for i, e := range entries[:size] {
			items[i] = newItem(e, ring)
		}
		did, err := place{store: NewStore(d.pool), seal: ring}.write(context.Background(), n, items)
		if err != nil {
			t.Error(err)
			return
		}
		if len(did.batch.Entries) > 0 {
			n.number++
		}
		entries = entries[size:]
	}
}

// model merges entries without a database: the facts as text, and the terms.
func model(entries []stream.Entry, ring *digest.Ring) (facts []string, terms map[string]int64) {
	records := make(map[uuid.UUID]*record)
	terms = make(map[string]int64)
	for _, e := range entries {
		i := newItem(e, ring)
		if i.refused != nil {
			terms[string(termRejected)]++
			continue
		}
		if records[i.factID] == nil {
			records[i.factID] = &record{}
		}
		t, _ := records[i.factID].merge(i.statement)
		terms[string(t)]++
	}
	for id, r := range records {
		f, err := hit.FromContent(r.current.body)
		if err != nil {
			panic(err)
		}
		var refs, others []string
		for _, ref := range fact.Refs(&f) {
			refs = append(refs, fmt.Sprintf("%d:%s:%d", ref.Kind, ref.Value, r.current.at))
		}
		for content, o := range r.others {
			others = append(others, fmt.Sprintf("%s:%s:%d", content, o.source, o.at))
		}
		slices.Sort(refs)
		slices.Sort(others)
		s := r.current
		facts = append(facts, fmt.Sprintf("%s %s %d %d %t %d %s [%s] [%s]", id, s.source, s.trust, s.at, s.wholeSecond, s.receivedAt, s.content,
			strings.Join(refs, ","), strings.Join(others, ",")))
	}
	slices.Sort(facts)
	return facts, terms
}

// facts reads what model returns.
func (d *database) facts(t *testing.T) []string {
	t.Helper()
	var facts []string
	d.scan(t, `select coalesce(array_agg(line order by line), '{}') from (
		select format('%s %s %s %s %s %s %s [%s] [%s]', f.fact_id, f.source_id, f.trust, (extract(epoch from f.occurred_at) * 1000000)::bigint,
			case when f.whole_second then 'true' else 'false' end, (extract(epoch from f.received_at) * 1000000)::bigint, f.content,
			(select string_agg(x, ',' order by x collate "C") from (select format('%s:%s:%s', kind, value, (extract(epoch from at) * 1000000)::bigint) x
				from fact_ref r where r.workspace_id = f.workspace_id and r.fact_id = f.fact_id) q),
			(select string_agg(x, ',' order by x collate "C") from (select format('%s:%s:%s', content, source_id, (extract(epoch from occurred_at) * 1000000)::bigint) x
				from fact_conflict c where c.workspace_id = f.workspace_id and c.fact_id = f.fact_id) q)) as line
		from fact f) lines`, &facts)
	slices.Sort(facts)
	return facts
}

// terms sums what was booked at once and what waits for derive.
func (d *database) terms(t *testing.T) map[string]int64 {
	t.Helper()
	terms := make(map[string]int64)
	for _, name := range []term{termStored, termDuplicate, termConflict, termRejected} {
		n := d.number(t, fmt.Sprintf(`select coalesce((select sum(%s) from ledger_batch), 0)::bigint + (select count(*) from touched where term = '%s')`, name, name))
		if n > 0 {
			terms[string(name)] = n
		}
	}
	return terms
}

// A replaced copy says which references it withdraws, and a change that leaves the
// references alone names them too.
func TestStore_touchedNamesOldAndNewReferences(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	late := order("1", noon.Add(time.Second), "10")
	early := order("1", noon, "10")
	early.Fact.Identifiers = []hit.Identifier{{Kind: hit.Email, Value: "eva@example.org"}}
	sooner := order("1", noon.Add(time.Hour), "10") // changes nothing but the time of receipt
	sooner.Fact.ReceivedAt = hit.InstantOf(noon.Add(30 * time.Second))
	epoch := uuid.New()
	var refs [][]uuid.UUID // that each hit states
	for n, h := range []hit.Hit{late, early, sooner} {
		payload, err := hit.Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		e := stream.Entry{
			ID: fmt.Sprint(n+1, "-0"), Field: shop.String() + "/" + site.String(), Payload: payload,
			Receipt: hit.Receipt{Epoch: epoch, Number: int64(n + 1)},
		}
		deliver(t, d, ring, []stream.Entry{e}, []int{1, 1})
		refs = append(refs, nil)
		for _, r := range newItem(e, ring).statement.refs {
			refs[n] = append(refs[n], r.Value)
		}
	}

	phone, email := ring.Digest(shop, hit.Phone, "+4790000001"), ring.Digest(shop, hit.Email, "eva@example.org")
	if !slices.Contains(refs[0], phone) || !slices.Contains(refs[1], email) || slices.Contains(refs[1], phone) {
		t.Fatal("the references are not what this test needs")
	}
	var got []string
	d.scan(t, `select array_agg(format('%s old %s new %s', term, array(select unnest(old_refs) order by 1)::text, array(select unnest(new_refs) order by 1)::text) order by seq) from touched`, &got)
	want := []string{
		"stored old {} new " + uuids(refs[0]...),
		"conflict old " + uuids(phone) + " new " + uuids(refs[1]...),
		"duplicate old {} new " + uuids(refs[1]...),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("touched (-want +got):\n%s", diff)
	}
}

func uuids(ids ...uuid.UUID) string {
	var texts []string
	for _, id := range ids {
		texts = append(texts, id.String())
	}
	slices.Sort(texts)
	return "{" + strings.Join(texts, ",") + "}"
}

// An entry whose batch is committed and yet to be settled is left to that; once the
// batch is gone, whoever gets the entry settles it.
func TestStore_redeliveryIsLeftToTheSettlingOfItsBatch(t *testing.T) {
	t.Parallel()
	d, ring := newDatabase(t), newRing(t)
	entries := world(t, rand.New(rand.NewPCG(1, 2)), uuid.New())[:2]
	write := func(entries ...stream.Entry) []string {
		var items []*item
		for _, e := range entries {
			items = append(items, newItem(e, ring))
		}
		did, err := place{store: NewStore(d.pool), seal: ring}.write(t.Context(), name{consumer: uuid.New(), number: 1}, items)
		if err != nil {
			t.Fatal(err)
		}
		return did.batch.Entries
	}
	if got := write(entries[0]); !slices.Equal(got, []string{"1-0"}) {
		t.Errorf("the first delivery is to settle %v", got)
	}
	if got := write(entries[0], entries[1]); !slices.Equal(got, []string{"2-0"}) {
		t.Errorf("a redelivery with another entry is to settle %v, want the other one", got)
	}
	if got := write(entries[0]); len(got) != 0 {
		t.Errorf("a redelivery alone is to settle %v", got)
	}
	d.scan(t, "with gone as (delete from batch) select true", new(bool))
	if got := write(entries[0]); !slices.Equal(got, []string{"1-0"}) {
		t.Errorf("without its batch it is to settle %v", got)
	}
	if n := d.number(t, "select (select count(*) from touched) + (select coalesce(sum(stored + duplicate + conflict + rejected), 0)::bigint from ledger_batch)"); n != 2 {
		t.Errorf("%d terms, want one for each entry", n)
	}
}
