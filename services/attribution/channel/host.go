package channel

import (
	"strings"

	"golang.org/x/net/publicsuffix"
)

// Ignored is a set of hosts whose visitors were on the site before: payment pages.
type Ignored struct {
	hosts map[string]struct{}
}

// Ignore makes an [Ignored] of hosts; each stands for its subdomains too.
func Ignore(hosts []string) Ignored {
	ignored := Ignored{hosts: make(map[string]struct{}, len(hosts))}
	for _, raw := range hosts {
		if host := hostOf(strings.TrimLeft(strings.TrimSpace(raw), "*.")); host != "" {
			ignored.hosts[host] = struct{}{}
		}
	}
	return ignored
}

func (i Ignored) has(host string) bool {
	for found := true; found; _, host, found = strings.Cut(host, ".") {
		if _, ignored := i.hosts[host]; ignored {
			return true
		}
	}
	return false
}

// schemes are those of addresses that visitors come from.
var schemes = map[string]bool{"http": true, "https": true, "android-app": true, "ios-app": true}

// hostOf returns the host of a URL, or of a bare host, in lower case and without
// port; empty when there is none. It refuses nothing that a browser would send: only
// the host matters, the rest of a referrer may be as broken as it likes.
func hostOf(raw string) string {
	rest := strings.TrimSpace(raw)
	if scheme, after, found := strings.Cut(rest, "://"); found && !strings.ContainsAny(scheme, "/?#") {
		if !schemes[strings.ToLower(scheme)] {
			return ""
		}
		rest = after
	} else if after, found := strings.CutPrefix(rest, "//"); found {
		rest = after
	} else if head, _, _ := strings.Cut(rest, "/"); strings.ContainsAny(head, ":@") || !strings.Contains(head, ".") {
		return "" // about:blank, mailto:a@shop.example, a path or a word
	}
	if end := strings.IndexAny(rest, `/?#\`); end >= 0 {
		rest = rest[:end]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if strings.HasPrefix(rest, "[") { // an IPv6 address
		if end := strings.IndexByte(rest, ']'); end > 0 {
			return strings.ToLower(rest[:end+1])
		}
		return ""
	}
	rest, _, _ = strings.Cut(rest, ":")
	rest = strings.ToLower(strings.TrimSuffix(rest, "."))
	if strings.ContainsFunc(rest, notInHost) || strings.Contains(rest, "..") {
		return ""
	}
	return strings.TrimPrefix(rest, ".")
}

func notInHost(r rune) bool {
	ascii := r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_'
	return !ascii && r < 0x80
}

// sameSite says whether two hosts are of one registrable domain. A host that has none
// (an address, a public suffix itself) is its own site.
func sameSite(a, b string) bool {
	if a == b {
		return true
	}
	x, err := publicsuffix.EffectiveTLDPlusOne(a)
	y, _ := publicsuffix.EffectiveTLDPlusOne(b) // empty when there is none, which x is not
	return err == nil && x == y && !isAddress(a)
}

// isAddress says whether host is an IPv4 address, whose last two numbers are no domain.
func isAddress(host string) bool {
	return strings.Trim(host, "0123456789.") == ""
}
