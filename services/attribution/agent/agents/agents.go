// Package agents holds the lists of user agents of programs that follow links: reference data, no rules. README.md says
// what stands in them.
package agents

import "embed"

// Lists are crawlers.txt and own.txt.
//
//go:embed *.txt
var Lists embed.FS
