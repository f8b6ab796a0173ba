// Package broken breaks the product's promises on purpose, one at a time, so that the
// tests that hold them can be shown to notice. Only a build with the tag "broken" has the
// switches, which the variable TOUCHLINE_BROKEN sets; in every other build [Is] is
// constantly false.
package broken

// The promises that can be broken.
const (
	// AcknowledgeFirst answers a hit's sender before the hit is written anywhere.
	AcknowledgeFirst = "acknowledge_first"
	// TrimStream bounds each stream to its last 16 entries, whoever has read the others.
	TrimStream = "trim_stream"
	// ForgetReceipts stores what is delivered again as if it were new.
	ForgetReceipts = "forget_receipts"
)
