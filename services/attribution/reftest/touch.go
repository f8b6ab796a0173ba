package reftest

import (
	"cmp"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/google/uuid"
	"github.com/rivo/uniseg"
	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"

	"github.com/touchline/touchline/services/attribution/channel/sites"
	"github.com/touchline/touchline/services/internal/hit"
)

// touch is a touchpoint of a person, with all its engagements (3).
type touch struct {
	person                           uuid.UUID
	channel, key, campaign, template string
	engagements                      []engagement
}

type engagement struct {
	tier string
	at   hit.Instant
}

func (w *world) findTouches() {
	for _, m := range keep(w.messages, func(m *message) bool { return !m.failed && !w.ignores(m) && m.primary.Value != "" }) {
		all := flat(w.facts, func(f *hit.Fact) []engagement {
			clicked := f.Click != nil && f.Click.Method != "HEAD" && w.text("confirm_clicks") != "pixel" && w.tokenOf(f.Click.Token) == m
			switch {
			case clicked, w.tokenOf(pageToken(f)) == m:
				return []engagement{{"click", f.At}}
			case f.Inbound != nil && cmp.Or(w.answered(f), w.implied(f)) == m && !w.optsOut(f.Inbound):
				return []engagement{{"reply", f.At}}
			}
			return nil
		})
		for tier, at := range map[string][]hit.Instant{"read": m.read, "delivered": m.delivered, "sent": m.sent} {
			all = append(all, flat(at[:min(1, len(at))], func(at hit.Instant) []engagement { return []engagement{{tier, at}} })...)
		}
		w.touches = append(w.touches, touch{w.person(m.primary), m.channel, m.id, m.Campaign, m.template(), all})
	}
	for _, s := range w.sessions { // "a session that begins with a known mt gives no visit"
		f := s.pages[0]
		if channel := w.classify(f.Page, s.params); channel != "" && w.tokenOf(pageToken(f)) == nil {
			campaign := query(f.Page.URL).Get("utm_campaign")
			w.touches = append(w.touches, touch{w.holder(*f.Device, f.At), channel, f.ID, campaign, "", []engagement{{"click", f.At}}})
		}
	}
	for _, f := range keep(w.facts, func(f *hit.Fact) bool { return f.Inbound != nil && f.Inbound.Referral != nil }) {
		w.touches = append(w.touches, touch{w.owner(f), "whatsapp_ad", f.ID, f.Inbound.Referral.SourceID, "", []engagement{{"click", f.At}}})
	}
}

func (w *world) ignores(m *message) bool { return m.session && w.text("session_messages") != "count" }

// notice says what is neither a reply nor whatsapp.message (3).
func notice(f *hit.Fact) bool {
	return slices.Contains([]string{"system", "request_welcome", "edit", "revoke", "reaction_removed"}, f.Inbound.Type)
}

// answered is the message that an inbound message answers by context, or else by token.
func (w *world) answered(f *hit.Fact) *message {
	if f.Inbound == nil || notice(f) {
		return nil
	}
	if f.Inbound.Context != "" {
		return w.message(f.Channel, f.Inbound.Context)
	}
	return w.tokenOf(f.Inbound.Token)
}

// implied is "the latest (sent_at, then message id) WhatsApp message from that business number to that person". Left open: an
// inbound SMS answers none; a message is from the numbers of its registration and of its statuses.
func (w *world) implied(f *hit.Fact) *message {
	in, window := f.Inbound, w.micros("implicit_reply_window_seconds")
	if f.Channel != "whatsapp" || in.Context+in.Token != "" || in.Referral != nil || in.Group || notice(f) || len(f.Identifiers) == 0 {
		return nil
	}
	latest := sorted(keep(w.messages, func(m *message) bool {
		from := slices.ContainsFunc(m.facts, func(s *hit.Fact) bool {
			return s.Message != nil && s.Message.Sender == in.Business || s.Report != nil && s.Report.Sender == in.Business
		})
		recent := len(m.sent) > 0 && m.sent[0] <= f.At && f.At-m.sent[0] <= window && window > 0
		return from && recent && m.channel == "whatsapp" && w.person(m.primary) == w.owner(f) && !m.failed && !w.ignores(m)
	}), func(m *message) string { return order(m.sent[0], m.id) })
	slices.Reverse(latest)
	return one(latest)
}

// optsOut: a text that as a whole is one of opt_out_terms, folded, letters and digits only.
func (w *world) optsOut(in *hit.Inbound) bool {
	bare := func(text string) string { return strings.Map(lettersAndDigits, fold(text)) }
	is := func(term string) bool { return bare(term) == bare(in.Text) && bare(term) != "" }
	return in.Type == "text" && slices.ContainsFunc(w.texts("opt_out_terms"), is)
}

func pageToken(f *hit.Fact) string {
	if f.Page == nil {
		return ""
	}
	return query(f.Page.URL).Get("mt")
}

func query(raw string) url.Values { return parseURL(raw).Query() }

func parseURL(raw string) *url.URL {
	if parsed, err := url.Parse(raw); err == nil {
		return parsed
	}
	return &url.URL{}
}

// campaignParams is the set of a page's campaign parameters as text; "mt when it names a known message".
func (w *world) campaignParams(f *hit.Fact) string {
	set := url.Values{}
	for name, values := range query(f.Page.URL) {
		values = keep(values, func(value string) bool { return value != "" }) // an empty one is none: left open
		if len(values) > 0 && campaignParam.MatchString(name) || name == "mt" && w.tokenOf(pageToken(f)) != nil {
			slices.Sort(values)
			set[name] = slices.Compact(values)
		}
	}
	return set.Encode()
}

var (
	campaignParam = regexp.MustCompile(`^(utm_.*|gclid|gbraid|wbraid|fbclid|msclkid|ttclid|li_fat_id|twclid)$`)
	paidSearch    = regexp.MustCompile(`(^|&)(gclid|gbraid|wbraid|msclkid)=`)
	paidSocial    = regexp.MustCompile(`(^|&)(ttclid|li_fat_id|twclid)=`)
	shopping      = regexp.MustCompile(`shopping|(^|[e\PL])shop`)
)

// classify names the channel of a session by its first page view, first match wins; "" is no touchpoint.
func (w *world) classify(page *hit.Page, params string) string {
	from, q := host(page.Referrer), query(page.URL)
	lower := func(name string) string { return strings.ToLower(q.Get(name)) }
	source, medium, campaign := lower("utm_source"), lower("utm_medium"), lower("utm_campaign")
	kind, shop := site(source), shopping.MatchString(campaign)
	in := func(value string, words ...string) bool { return slices.Contains(words, value) }
	either := func(words ...string) bool { return in(source, words...) || in(medium, words...) }
	when := func(is bool, channel string) string { return map[bool]string{true: channel}[is] }
	ignored := func(host string) bool { return strings.HasSuffix("."+from, "."+strings.ToLower(host)) }
	paid := strings.Contains(medium, "cp") || in(medium, "ppc", "retargeting") || strings.HasPrefix(medium, "paid")
	switch {
	case params == "" && (from == "" || domain(from) == domain(host(page.URL)) || slices.ContainsFunc(w.texts("ignored_referrers"), ignored)):
		return ""
	case params == "":
		return cmp.Or(when(site(from) != "", "organic_"+site(from)), "referral")
	case !strings.Contains("&"+params, "&utm_"):
		return cmp.Or(when(paidSearch.MatchString(params), "paid_search"), when(paidSocial.MatchString(params), "paid_social"), "organic_social")
	}
	return cmp.Or(
		when(either("whatsapp"), "whatsapp"),
		when(either("messenger"), "messenger"),
		when(strings.Contains(campaign, "cross-network"), "cross_network"),
		when(paid && shop, "paid_shopping"),
		when(paid && kind != "", "paid_"+kind),
		when(in(medium, "display", "banner", "expandable", "interstitial", "cpm"), "display"),
		when(paid, "paid_other"),
		when(kind == "shopping" || shop, "organic_shopping"),
		when(kind == "social" || in(medium, "social", "social-network", "social-media", "sm", "social network", "social media"), "organic_social"),
		when(kind == "video" || strings.Contains(medium, "video"), "organic_video"),
		when(kind == "search" || medium == "organic", "organic_search"),
		when(in(medium, "referral", "app", "link"), "referral"),
		when(either("email", "e-mail", "e_mail", "e mail"), "email"),
		when(medium == "affiliate", "affiliates"),
		when(medium == "audio", "audio"),
		when(either("sms"), "sms"),
		when(regexp.MustCompile(`push$|mobile|notification`).MatchString(medium) || source == "firebase", "mobile_push"),
		"unassigned")
}

func host(raw string) string { return strings.ToLower(parseURL(raw).Hostname()) }

// domain is the registrable domain of a host.
func domain(host string) string {
	registrable, _ := publicsuffix.EffectiveTLDPlusOne(host)
	return cmp.Or(registrable, host)
}

// site says of which kind the site of a host or plain name is; the lists' README says how they are written.
func site(name string) string {
	bare := regexp.MustCompile(`^(www|m|mobile)\.`).ReplaceAllString(name, "")
	suffix, _ := publicsuffix.PublicSuffix(bare)
	for _, kind := range []string{"search", "social", "shopping", "video"} {
		list, _ := sites.Lists.ReadFile(kind + ".txt")
		for line := range strings.Lines(string(list)) {
			names, hosts, _ := strings.Cut(line, ":")
			if line[0] != '#' && slices.Contains(strings.Fields(names), name) || slices.ContainsFunc(strings.Fields(hosts), func(host string) bool {
				return host == bare || host[0] == '.' && strings.HasSuffix("."+name, host) || host == strings.TrimSuffix(bare, suffix)+"*"
			}) {
				return kind
			}
		}
	}
	return ""
}

// matches says whether a keyword rule's any, all and none allow a text (4).
func matches(rule object, text string) bool {
	lacks := func(term string) bool { return !contains(fold(text), fold(term), rule.text("mode") == "substring") }
	some, all, none := rule.texts("any"), rule.texts("all"), rule.texts("none")
	return (len(some) == 0 || len(keep(some, lacks)) < len(some)) && len(keep(all, lacks)) == 0 && len(keep(none, lacks)) == len(none)
}

// contains: word mode matches consecutive whole words, but for terms in scripts that write no spaces.
func contains(text, term string, substring bool) bool {
	if unspaced := regexp.MustCompile(`\p{Han}|\p{Hiragana}|\p{Katakana}|\p{Hangul}|\p{Thai}|\p{Lao}|\p{Khmer}|\p{Myanmar}`); substring || unspaced.MatchString(term) {
		return strings.Contains(text, term)
	}
	return words(term) != "\n" && strings.Contains(words(text), words(term))
}

// words are those between UAX 29 boundaries, each between line breaks.
func words(text string) string {
	var word string
	all, state := "\n", -1
	for text != "" {
		word, text, state = uniseg.FirstWordInString(text, state)
		if strings.Map(lettersAndDigits, word) != "" || strings.ContainsFunc(word, unicode.IsSymbol) { // an emoji: left open
			all += word + "\n"
		}
	}
	return all
}

func lettersAndDigits(r rune) rune {
	if unicode.IsLetter(r) || unicode.IsNumber(r) {
		return r
	}
	return -1
}

// fold: NFKC, full case folding, no nonspacing marks on letters of five scripts; đ is d, ø is o, æ is ae.
func fold(text string) string {
	text = norm.NFD.String(cases.Fold().String(norm.NFKC.String(text)))
	text = regexp.MustCompile(`([\p{Latin}\p{Greek}\p{Cyrillic}\p{Hebrew}\p{Arabic}])\p{Mn}+`).ReplaceAllString(text, "$1")
	return strings.NewReplacer("đ", "d", "ø", "o", "æ", "ae").Replace(norm.NFKC.String(text))
}
