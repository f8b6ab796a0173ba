package app

import (
	"unicode"

	"github.com/touchline/touchline/services/attribution/agent"
	"github.com/touchline/touchline/services/attribution/channel"
)

// reference names the data that conclusions depend on besides facts and policy: lists
// of sites and of bots, public suffixes, phone metadata, Unicode, currencies. Each
// policy version notes it. The versions of modules are those of go.mod; a test holds
// them together.
const reference = channel.ReferenceVersion + "; " + agent.ReferenceVersion +
	"; phonenumbers v1.8.1; x/net v0.62.0; x/text v0.43.0; uniseg v0.4.7" +
	"; Unicode " + unicode.Version + "; ISO 4217 of 2026-01-01"
