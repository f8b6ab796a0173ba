package httpserver

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
)

// clientIP returns the address nearest to us that is not one of our proxies. The
// list of X-Forwarded-For is read from the right, because what is left of the first
// address that we do not trust was written by somebody we do not trust. A part that
// is no address ends it: the proxy that passed it on is as far as we can see.
func clientIP(trusted []netip.Prefix) echo.IPExtractor {
	return func(r *http.Request) string {
		at, ok := parseAddr(r.RemoteAddr)
		if !ok {
			return ""
		}
		parts := strings.Split(strings.Join(r.Header.Values(echo.HeaderXForwardedFor), ","), ",")
		for _, part := range slices.Backward(parts) {
			if !contains(trusted, at) {
				break
			}
			before, ok := parseAddr(strings.TrimSpace(part))
			if !ok {
				break
			}
			at = before
		}
		return at.String()
	}
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(a) })
}

// parseAddr reads "1.2.3.4", "1.2.3.4:5", "::1", "[::1]" and "[::1]:5". An IPv4
// address in IPv6 clothes is an IPv4 address, and zones are dropped, so that every
// client has one spelling.
func parseAddr(text string) (netip.Addr, bool) {
	if pair, err := netip.ParseAddrPort(text); err == nil {
		return pair.Addr().Unmap().WithZone(""), true
	}
	inner, found := strings.CutPrefix(text, "[")
	if found {
		inner, found = strings.CutSuffix(inner, "]")
		if !found {
			return netip.Addr{}, false
		}
	}
	addr, err := netip.ParseAddr(inner)
	return addr.Unmap().WithZone(""), err == nil
}
