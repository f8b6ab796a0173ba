package touch

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/internal/hit"
)

// Sessions part a device's page views: each view lies in one session, in order, no
// session reaches into the next, and a view within thirty minutes that brings no new
// parameters begins none.
func FuzzSessions(f *testing.F) {
	f.Add([]byte{0, 0, 1, 30, 1, 0, 61, 2, 1})
	f.Add([]byte{5, 3, 0, 5, 4, 0, 5, 5, 1, 36, 6, 1})
	queries := []string{"x", "?gclid=1", "?gclid=2", "?utm_source=a&utm_medium=b", "?mt=tk", "?mt=nobody", "?utm_source=a&utm_medium=b&mt=tk", ""}
	f.Fuzz(func(t *testing.T, b []byte) {
		book := NewBook([]hit.Fact{registration("m", 1, hit.Message{Token: "tk"})})
		var pages []*hit.Fact
		for ; len(b) >= 3 && len(pages) < 100; b = b[3:] {
			device := hit.Identifier{Kind: hit.Device, Value: string('a' + rune(b[2]%3))}
			page := &hit.Fact{Kind: hit.KindPage, ID: string('a' + rune(b[1]/8)), At: hour + hit.Instant(b[0])*(10*60*second+1), Device: &device}
			if query := queries[b[1]%8]; query != "" {
				page.Page = &hit.Page{URL: "https://shop.example/" + query}
			}
			page.Source[0] = byte(len(pages))
			pages = append(pages, page)
		}
		sessions := Sessions(pages, book)
		again := slices.Clone(pages)
		slices.Reverse(again)
		if diff := cmp.Diff(sessions, Sessions(again, book)); diff != "" {
			t.Fatal(diff)
		}
		for _, page := range pages {
			list := sessions[*page.Device]
			within := slices.IndexFunc(list, func(s Session) bool { return s.First.At <= page.At && page.At <= s.Last })
			if within < 0 {
				t.Fatalf("%s at %d is in no session of %+v", page.ID, page.At, list)
			}
		}
		for device, list := range sessions {
			for i, s := range list {
				if s.Device != device || s.Last < s.First.At || s.Until < s.Last || s.Until > s.Last+Pause+1 {
					t.Fatalf("session %+v", s)
				}
				if i > 0 && (list[i-1].Until > s.First.At || s.First.At-list[i-1].Last <= Pause && s.Params.Empty()) {
					t.Fatalf("session %+v after %+v", s, list[i-1])
				}
			}
		}
	})
}
