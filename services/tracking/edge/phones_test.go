package edge

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/intake"
)

// A number that is remembered is the number that was read.
func TestPhones_ChangeNothing(t *testing.T) {
	t.Parallel()
	p := newPhones()
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]hit.IdentifierKind{hit.Phone, intake.WaID}).Draw(t, "kind")
		country := rapid.SampledFrom([]string{"", "NO", "no", "US", "BR", "XX"}).Draw(t, "country")
		text := rapid.OneOf(
			rapid.StringMatching(`\+?[0-9]{1,3}`), rapid.StringMatching(`(\+|00)?(47|52|521|55|549|1|44)[ 0-9]{6,11}`),
			rapid.StringMatching(`[A-Z]{2}\.[0-9a-z]{1,3}`), rapid.String(), rapid.StringMatching(`[0-9]{38,45}`),
		).Draw(t, "text")
		for range 2 {
			remembered(t, p, kind, text, country)
		}
	})
}

type fataler interface {
	Helper()
	Fatalf(format string, arguments ...any)
}

// remembered fails unless p says of a number what libphonenumber does.
func remembered(t fataler, p *phones, kind hit.IdentifierKind, text, country string) {
	t.Helper()
	want, wantValid, wantOK := intake.ReadPhone(intake.Name{Kind: kind, Text: text}, country)
	id, valid, ok := p.read(intake.Name{Kind: kind, Text: text}, country)
	if id != want || valid != wantValid || ok != wantOK {
		t.Fatalf("%s %q of %q: %+v, %v, %v, want %+v, %v, %v", kind, text, country, id, valid, ok, want, wantValid, wantOK)
	}
}

// TestPhones_Examples asks for every region's example numbers in all their written
// forms, each as a phone and as a wa_id, with and without a country, and all again.
func TestPhones_Examples(t *testing.T) {
	t.Parallel()
	root := os.Getenv("TOUCHLINE_CORPUS")
	if root == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS names no folder of test corpora")
	}
	file, err := os.Open(filepath.Join(root, "corpora", "libphonenumber", "example-numbers.csv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) < 400 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	p := newPhones()
	for range 2 {
		for _, row := range rows[1:] {
			for _, text := range row[2:] {
				remembered(t, p, hit.Phone, text, row[0])
				remembered(t, p, hit.Phone, text, "")
				remembered(t, p, intake.WaID, strings.TrimPrefix(text, "+"), "")
			}
		}
	}
}

// However many numbers there are, no more than two halves of each shard are kept, and
// those that are asked for are.
func TestPhones_Bounded(t *testing.T) {
	t.Parallel()
	p := newPhones()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for n := range 12_000 {
				p.read(intake.Name{Kind: intake.WaID, Text: fmt.Sprint(worker, n)}, "")
				p.read(intake.Name{Kind: intake.WaID, Text: "4791234567"}, "")
			}
		})
	}
	all.Wait()
	held := 0
	for i := range p.shards {
		held += len(p.shards[i].newer) + len(p.shards[i].older)
	}
	if most := 2 * phoneShards * phonesEach; held > most || held < most/2 {
		t.Errorf("%d numbers are held, want at most %d and at least half of that", held, most)
	}
	key := phoneKey{intake.WaID, "4791234567", ""}
	found := false
	for i := range p.shards {
		_, here := p.shards[i].get(key)
		found = found || here
	}
	if !found {
		t.Error("the number that was asked for all the time is forgotten")
	}
}
