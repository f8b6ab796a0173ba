package channel

import (
	_ "embed"
	"strings"

	"golang.org/x/net/publicsuffix"
)

// ReferenceVersion names the contents of the lists under sites/. It is part of a
// policy's version, because another list makes other channels of the same visits.
const ReferenceVersion = "sites-1"

//go:embed sites/search.txt
var searchList string

//go:embed sites/social.txt
var socialList string

//go:embed sites/shopping.txt
var shoppingList string

//go:embed sites/video.txt
var videoList string

// category is what sort of site a site is.
type category uint8

const (
	other category = iota
	search
	social
	shopping
	video
)

// sites are the lists of sites, by name and by host as they are written (with the dot
// before that covers subdomains, the asterisk for a public suffix). It is made once
// and only read.
var sites = struct{ names, hosts map[string]category }{
	names: read(func(names, _ string) string { return names }),
	hosts: read(func(_, hosts string) string { return hosts }),
}

// read collects one side of the lists' lines.
func read(side func(names, hosts string) string) map[string]category {
	found := map[string]category{}
	for is, list := range []string{search: searchList, social: socialList, shopping: shoppingList, video: videoList} {
		for line := range strings.Lines(list) {
			line, _, _ = strings.Cut(line, "#")
			names, hosts, _ := strings.Cut(line, ":")
			for _, entry := range strings.Fields(side(names, hosts)) {
				found[entry] = category(is)
			}
		}
	}
	return found
}

// categoryOfSource returns the category of the site that a utm_source in lower case
// names, by plain name or by host.
func categoryOfSource(source string) category {
	if is, known := sites.names[source]; known {
		return is
	}
	return categoryOfHost(hostOf(source))
}

// categoryOfHost returns the category of a host's site.
func categoryOfHost(host string) category {
	if host == "" {
		return other
	}
	if is := listed(host); is != other {
		return is
	}
	for _, prefix := range []string{"www.", "m.", "mobile."} {
		if bare, found := strings.CutPrefix(host, prefix); found {
			if is := listed(bare); is != other {
				return is
			}
		}
	}
	for parent := host; parent != ""; _, parent, _ = strings.Cut(parent, ".") {
		if is, known := sites.hosts["."+parent]; known {
			return is
		}
	}
	return other
}

// listed looks a host up as it is, and with an asterisk for its public suffix. Only
// suffixes of registries count: anybody can have google.github.io.
func listed(host string) category {
	if is, known := sites.hosts[host]; known {
		return is
	}
	suffix, registry := publicsuffix.PublicSuffix(host)
	if !registry || suffix == host {
		return other
	}
	return sites.hosts[strings.TrimSuffix(host, suffix)+"*"]
}
