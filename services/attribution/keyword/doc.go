// Package keyword finds keyword rules and opt-out terms in what people write to a
// business (attribution.md sections 3 and 4). Rules and terms are compiled once per
// policy; texts come from inbound messages; who calls it is touch and conversion.
//
// It is pure: no I/O, no clock, no state that a match could change. A compiled [Set]
// or [Terms] may be used by many goroutines at once.
//
// What matches depends on the Unicode tables of golang.org/x/text, the standard
// library and github.com/rivo/uniseg, so their versions are part of a policy's
// version.
package keyword
