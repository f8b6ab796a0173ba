// Package channel says by which channel a visit came: from the URL of its first page
// view, the referrer and the campaign parameters, by the table of attribution.md
// section 3 (GA4's default channel groups with WhatsApp and Messenger before them).
// touch calls it once per session.
//
// It is pure. What is a search engine, social network, shop or video site is in the
// lists under sites/, and what is one site in the public suffix list of
// golang.org/x/net: both are reference data, named by [ReferenceVersion] and the
// version of that module.
package channel
