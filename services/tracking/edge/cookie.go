package edge

import (
	"net/http"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/edge/handover"
)

// headerGPC is Global Privacy Control: "1" when it is on.
const headerGPC = "Sec-GPC"

// keepsCookie reports whether the edge may keep the device of this visitor in a cookie.
func (v *visitor) keepsCookie() bool {
	return v.own && v.source.DeviceCookie().Days > 0 && v.c.Request().Header.Get(headerGPC) != "1"
}

// cookieDevice returns the device in the visitor's cookie, "" when there is none that
// may be one.
func (v *visitor) cookieDevice() string {
	if !v.keepsCookie() {
		return ""
	}
	cookie, err := v.c.Request().Cookie(v.source.DeviceCookie().Name)
	if err != nil || !handover.IsDevice(cookie.Value) {
		return ""
	}
	return cookie.Value
}

// setCookie renews the visitor's cookie with the last device that a request states, and
// takes it away from one who withdrew consent. It goes with the answer to what was kept.
func (v *visitor) setCookie() {
	const day = 24 * 60 * 60
	switch {
	case v.refused || !v.keepsCookie():
	case v.state == hit.ConsentDenied:
		if _, err := v.c.Request().Cookie(v.source.DeviceCookie().Name); err == nil {
			v.write("", -1)
		}
	case handover.IsDevice(v.device):
		v.write(v.device, v.source.DeviceCookie().Days*day)
	}
}

// write sets the cookie on the edge's own host. A script cannot read it, so that what a
// script can lose or leak is not in it.
func (v *visitor) write(value string, maxAge int) {
	v.c.SetCookie(&http.Cookie{
		Name: v.source.DeviceCookie().Name, Value: value, MaxAge: maxAge, Path: "/",
		HttpOnly: true, Secure: v.secure, SameSite: http.SameSiteLaxMode,
	})
}
