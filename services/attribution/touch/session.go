package touch

import (
	"cmp"
	"slices"

	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// Pause is the longest time between two page views of one session, inclusive.
const Pause = 30 * 60 * second

// Session is a run of page views of one device.
type Session struct {
	Device hit.Identifier
	First  *hit.Fact      // its first page view
	Last   hit.Instant    // of its last page view
	Until  hit.Instant    // end of what lies in it, exclusive
	Params channel.Params // campaign parameters it began with
	Token  bool           // it began with a known click token: no visit
}

// Sessions cuts the page views of every device into sessions, each device's in
// order of time. Page views without a device are passed over.
func Sessions(pages []*hit.Fact, b *Book) map[hit.Identifier][]Session {
	views := map[hit.Identifier][]*hit.Fact{}
	for _, f := range pages {
		if f.Device != nil {
			device := hit.Identifier{Kind: f.Device.Kind, Value: f.Device.Value}
			views[device] = append(views[device], f)
		}
	}
	sessions := make(map[hit.Identifier][]Session, len(views))
	for device, list := range views {
		sessions[device] = cut(device, list, b)
	}
	return sessions
}

func cut(device hit.Identifier, views []*hit.Fact, b *Book) []Session {
	slices.SortFunc(views, func(x, y *hit.Fact) int {
		return cmp.Or(cmp.Compare(x.At, y.At), cmp.Compare(x.ID, y.ID), cmp.Compare(x.Source.String(), y.Source.String()))
	})
	var sessions []Session
	for _, f := range views {
		params, known := parameters(f, b)
		if n := len(sessions); n > 0 {
			s := &sessions[n-1]
			if f.At-s.Last <= Pause && (params.Empty() || params.Equal(s.Params)) {
				s.Last = f.At
				continue
			}
		}
		sessions = append(sessions, Session{Device: device, First: f, Last: f.At, Params: params, Token: known})
	}
	for i := range sessions {
		sessions[i].Until = sessions[i].Last + Pause + 1
		if i+1 < len(sessions) {
			sessions[i].Until = min(sessions[i].Until, sessions[i+1].First.At)
		}
	}
	return sessions
}

// parameters returns the campaign parameters of a page view and whether a known
// click token is among them. An unknown one is no parameter.
func parameters(f *hit.Fact, b *Book) (channel.Params, bool) {
	if f.Page == nil {
		return channel.ParamsOf(""), false
	}
	params := channel.ParamsOf(f.Page.URL)
	token := fact.PageToken(f.Page.URL)
	if token == "" || b.FindToken(token) == nil {
		return params, false
	}
	return params.With("mt", token), true
}

// Visit returns a session as a touchpoint; whose it is, the caller says. The second
// result is false when it is none: it began with a click on a message, directly, or
// on the site itself.
func (s *Session) Visit(ignored channel.Ignored) (Touch, bool) {
	if s.Token || s.First.Page == nil {
		return Touch{}, false
	}
	name, campaign, ok := channel.Classify(s.First.Page.URL, s.First.Page.Referrer, s.Params, ignored)
	if !ok {
		return Touch{}, false
	}
	return Touch{
		Channel: name, Key: s.First.ID, Campaign: campaign, Device: s.Device,
		Engagements: []Engagement{{Tier: policy.TierClick, At: s.First.At, Fact: s.First.ID}},
	}, true
}

// Ad returns the ad that an inbound message was opened from as a touchpoint.
func Ad(f *hit.Fact) (Touch, bool) {
	if f.Inbound == nil || f.Inbound.Referral == nil {
		return Touch{}, false
	}
	return Touch{
		Channel: ChannelAd, Key: f.ID, Campaign: f.Inbound.Referral.SourceID,
		Engagements: []Engagement{{Tier: policy.TierClick, At: f.At, Fact: f.ID}},
	}, true
}
