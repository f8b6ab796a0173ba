package timeline

import (
	"maps"
	"slices"

	"github.com/touchline/touchline/services/attribution/agent"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// touches notes who clicked and answered what and returns every touchpoint.
func (w *world) touches() []touch.Touch {
	var all []touch.Touch
	chats := touch.NewChats(w.book, w.policy)
	for i := range w.facts {
		f := &w.facts[i]
		switch {
		case f.Kind == hit.KindPage && f.Page != nil:
			click(w.book.FindToken(fact.PageToken(f.Page.URL)), f)
		case f.Kind == hit.KindClick && f.Click != nil && w.confirmed(f.Click):
			click(w.linked(f), f)
		case f.Kind == hit.KindInbound && f.Inbound != nil:
			w.reply(f, chats)
			if ad, ok := touch.Ad(f); ok {
				ad.Person = w.owner(f).Person
				all = append(all, ad)
			}
		}
	}
	all = append(all, w.visits()...)
	for _, r := range w.book.Records() {
		if t, ok := r.Touch(w.policy); ok {
			all = append(all, t)
		}
	}
	return all
}

// visits returns the sessions that are touchpoints, by device and time.
func (w *world) visits() []touch.Touch {
	var all []touch.Touch
	for _, device := range slices.SortedFunc(maps.Keys(w.sessions), identity.Compare) {
		sessions := w.sessions[device]
		for i := range sessions {
			if visit, ok := sessions[i].Visit(w.rules.ignored); ok {
				visit.Person, _ = w.devices.Holder(device, sessions[i].First.At)
				all = append(all, visit)
			}
		}
	}
	return all
}

// confirmed reports whether a visit of a tracked link counts as a click: not that of a
// program, and none when the pixel must confirm it.
func (w *world) confirmed(c *hit.Click) bool {
	return w.policy.ConfirmClicks != policy.ConfirmPixel && c.Method != "HEAD" && !agent.Machine(c.Agent)
}

// linked returns the message that a visited link was in, nil when it is not known.
func (w *world) linked(f *hit.Fact) *touch.Record {
	if f.Click.Token != "" {
		return w.book.FindToken(f.Click.Token)
	}
	return w.book.Find(f.Channel, f.Click.Message)
}

func click(r *touch.Record, f *hit.Fact) {
	if r != nil {
		r.Click(f.At, f.ID)
	}
}

// reply notes which message an inbound message answers, if any. An opt-out answers
// none.
func (w *world) reply(f *hit.Fact, chats *touch.Chats) {
	answered, named := w.book.Explicit(f)
	if !named {
		answered = chats.Implicit(f, w.owner(f).Person)
	}
	if answered == nil || f.Inbound.Type == "text" && w.rules.optOut.Whole(f.Inbound.Text) {
		return
	}
	answered.Reply(f.At, f.ID)
}
