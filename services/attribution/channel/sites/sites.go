// Package sites holds the lists of search, social, shopping and video sites: reference data, no rules. README.md
// says what stands in them.
package sites

import "embed"

// Lists are search.txt, social.txt, shopping.txt and video.txt.
//
//go:embed *.txt
var Lists embed.FS
