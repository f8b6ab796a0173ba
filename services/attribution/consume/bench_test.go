package consume

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/stream"
)

// BenchmarkStore stores batches of 500 new facts with three identifiers' references
// each; the figure to look at is hits/s.
func BenchmarkStore(b *testing.B) {
	d, ring := newDatabase(b), newRing(b)
	n := name{consumer: uuid.New(), number: 1}
	epoch := uuid.New()
	const size = 500
	number := int64(0)
	for b.Loop() {
		items := make([]*item, size)
		for i := range items {
			number++
			h := order(fmt.Sprint(number), noon.Add(time.Duration(number)*time.Second), "10")
			h.Fact.Identifiers[0].Value = fmt.Sprintf("+479%07d", number/3)
			payload, err := hit.Encode(nil, &h)
			if err != nil {
				b.Fatal(err)
			}
			items[i] = newItem(stream.Entry{
				ID: fmt.Sprint(number, "-0"), Field: shop.String() + "/" + site.String(), Payload: payload,
				Receipt: hit.Receipt{Epoch: epoch, Number: number},
			}, ring)
		}
		if _, err := (place{store: NewStore(d.pool), seal: ring}).write(b.Context(), n, items); err != nil {
			b.Fatal(err)
		}
		n.number++
	}
	b.ReportMetric(float64(number)/b.Elapsed().Seconds(), "hits/s")
}
