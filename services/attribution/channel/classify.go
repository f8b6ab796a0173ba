package channel

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The channels of visits.
const (
	PaidSearch      = "paid_search"
	PaidSocial      = "paid_social"
	PaidShopping    = "paid_shopping"
	PaidVideo       = "paid_video"
	PaidOther       = "paid_other"
	Display         = "display"
	CrossNetwork    = "cross_network"
	OrganicSearch   = "organic_search"
	OrganicSocial   = "organic_social"
	OrganicShopping = "organic_shopping"
	OrganicVideo    = "organic_video"
	Referral        = "referral"
	WhatsApp        = "whatsapp"
	Messenger       = "messenger"
	Email           = "email"
	Affiliates      = "affiliates"
	Audio           = "audio"
	SMS             = "sms"
	MobilePush      = "mobile_push"
	Unassigned      = "unassigned"
)

// Classify returns the channel of a session that began with a page view of rawURL
// coming from referrer with these campaign parameters, and its campaign, which is
// utm_campaign as given. When the session is no touchpoint (direct, from the site
// itself or from an ignored host, without campaign parameters), ok is false.
func Classify(rawURL, referrer string, params Params, ignored Ignored) (channel, campaign string, ok bool) {
	if params.Empty() {
		channel = byReferrer(hostOf(rawURL), hostOf(referrer), ignored)
		return channel, "", channel != ""
	}
	if !params.utm() {
		if channel = params.click(); channel == "" {
			channel = Unassigned
		}
		return channel, "", true
	}
	c := newCampaign(params)
	return c.channel(), params.campaign, true
}

// byReferrer is the channel without campaign parameters; empty when there is none.
func byReferrer(own, from string, ignored Ignored) string {
	if from == "" || sameSite(own, from) || ignored.has(from) {
		return ""
	}
	switch categoryOfHost(from) {
	case search:
		return OrganicSearch
	case social:
		return OrganicSocial
	case shopping:
		return OrganicShopping
	case video:
		return OrganicVideo
	}
	return Referral
}

// campaign is what utm parameters say, in lower case: no rule minds the case.
type campaign struct {
	source, medium string
	site           category // that source names
	shop           bool     // the campaign's name speaks of shopping
	cross          bool     // … of Google's cross-network campaigns
}

func newCampaign(p Params) campaign {
	name := lower(p.campaign)
	c := campaign{source: lower(p.source), medium: lower(p.medium), shop: speaksOfShop(name)}
	c.site = categoryOfSource(c.source)
	c.cross = strings.Contains(name, "cross-network")
	return c
}

func lower(s string) string { return strings.ToLower(strings.TrimSpace(s)) }

// speaksOfShop says whether a campaign's name contains shopping, or shop at its start
// or after an e or anything that is no letter (so "eshop", but not "workshop").
func speaksOfShop(name string) bool {
	if strings.Contains(name, "shopping") {
		return true
	}
	for at := 0; ; at++ {
		i := strings.Index(name[at:], "shop")
		if i < 0 {
			return false
		}
		at += i
		before, _ := utf8.DecodeLastRuneInString(name[:at])
		if before == 'e' || !unicode.IsLetter(before) { // at the start it is [utf8.RuneError], no letter
			return true
		}
	}
}

// channel goes through the table; the first row that matches wins.
func (c *campaign) channel() string {
	switch {
	case c.names("whatsapp"):
		return WhatsApp
	case c.names("messenger"):
		return Messenger
	case c.cross:
		return CrossNetwork
	case c.paid():
		return c.paidChannel()
	case c.is("display", "banner", "expandable", "interstitial", "cpm"):
		return Display
	case c.site == shopping || c.shop:
		return OrganicShopping
	case c.site == social || c.is("social", "social-network", "social-media", "sm", "social network", "social media"):
		return OrganicSocial
	case c.site == video || strings.Contains(c.medium, "video"):
		return OrganicVideo
	case c.site == search || c.is("organic"):
		return OrganicSearch
	}
	return c.plainChannel()
}

// plainChannel are the rows that ask neither for a site nor for a price.
func (c *campaign) plainChannel() string {
	switch {
	case c.is("referral", "app", "link"):
		return Referral
	case c.names("email", "e-mail", "e_mail", "e mail"):
		return Email
	case c.is("affiliate"):
		return Affiliates
	case c.is("audio"):
		return Audio
	case c.names("sms"):
		return SMS
	case strings.HasSuffix(c.medium, "push"), strings.Contains(c.medium, "mobile"),
		strings.Contains(c.medium, "notification"), c.source == "firebase":
		return MobilePush
	}
	return Unassigned
}

func (c *campaign) paid() bool {
	return strings.Contains(c.medium, "cp") || c.is("ppc", "retargeting") || strings.HasPrefix(c.medium, "paid")
}

func (c *campaign) paidChannel() string {
	switch {
	case c.site == shopping || c.shop:
		return PaidShopping
	case c.site == search:
		return PaidSearch
	case c.site == social:
		return PaidSocial
	case c.site == video:
		return PaidVideo
	case c.is("cpm"):
		return Display
	}
	return PaidOther
}

// is says whether the medium is one of words.
func (c *campaign) is(words ...string) bool { return slices.Contains(words, c.medium) }

// names says whether the source or the medium is one of words.
func (c *campaign) names(words ...string) bool {
	return c.is(words...) || slices.Contains(words, c.source)
}
