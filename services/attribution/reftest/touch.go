package reftest

import (
	"cmp"
	"encoding/json"
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
	for _, m := range keep(w.messages, func(m *message) bool { return m.at["failed"] == 0 && !w.ignores(m) && m.primary.Value != "" }) {
		var all []engagement
		for _, tier := range []string{"read", "delivered", "sent"} {
			if m.at[tier] != 0 {
				all = append(all, engagement{tier, m.at[tier]})
			}
		}
		for _, f := range w.facts {
			click := f.Click != nil && f.Click.Method != "HEAD" && w.ConfirmClicks != "pixel" && w.tokenOf(f.Click.Token) == m
			if click || f.Page != nil && w.tokenOf(pageToken(f)) == m {
				all = append(all, engagement{"click", f.At})
			}
			if f.Inbound != nil && cmp.Or(w.answered(f), w.implied(f)) == m && !w.optsOut(f.Inbound) {
				all = append(all, engagement{"reply", f.At})
			}
		}
		template := ""
		if m.Template != nil {
			template = m.Template.Name
		}
		w.touches = append(w.touches, touch{w.names[w.component[m.primary]], m.channel, m.id, m.Campaign, template, all})
	}
	for _, s := range w.sessions { // "a session that begins with a known mt gives no visit"
		f := s.pages[0]
		if channel := w.classify(s); channel != "" && w.tokenOf(pageToken(f)) == nil {
			campaign := query(f.Page.URL).Get("utm_campaign")
			w.touches = append(w.touches, touch{w.holder(*f.Device, f.At), channel, f.ID, campaign, "", []engagement{{"click", f.At}}})
		}
	}
	for _, f := range keep(w.facts, func(f *hit.Fact) bool { return f.Inbound != nil && f.Inbound.Referral != nil }) {
		w.touches = append(w.touches, touch{w.owner(f), "whatsapp_ad", f.ID, f.Inbound.Referral.SourceID, "", []engagement{{"click", f.At}}})
	}
}

func (w *world) ignores(m *message) bool { return m.session && w.SessionMessages != "count" }

// notice says what is neither a reply nor whatsapp.message.
func notice(in *hit.Inbound) bool {
	return slices.Contains([]string{"system", "request_welcome", "edit", "revoke", "reaction_removed"}, in.Type)
}

// answered is the message that an inbound message answers by context, or else by token.
func (w *world) answered(f *hit.Fact) *message {
	switch {
	case f.Inbound == nil || notice(f.Inbound):
		return nil
	case f.Inbound.Context != "":
		return w.message(f.Channel, f.Inbound.Context)
	}
	return w.tokenOf(f.Inbound.Token)
}

// implied is the latest WhatsApp message from that business number to that person within the window, for what names none.
// Left open: an inbound SMS answers none; a message is from the numbers of its registration and of its statuses.
func (w *world) implied(f *hit.Fact) (latest *message) {
	in := f.Inbound
	if f.Channel != "whatsapp" || in.Context+in.Token != "" || in.Referral != nil || in.Group || notice(in) || len(f.Identifiers) == 0 {
		return nil
	}
	for _, m := range w.messages {
		from := slices.ContainsFunc(m.facts, func(s *hit.Fact) bool {
			return s.Message != nil && s.Message.Sender == in.Business || s.Report != nil && s.Report.Sender == in.Business
		})
		ago := f.At - m.at["sent"]
		if !from || m.channel != "whatsapp" || m.at["failed"] != 0 || w.ignores(m) || w.names[w.component[m.primary]] != w.owner(f) ||
			m.at["sent"] == 0 || ago < 0 || ago > w.ReplyWindow*secondMicros || w.ReplyWindow == 0 {
			continue
		}
		if latest == nil || cmp.Or(cmp.Compare(m.at["sent"], latest.at["sent"]), cmp.Compare(m.id, latest.id)) > 0 {
			latest = m
		}
	}
	return latest
}

// optsOut: a text that as a whole is one of opt_out_terms, folded, letters and digits only.
func (w *world) optsOut(in *hit.Inbound) bool {
	said := strings.Map(lettersAndDigits, fold(in.Text))
	return in.Type == "text" && said != "" && slices.ContainsFunc(w.OptOutTerms, func(term string) bool {
		return strings.Map(lettersAndDigits, fold(term)) == said
	})
}

// tokenOf is the message registered with a token, of several that of the smallest (channel, message id).
func (w *world) tokenOf(token string) (owner *message) {
	for _, m := range w.messages {
		if m.Token == token && token != "" && (owner == nil || cmp.Or(cmp.Compare(m.channel, owner.channel), cmp.Compare(m.id, owner.id)) < 0) {
			owner = m
		}
	}
	return owner
}

func pageToken(f *hit.Fact) string {
	if f.Page == nil {
		return ""
	}
	return query(f.Page.URL).Get("mt")
}

func query(raw string) url.Values {
	if parsed, err := url.Parse(raw); err == nil {
		return parsed.Query()
	}
	return nil
}

// campaignParams is the set of a page's campaign parameters; "mt when it names a known message".
func (w *world) campaignParams(f *hit.Fact) (set []string) {
	for name, values := range query(f.Page.URL) {
		if campaignParam.MatchString(name) || name == "mt" && w.tokenOf(pageToken(f)) != nil {
			for _, value := range values {
				set = append(set, name+"="+value)
			}
		}
	}
	slices.Sort(set)
	return slices.Compact(set)
}

var (
	campaignParam = regexp.MustCompile(`^(utm_.*|gclid|gbraid|wbraid|fbclid|msclkid|ttclid|li_fat_id|twclid)$`)
	shopping      = regexp.MustCompile(`shopping|(^|[e\PL])shop`)
)

// classify names the channel of a session by its first page view, first match wins; "" is no touchpoint (3).
func (w *world) classify(s *session) string {
	page, params := s.pages[0].Page, " "+strings.Join(s.params, " ")
	from, own := host(page.Referrer), host(page.URL)
	q := query(strings.ToLower(page.URL))
	source, medium, campaign := q.Get("utm_source"), q.Get("utm_medium"), q.Get("utm_campaign")
	kind, shop := site(source), shopping.MatchString(campaign)
	in := func(value string, words ...string) bool { return slices.Contains(words, value) }
	either := func(words ...string) bool { return in(source, words...) || in(medium, words...) }
	has := func(value, part string) bool { return strings.Contains(value, part) }
	when := func(is bool, channel string) string { return map[bool]string{true: channel}[is] }
	switch {
	case params == " ":
		ignored := func(host string) bool { return strings.HasSuffix("."+from, "."+strings.ToLower(host)) }
		if from == "" || domain(from) == domain(own) || slices.ContainsFunc(w.IgnoredReferrers, ignored) {
			return ""
		}
		return cmp.Or(when(site(from) != "", "organic_"+site(from)), "referral")
	case !has(params, " utm_"):
		return cmp.Or(when(regexp.MustCompile(` (gclid|gbraid|wbraid|msclkid)=`).MatchString(params), "paid_search"),
			when(regexp.MustCompile(` (ttclid|li_fat_id|twclid)=`).MatchString(params), "paid_social"), "organic_social")
	case either("whatsapp", "messenger"):
		return cmp.Or(when(either("whatsapp"), "whatsapp"), "messenger")
	case has(campaign, "cross-network"):
		return "cross_network"
	case has(medium, "cp") || in(medium, "ppc", "retargeting") || strings.HasPrefix(medium, "paid"):
		return cmp.Or(when(shop, "paid_shopping"), when(kind != "", "paid_"+kind), when(medium == "cpm", "display"), "paid_other")
	}
	return cmp.Or(
		when(in(medium, "display", "banner", "expandable", "interstitial", "cpm"), "display"),
		when(kind == "shopping" || shop, "organic_shopping"),
		when(kind == "social" || in(medium, "social", "social-network", "social-media", "sm", "social network", "social media"), "organic_social"),
		when(kind == "video" || has(medium, "video"), "organic_video"),
		when(kind == "search" || medium == "organic", "organic_search"),
		when(in(medium, "referral", "app", "link"), "referral"),
		when(either("email", "e-mail", "e_mail", "e mail"), "email"),
		when(medium == "affiliate", "affiliates"),
		when(medium == "audio", "audio"),
		when(either("sms"), "sms"),
		when(strings.HasSuffix(medium, "push") || has(medium, "mobile") || has(medium, "notification") || source == "firebase", "mobile_push"),
		"unassigned")
}

func host(raw string) string {
	if parsed, err := url.Parse(raw); err == nil {
		return strings.ToLower(parsed.Hostname())
	}
	return ""
}

// domain is the registrable domain of a host, by the public suffix list.
func domain(host string) string {
	if registrable, err := publicsuffix.EffectiveTLDPlusOne(host); err == nil {
		return registrable
	}
	return host
}

// site says of which kind the site of a host or plain name is; the lists' README says how they are written.
func site(name string) string {
	bare := regexp.MustCompile(`^(www|m|mobile)\.`).ReplaceAllString(name, "")
	suffix, _ := publicsuffix.PublicSuffix(bare)
	for _, kind := range []string{"search", "social", "shopping", "video"} {
		list, _ := sites.Lists.ReadFile(kind + ".txt")
		for line := range strings.Lines(string(list)) {
			names, hosts, _ := strings.Cut(line, ":")
			named := slices.Contains(strings.Fields(names), name) && line[0] != '#'
			if named || slices.ContainsFunc(strings.Fields(hosts), func(host string) bool {
				return host == bare || host[0] == '.' && strings.HasSuffix("."+name, host) || host == strings.TrimSuffix(bare, suffix)+"*"
			}) {
				return kind
			}
		}
	}
	return ""
}

type keywordRule struct {
	Event, Mode, Currency string
	Any, All, None        []string
	Value                 json.Number
}

// matches says whether a text has any of Any, each of All and none of None (4).
func (r *keywordRule) matches(text string) bool {
	lacks := func(term string) bool { return !contains(fold(text), fold(term), r.Mode == "substring") }
	any := len(r.Any) == 0 || len(keep(r.Any, lacks)) < len(r.Any)
	return any && len(keep(r.All, lacks)) == 0 && len(keep(r.None, lacks)) == len(r.None)
}

var (
	unspaced = []*unicode.RangeTable{
		unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
	}
	accented = []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Hebrew, unicode.Arabic}
)

// contains: word mode matches consecutive whole words, but for scripts that write no spaces.
func contains(text, term string, substring bool) bool {
	if substring || strings.ContainsFunc(term, func(r rune) bool { return unicode.In(r, unspaced...) }) {
		return strings.Contains(text, term)
	}
	said, words := words(text), words(term)
	return words != "\n" && strings.Contains(said, words)
}

// words are those between UAX 29 boundaries, each between line breaks.
func words(text string) string {
	all := "\n"
	for state, word := -1, ""; text != ""; {
		word, text, state = uniseg.FirstWordInString(text, state)
		if strings.Map(lettersAndDigits, word) != "" {
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
	base, kept := rune(0), []rune(nil)
	for _, r := range norm.NFD.String(cases.Fold().String(norm.NFKC.String(text))) {
		if !unicode.Is(unicode.Mn, r) {
			base = r
		}
		if base == r || !unicode.In(base, accented...) {
			kept = append(kept, r)
		}
	}
	return strings.NewReplacer("đ", "d", "ø", "o", "æ", "ae").Replace(norm.NFKC.String(string(kept)))
}
