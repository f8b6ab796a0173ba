package channel

import (
	"net/url"
	"slices"
	"strings"

	"github.com/touchline/touchline/services/internal/hit"
)

// Params is the set of campaign parameters of a page's URL, as (name, value) pairs.
// The zero value is the empty set. Compare with [Params.Equal]: == also compares in
// which order a repeated parameter came.
type Params struct {
	pairs string // every pair once, in order, each as name=value with an end mark

	source, medium, campaign string // the first of each, as given
}

// clickID maps the click ids of advertising platforms to the channel they stand for
// when a URL has no utm parameters.
var clickID = map[string]string{
	"gclid": PaidSearch, "gbraid": PaidSearch, "wbraid": PaidSearch, "msclkid": PaidSearch,
	"ttclid": PaidSocial, "li_fat_id": PaidSocial, "twclid": PaidSocial,
	"fbclid": OrganicSocial,
}

// mark ends a pair. No value has it: CleanText replaces it.
const mark = "\x00"

// ParamsOf returns the campaign parameters of a URL: utm_* and the click ids. One with
// an empty value says nothing and is left out. What is wrongly percent-encoded is
// taken as it stands.
func ParamsOf(rawURL string) Params {
	before, _, _ := strings.Cut(rawURL, "#")
	_, query, found := strings.Cut(before, "?")
	if !found {
		return Params{}
	}
	var p Params
	var pairs []string
	for part := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(part, "=")
		name, value = unescape(name), unescape(value)
		if _, click := clickID[name]; value == "" || !click && !strings.HasPrefix(name, "utm_") {
			continue
		}
		pairs = append(pairs, name+"="+value+mark)
		p.first(name, value)
	}
	p.pairs = join(pairs)
	return p
}

// first notes the parameters that classification reads.
func (p *Params) first(name, value string) {
	var to *string
	switch name {
	case "utm_source":
		to = &p.source
	case "utm_medium":
		to = &p.medium
	case "utm_campaign":
		to = &p.campaign
	default:
		return
	}
	if *to == "" {
		*to = value
	}
}

func unescape(s string) string {
	if text, err := url.QueryUnescape(s); err == nil {
		s = text
	}
	s, _ = hit.CleanText(s)
	return s
}

func join(pairs []string) string {
	slices.Sort(pairs)
	return strings.Join(slices.Compact(pairs), "")
}

// With returns p and one more parameter. It is for mt, the click token, which counts
// only when it names a known message; the caller knows that.
func (p Params) With(name, value string) Params {
	name, _ = hit.CleanText(name)
	value, _ = hit.CleanText(value)
	pairs := strings.SplitAfter(p.pairs, mark)
	p.pairs = join(append(pairs[:len(pairs)-1], name+"="+value+mark))
	return p
}

// Equal says whether two sets have the same pairs.
func (p Params) Equal(q Params) bool { return p.pairs == q.pairs }

// Empty says whether there is no campaign parameter.
func (p Params) Empty() bool { return p.pairs == "" }

// utm says whether there is any utm parameter.
func (p Params) utm() bool {
	return strings.HasPrefix(p.pairs, "utm_") || strings.Contains(p.pairs, mark+"utm_")
}

// click returns the channel that the click ids stand for; search before social, paid
// before organic.
func (p Params) click() string {
	found := ""
	for pair := range strings.SplitSeq(p.pairs, mark) {
		name, _, _ := strings.Cut(pair, "=")
		switch channel := clickID[name]; {
		case channel == PaidSearch:
			return channel
		case channel == PaidSocial, channel == OrganicSocial && found == "":
			found = channel
		}
	}
	return found
}
