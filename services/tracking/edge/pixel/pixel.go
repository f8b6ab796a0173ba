// Package pixel reads what the browser pixel sends: batches of Segment-like calls,
// and the query of the image that stands in for it where no script runs. It is pure.
package pixel

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/lenient"
	"github.com/touchline/touchline/services/tracking/edge/segment"
	"github.com/touchline/touchline/services/tracking/intake"
)

// Decode reads the body of a beacon: a batch as the SDKs send it, or a single call
// that names its type.
func Decode(body []byte, meta segment.Meta) (Request, error) {
	call, stated := segment.Batch, hit.ConsentState("")
	if lenient.Valid(body) {
		o, ok := lenient.Read(body)
		if ok && !o.Has("batch") && o.Text("type") != "" {
			call = segment.Call(o.Text("type"))
		}
		stated, _ = stateOf(o.Text("consent"))
	}
	var asks []Ask
	meta.Each = func(index int, item *intake.Item, o lenient.Object) {
		if ask, asked := read(item, o); asked {
			ask.Item = index
			asks = append(asks, ask)
		}
	}
	r, err := segment.Decode(body, call, meta)
	return Request{Request: r, Asks: asks, Consent: stated}, err
}

// Sent is what a request for the image says beside its query.
type Sent struct {
	Referer    string
	GPC        bool // by the header Sec-GPC: no script is there to tell
	ReceivedAt hit.Instant
}

// View reads the query of the image as a page view. All parameters are optional:
//
//	url        address of the page; without it the request's Referer
//	ref        address of the page before
//	mt         click token, added to the address when that has none
//	did        anonymous (device) id
//	uid        the site's own id of its user
//	id         event id, so that a repetition is the same view; without it, each is its own
//	consent    unknown, denied or granted, as events of the script have it
//	cookieless 1: to be given a device that lasts a day
//
// A view that names nobody is kept when it carries a click token, because that is a
// click all the same, or says anything of consent.
func View(query url.Values, sent Sent) (intake.Item, Ask) {
	address := query.Get("url")
	if address == "" {
		address = sent.Referer
	}
	address = withToken(address, query.Get("mt"))
	id := query.Get("id")
	if id == "" {
		id = intake.ContentID([]byte(query.Encode()), []byte(address), strconv.AppendInt(nil, int64(sent.ReceivedAt), 10))
	}
	item := intake.Item{
		Fact: hit.Fact{
			Kind: hit.KindPage, ID: id,
			Page: &hit.Page{URL: address, Referrer: query.Get("ref"), Title: query.Get("title")},
		},
		Names: []intake.Name{
			{Kind: hit.UserID, Text: query.Get("uid")},
			{Kind: hit.Device, Text: query.Get("did")},
		},
		Raw:       []byte(query.Encode()),
		Anonymous: hasToken(address),
	}
	ask := Ask{Cookieless: query.Get("cookieless") == "1"}
	stated := query.Get("consent")
	if stated != "" || sent.GPC {
		item.Fact.Consent, item.Anonymous = &hit.Consent{GPC: sent.GPC}, true
	}
	if stated != "" {
		state, ok := stateOf(stated)
		if item.Fact.Consent.State = state; !ok {
			item.Fact.Flags = append(item.Fact.Flags, hit.FlagConsentInvalid)
		}
	}
	if ask.Cookieless || stated == string(hit.ConsentDenied) {
		withoutDevice(&item)
		item.Anonymous = true
	}
	return item, ask
}

// hasToken reports whether an address carries a click token.
func hasToken(address string) bool {
	_, query, found := strings.Cut(address, "?")
	if !found {
		return false
	}
	query, _, _ = strings.Cut(query, "#")
	for part := range strings.SplitSeq(query, "&") {
		if value, ok := strings.CutPrefix(part, "mt="); ok && value != "" {
			return true
		}
	}
	return false
}

// withToken adds a click token to an address that has none.
func withToken(address, token string) string {
	if token == "" || hasToken(address) {
		return address
	}
	page, fragment, cut := strings.Cut(address, "#")
	separator := "?"
	if strings.Contains(page, "?") {
		separator = "&"
	}
	page += separator + "mt=" + url.QueryEscape(token)
	if cut {
		page += "#" + fragment
	}
	return page
}
