package pixel

import (
	"slices"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/intake"
)

// Request is what a beacon says.
type Request struct {
	segment.Request
	// Asks are those of its items that ask something, in their order.
	Asks []Ask
	// Consent is what the body states beside its items: one without items says that
	// consent was withdrawn.
	Consent hit.ConsentState
}

// Ask is what one event asks of the edge, which alone knows cookies, addresses and keys.
type Ask struct {
	Item       int    // index of its item in the request
	Cookieless bool   // to be given a device that lasts a day
	New        bool   // its device was made just now, because none was stored
	Reset      bool   // its device stands in for one that is to be forgotten
	Handover   string // its device is that of another site, which had this token made
}

// read adds to an item what the pixel says beside an SDK's call, and returns what it
// asks; false when nothing.
//
// What the page said of consent goes with it into the fact. An event that says anything
// of it may name nobody. One without consent has no device, whatever it states: the
// script sends none, and who writes to the edge himself is held to the same.
func read(item *intake.Item, o lenient.Object) (Ask, bool) {
	consent, clean := readConsent(o)
	item.Fact.Consent = consent
	if !clean {
		item.Fact.Flags = append(item.Fact.Flags, hit.FlagConsentInvalid)
	}
	ask := Ask{Cookieless: o.True("cookieless"), Handover: o.Text("handover")}
	switch o.Text("device") {
	case "new":
		ask.New = true
	case "reset":
		ask.Reset = true
	}
	item.Anonymous = consent != nil || ask.Cookieless
	if ask.Cookieless || consent != nil && consent.State == hit.ConsentDenied {
		withoutDevice(item)
		ask = Ask{Cookieless: ask.Cookieless}
	}
	return ask, ask != Ask{}
}

func withoutDevice(item *intake.Item) {
	item.Names = slices.DeleteFunc(item.Names, func(n intake.Name) bool { return n.Kind == hit.Device })
}
