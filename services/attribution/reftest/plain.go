package reftest

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/google/uuid"
	"golang.org/x/net/publicsuffix"

	"github.com/touchline/touchline/services/attribution/agent/agents"
	"github.com/touchline/touchline/services/attribution/channel/sites"
	"github.com/touchline/touchline/services/internal/hit"
)

// Here facts, policies and reference data become plain values, as their formats are described (package hit, openapi.yaml, the lists'
// READMEs), and here are the types of what is concluded from them. What is concluded, and by which rule, is in reference.go.

// Row is a row of the table: Weight in parts of 10^12, Credited a [math/big.Rat]; what there is none of is zero.
type Row struct {
	Definition, ConversionID, Event, Model, Channel, Tier, TouchKey, Weight, Credited, Currency string
	InThread                                                                                    bool
	TouchAt                                                                                     hit.Instant
	Person                                                                                      uuid.UUID
}

// Engagement is one engagement of a touchpoint of a person.
type Engagement struct {
	Person                                              uuid.UUID
	Channel, TouchKey, Tier, campaign, template, source string
	TouchAt                                             hit.Instant
}

// Document is a policy that can be had as the whole document of PUT /v1/policy, defaults written out.
type Document interface{ Document() []byte }

// Table derives the attribution table from facts in any order. Currency is the workspace's.
func Table(workspace uuid.UUID, currency string, policy Document, facts []hit.Fact) []Row {
	return derive(workspace, currency, settingsOf(policy), facts).rows
}

// Engagements returns every engagement of every touchpoint, those of failed and of ignored session messages not among them.
func Engagements(workspace uuid.UUID, policy Document, facts []hit.Fact) []Engagement {
	return derive(workspace, "", settingsOf(policy), facts).engagements
}

// settings are what a policy says.
type settings struct {
	Models             []string
	HalfLife           duration    `json:"half_life_seconds"`
	PositionFirst      json.Number `json:"position_first"`
	PositionLast       json.Number `json:"position_last"`
	TierWeights        object      `json:"tier_weights"`
	Precedence         string
	ReplyWindow        duration  `json:"implicit_reply_window_seconds"`
	SessionMessages    string    `json:"session_messages"`
	ConfirmClicks      string    `json:"confirm_clicks"`
	BrowserLinks       string    `json:"browser_links"`
	OptOutTerms        []string  `json:"opt_out_terms"`
	IgnoredReferrers   []string  `json:"ignored_referrers"`
	BlockedIdentifiers []string  `json:"blocked_identifiers"`
	Windows            []*window // empty fields match all
	Conversions        []definition
	KeywordRules       []rule `json:"keyword_rules"`
}

type window struct {
	Conversion, Channel, Campaign, Template, Tier string
	Seconds                                       duration
}

type definition struct {
	Name, Event     string
	Where           map[string]string
	ValueProperties []string `json:"value_properties"`
	RefundEvent     string   `json:"refund_event"`
	OnceWithin      duration `json:"once_within_seconds"`
}

type rule struct {
	Event, Mode     string
	Any, All, None  []string
	Value, Currency any
}

func settingsOf(policy Document) settings { return decode[settings](policy.Document()) }

// duration is one in microseconds, in JSON in seconds.
type duration hit.Instant

// UnmarshalJSON reads whole seconds.
func (d *duration) UnmarshalJSON(raw []byte) error {
	err := json.Unmarshal(raw, (*hit.Instant)(d))
	*d *= secondMicros
	return err
}

// object is one of JSON: the properties of an event, the weights of tiers.
type object = map[string]any

// decode reads JSON with its numbers as they are written; what can't be read is zero.
func decode[T any](raw []byte) (value T) {
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	_ = decoder.Decode(&value)
	return value
}

// text is a text, or a number or a boolean as text, else empty.
func text(value any) string {
	return when(in(fmt.Sprintf("%T", value), "string", "json.Number", "bool"), fmt.Sprint(value))
}

var decimal = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$`)

// number is a finite decimal, or nil: "a value that is no finite number is dropped" (6).
func number(value any) *big.Rat {
	r, _ := new(big.Rat).SetString(decimal.FindString(strings.TrimSpace(text(value))))
	return r
}

// world is all that follows from facts and a policy, built up step by step.
type world struct {
	settings
	currency              string    // the workspace's
	facts, claims, visits []*fact   // one copy of each, by (time, id); who holds a device from At on; first page views
	events                [][]*fact // copies of one event, the most trusted first; by (time, conversion id)
	messages              []*message
	person                map[string]uuid.UUID // by identifier; a device's is its own, anonymous one
	engagements           []Engagement
	rows                  []Row
}

// fact is a fact in plain fields, or an event made of one, or one of its statements. Bodies that it has none of are empty.
// Identifiers are texts: the digit of their precedence, their value.
type fact struct {
	hit.Fact
	ids                                 []string   // strong identifiers
	device, who, claimed                string     // who: its first; claimed: that, or the one of its event's most trusted copy with one
	token, message                      string     // by which it names a message
	named                               *message   // one without an id when it names none, or an unknown one
	links, notice                       bool       // it may link; it is but a notice
	campaign                            string     // of its referral or page
	host, referrer                      string     // of its page and of where that was opened from
	parameters                          string     // those of campaigns of its page
	query                               url.Values // of its page
	properties                          object     // of its event
	order, conversion, refund, currency string     // of its event
}

// message is a message with all that is known of it, or an empty one.
type message struct {
	hit.Message
	channel, id, primary string                 // primary: of its recipient, empty when none is known
	facts                []*fact                // registration, statuses, send responses
	at                   map[string]hit.Instant // when it first came to the stages that it came to
	barred               bool                   // earns nothing
}

// link ties two strong identifiers, and again the other way round; the smaller rank goes first.
type link struct{ a, b, rank string }

// conversion is one that counted, with what is left of its value, or one that did not.
type conversion struct {
	person   uuid.UUID
	currency string
	at       hit.Instant
	touches  []Engagement
	value    *big.Rat // nil when there is none
}

// templateName is that of a message's template, empty without one.
func (m *message) templateName() string { return cmp.Or(m.Template, &hit.Template{}).Name }

// plain reads a fact.
func plain(of hit.Fact) *fact {
	f := &fact{Fact: of, named: &message{}}
	f.Message, f.Report, f.Click = cmp.Or(f.Message, &hit.Message{}), cmp.Or(f.Report, &hit.Report{}), cmp.Or(f.Click, &hit.Click{})
	f.Inbound, f.Page, f.Event = cmp.Or(f.Inbound, &hit.Inbound{}), cmp.Or(f.Page, &hit.Page{}), cmp.Or(f.Event, &hit.Event{})
	f.Identify, f.Device = cmp.Or(f.Identify, &hit.Identify{}), cmp.Or(f.Device, &hit.Identifier{})
	f.ids, f.device = each(f.Identifiers, textOf), textOf(*f.Device)
	page := address(f.Page.URL)
	f.query, f.host, f.referrer = page.Query(), strings.ToLower(page.Hostname()), strings.ToLower(address(f.Page.Referrer).Hostname())
	f.token = cmp.Or(f.query.Get("mt"), f.Click.Token, f.Inbound.Token)
	f.message = cmp.Or(when(f.token == "", f.Click.Message), f.Inbound.Context, f.Identify.Message)
	f.campaign = cmp.Or(f.query.Get("utm_campaign"), cmp.Or(f.Inbound.Referral, &hit.Referral{}).SourceID)
	f.properties = decode[object](f.Event.Properties)
	return f
}

func textOf(id hit.Identifier) string { return fmt.Sprint(id.Kind.Precedence()) + id.Value }

// naming is the statement of one identifier, whom who it names.
func (f fact) naming(who string) *fact {
	f.who = who
	return &f
}

func whom(f *fact) string { return f.who }

// pairs are those of a page's parameters that have one of the names, and a value (left open), as one text.
func (f *fact) pairs(names func(string) bool) string {
	pairs := flat(keys(f.query), func(name string) []string {
		return each(f.query[name], func(value string) string { return when(names(name) && value != "", name+"="+value+"\n") })
	})
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(pairs))), "")
}

// amount are the properties of an event that is worth one.
func amount(a *hit.Amount) object {
	a = cmp.Or(a, &hit.Amount{})
	return object{"value": a.Amount, "currency": a.Currency}
}

// canonical is a fact as copies are compared: canonical JSON (RFC 8785).
func canonical(f hit.Fact) string {
	body, _, _ := hit.Content(&f)
	return string(body)
}

// digest is that of an identifier, made here where a fact holds plain text instead of it.
func digest(id string) []byte {
	raw, _ := hex.DecodeString(id[1:])
	made := sha256.Sum256(append([]byte{id[0] - '0' + 1}, id[1:]...))
	return []byte(cmp.Or(when(len(raw) == 16, string(raw)), string(made[:16])))
}

func address(raw string) *url.URL  { return cmp.Or(ok(url.Parse(raw)), &url.URL{}) } // unreadable: empty
func domain(host string) string    { return cmp.Or(ok(publicsuffix.EffectiveTLDPlusOne(host)), host) }
func ok[T any](value T, _ error) T { return value }

// lines are those of a list of reference data, without comments.
func lines(text []byte) []string {
	return keep(strings.Split(string(text), "\n"), func(line string) bool { return line != "" && line[0] != '#' })
}

// machine says whether a user agent is one that visits links by itself.
func machine(agent string) bool {
	lower := strings.ToLower(agent)
	names := func(line string) bool { return strings.Contains("^"+agent+"$", line) }
	namesInLower := func(line string) bool { return strings.Contains("^"+lower+"$", line) }
	return like(strings.ReplaceAll(lower, "cubot", ""), `bot([^a-z]|$)`) ||
		some(lines(ok(agents.Lists.ReadFile("crawlers.txt"))), names) || some(lines(ok(agents.Lists.ReadFile("own.txt"))), namesInLower)
}

// site says of which kind the site of a host or plain name is.
func site(name string) string {
	bare := replace(name, `^(www|m|mobile)\.`, "")
	suffix, _ := publicsuffix.PublicSuffix(bare)
	is := func(host string) bool {
		return in(host, bare, strings.TrimSuffix(bare, suffix)+"*") || host[0] == '.' && strings.HasSuffix("."+name, host)
	}
	return cmp.Or(keep([]string{"search", "social", "shopping", "video"}, func(kind string) bool {
		return some(lines(ok(sites.Lists.ReadFile(kind+".txt"))), func(line string) bool {
			names, hosts, _ := strings.Cut(line, ":")
			return in(name, strings.Fields(names)...) || some(strings.Fields(hosts), is)
		})
	})...)
}

// minor are the digits after the point of a currency's minor unit (ISO 4217).
func minor(currency string) int {
	for digits, currencies := range map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 3: "BHD IQD JOD KWD LYD OMR TND", 4: "CLF UYW",
	} {
		if in(currency, strings.Fields(currencies)...) {
			return digits
		}
	}
	return 2
}
