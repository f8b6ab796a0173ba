// Package agent tells the visits of programs from those of people by the user agent
// that a request names: link previews, mail scanners and other bots follow a tracked
// link too, and that is no click (attribution.md section 3). timeline calls it once
// per click.
//
// It is pure. The lists under agents/ are reference data, named by
// [ReferenceVersion].
package agent

import (
	_ "embed"
	"strings"
)

// ReferenceVersion names the contents of the lists under agents/. It is part of a
// policy's version, because another list makes other clicks of the same visits.
const ReferenceVersion = "agents-1"

// maxLength bounds the bytes of a user agent that are looked at. The longest of real
// browsers have some 600.
const maxLength = 2048

//go:embed agents/crawlers.txt
var crawlerList string

//go:embed agents/own.txt
var ownList string

// The lists, made once and only read: one as it is written, one in lower case.
var crawlers, own = read(crawlerList), read(ownList)

// Machine reports whether a user agent is that of a program that visits links by
// itself. An empty one is not known and no reason to doubt the visit. Much of what
// scans mail looks like a browser and is not told from one here.
func Machine(userAgent string) bool {
	userAgent = userAgent[:min(len(userAgent), maxLength)]
	if userAgent == "" {
		return false
	}
	lower := strings.ToLower(userAgent)
	return namesBot(lower) || own.in(lower) || crawlers.in(userAgent)
}

// namesBot reports whether a word of a text in lower case ends in bot. Cubot makes
// phones.
func namesBot(lower string) bool {
	for rest, offset := lower, 0; ; {
		i := strings.Index(rest, "bot")
		if i < 0 {
			return false
		}
		end := offset + i + len("bot")
		letterAfter := end < len(lower) && lower[end] >= 'a' && lower[end] <= 'z'
		if !letterAfter && !strings.HasSuffix(lower[:end], "cubot") {
			return true
		}
		rest, offset = lower[end:], end
	}
}

// headLength is the number of bytes by which texts are found.
const headLength = 4

// list is a set of texts to look for, by their first bytes, so that a user agent is
// walked through once however many there are: some 4 microseconds for 1,500.
type list struct {
	heads              map[string][]string
	prefixes, suffixes []string
}

// read takes one text a line: ^ before it means at the start, $ after it at the end,
// # a comment.
func read(lines string) list {
	l := list{heads: map[string][]string{}}
	for line := range strings.Lines(lines) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		if prefix, anchored := strings.CutPrefix(line, "^"); anchored {
			l.prefixes = append(l.prefixes, prefix)
		} else if suffix, anchored := strings.CutSuffix(line, "$"); anchored {
			l.suffixes = append(l.suffixes, suffix)
		} else {
			l.heads[line[:headLength]] = append(l.heads[line[:headLength]], line)
		}
	}
	return l
}

// in reports whether any text of the list is in s.
func (l list) in(s string) bool {
	for _, prefix := range l.prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	for _, suffix := range l.suffixes {
		if strings.HasSuffix(s, suffix) {
			return true
		}
	}
	for i := range len(s) - headLength + 1 {
		for _, text := range l.heads[s[i:i+headLength]] {
			if strings.HasPrefix(s[i:], text) {
				return true
			}
		}
	}
	return false
}
