// Package site says which hosts are one site, as browsers do: those with the same
// registrable domain by the Public Suffix List. It is pure.
package site

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// maxHost is the most bytes that the name of a host can have (RFC 1035).
const maxHost = 253

// Origin returns the host of an Origin header, in lower case and without port, and
// whether its scheme is https. It is empty when the header is, or is "null", or not of
// the web.
func Origin(header string) (host string, secure bool) {
	scheme, rest, found := strings.Cut(header, "://")
	if !found || scheme != "http" && scheme != "https" {
		return "", false
	}
	return Host(rest), scheme == "https"
}

// Address returns the host of the address of a page, as [Origin] does.
func Address(url string) (host string, secure bool) {
	scheme, rest, found := strings.Cut(url, "://")
	if !found {
		return "", false
	}
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		rest = rest[:end]
	}
	return Origin(strings.ToLower(scheme) + "://" + rest[strings.LastIndexByte(rest, '@')+1:])
}

// Host returns the name in a Host header: in lower case, without port and without the
// dot that may end it. It is empty when that is no name or address.
func Host(header string) string {
	name := header
	if end := strings.IndexByte(name, ']'); strings.HasPrefix(name, "[") && end > 0 {
		name = name[:end+1]
	} else if colon := strings.IndexByte(name, ':'); colon >= 0 {
		name = name[:colon]
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	const alphabet = "abcdefghijklmnopqrstuvwxyz0123456789-._:[]"
	if len(name) > maxHost || strings.Trim(name, alphabet) != "" {
		return ""
	}
	return name
}

// Of returns what stands for the whole site of a host that [Host] returned: its
// registrable domain, or the host itself where it has none (an address, "localhost", a
// public suffix).
func Of(host string) string {
	if isAddress(host) {
		return host
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return host
	}
	return domain
}

// Same reports whether two hosts that [Host] returned are of one site.
func Same(a, b string) bool {
	if a == b {
		return a != ""
	}
	// A registrable domain has two labels or more, so that the list need not be asked of
	// nearly all pairs that are none.
	return lastTwo(a) == lastTwo(b) && Of(a) == Of(b)
}

// lastTwo returns the last two labels of a host.
func lastTwo(host string) string {
	return host[strings.LastIndexByte(host[:max(0, strings.LastIndexByte(host, '.'))], '.')+1:]
}

// isAddress reports whether a host is an IP address: its last label is a number.
func isAddress(host string) bool {
	last := host[strings.LastIndexByte(host, '.')+1:]
	return strings.HasPrefix(host, "[") || last != "" && strings.Trim(last, "0123456789") == ""
}
