package edge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"

	"github.com/google/uuid"
	"github.com/labstack/echo/v4"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/registry"
	"github.com/touchline/touchline/services/tracking/edge/handover"
	"github.com/touchline/touchline/services/tracking/edge/pixel"
	"github.com/touchline/touchline/services/tracking/edge/site"
	"github.com/touchline/touchline/services/tracking/intake"
)

// visitor is who sends a request of the pixel, as far as the edge has a say in it: which
// device its items are of, and what its cookie becomes.
type visitor struct {
	edge   *Edge
	c      echo.Context
	source registry.Source
	at     hit.Instant // of receipt

	host   string // of the page by Origin, "" when there is none
	secure bool   // the page came by https
	own    bool   // the page is of the same site as the edge: the cookie is its own

	adopted string // the device of the cookie, which took the place of a new one
	handed  string // the device that came from another site
	refused bool   // a handover was

	device string           // the last that the items state, those that last a day left out
	state  hit.ConsentState // the last that they state, or the request beside them
	answer string           // the device that the script is to go on with, "" when its own
}

// visitor reads what a request says of its page: by Origin, which every POST of a
// browser has, else by Referer. A page can forge neither, as it can what it says in a
// body or a query.
func (e *Edge) visitor(c echo.Context, source registry.Source, at hit.Instant) visitor {
	v := visitor{edge: e, c: c, source: source, at: at}
	r := c.Request()
	page := ""
	if origin := r.Header.Get(echo.HeaderOrigin); origin != "" {
		v.host, v.secure = site.Origin(origin)
		page = v.host
	} else if referer := r.Referer(); referer != "" {
		page, v.secure = site.Address(referer)
	}
	v.own = page != "" && site.Same(page, site.Host(r.Host))
	return v
}

// settle gives the items of a request the devices that they ask for.
func (v *visitor) settle(items []intake.Item, asks []pixel.Ask) {
	for _, ask := range asks {
		item := &items[ask.Item]
		device := deviceOf(item)
		if ask.Handover != "" {
			v.checkHandover(items, item, ask.Handover)
		} else if ask.New && device != "" && device != v.handed && v.adopted == "" {
			v.adopt(items, device)
		}
	}
	v.last(items)
	if v.device != "" && v.device != v.adopted {
		v.answer = "" // it has another one since, as after a reset
	}
	for _, ask := range asks {
		if item := &items[ask.Item]; ask.Cookieless {
			item.Names = append(item.Names, intake.Name{Kind: hit.Device, Text: v.cookieless(item)})
		}
	}
}

// last finds the last device that items state and the last state of consent. With Global
// Privacy Control on, a device is not for the cookie.
func (v *visitor) last(items []intake.Item) {
	for i := range items {
		consent := items[i].Fact.Consent
		if consent != nil && consent.State != "" {
			v.state = consent.State
		}
		if of := deviceOf(&items[i]); of != "" && (consent == nil || !consent.GPC) {
			v.device = of
		}
	}
}

// deviceOf returns the device that an item states, "" when none.
func deviceOf(item *intake.Item) string {
	for _, name := range item.Names {
		if name.Kind == hit.Device && name.Text != "" {
			return name.Text
		}
	}
	return ""
}

// cookieless makes the device of a visitor who is to be known for a day and no longer: a
// MAC of where the request comes from, under a secret that is thrown away.
func (v *visitor) cookieless(item *intake.Item) string {
	mac := hmac.New(sha256.New, v.edge.Salts.Of(v.at.Time()))
	mac.Write(v.source.ID[:])
	for _, part := range []string{v.c.RealIP(), v.c.Request().UserAgent(), v.pageOf(item)} {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	return "c" + hex.EncodeToString(mac.Sum(nil)[:16])
}

// pageOf returns the host of the page that an item was on, "" when nothing says it.
func (v *visitor) pageOf(item *intake.Item) string {
	if v.host != "" {
		return v.host
	}
	if page := item.Fact.Page; page != nil {
		if host, _ := site.Address(page.URL); host != "" {
			return host
		}
	}
	host, _ := site.Address(v.c.Request().Referer())
	return host
}

// adopt puts the device of the cookie in the place of one that the script made because
// it found none stored: browsers forget what scripts store earlier than what servers do.
func (v *visitor) adopt(items []intake.Item, fresh string) {
	device := v.cookieDevice()
	if device == "" || device == fresh {
		return
	}
	v.adopted, v.answer = device, device
	for i := range items {
		for n := range items[i].Names {
			if name := &items[i].Names[n]; name.Kind == hit.Device && name.Text == fresh {
				name.Text = device
			}
		}
	}
}

// checkHandover drops the device of an item that came with a token that does not hold,
// from whatever in the request has it, and has the script take another one.
func (v *visitor) checkHandover(items []intake.Item, item *intake.Item, token string) {
	device := deviceOf(item)
	to := handover.Target{Source: v.source.ID, Host: v.pageOf(item)}
	if to.Host != "" && v.edge.Handover.Check(token, device, to, happened(item, v.at).Time()) {
		v.handed = device
		return
	}
	v.refused = true
	item.Fact.Flags = append(item.Fact.Flags, hit.FlagHandoverRefused)
	item.Anonymous = true
	if device == "" {
		return
	}
	for i := range items {
		if deviceOf(&items[i]) == device {
			items[i].Names = slices.DeleteFunc(items[i].Names, func(n intake.Name) bool { return n.Kind == hit.Device })
			items[i].Anonymous = true
		}
	}
	if v.answer = v.cookieDevice(); v.answer == "" {
		v.answer = newDevice()
	}
}

// happened is when an item happened: a page view that waited for a network is judged by
// the time when the page was opened, by the clock of its sender as far as that is known.
func happened(item *intake.Item, receivedAt hit.Instant) hit.Instant {
	at, _, err := hit.ParseInstant(item.Stated.Text)
	if err != nil {
		return receivedAt
	}
	if sentAt, _, err := hit.ParseInstant(item.Stated.SentAt); err == nil {
		at = hit.Skewed(at, sentAt, receivedAt)
	}
	return min(at, receivedAt)
}

// newDevice makes an id as the script makes them; "" when there is no randomness.
func newDevice() string {
	id, err := uuid.NewV7()
	if err != nil {
		return ""
	}
	return id.String()
}
