package timeline

import (
	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
)

// Rules are the parts of a policy that are compiled before use: some 50 microseconds
// that a caller who derives many components saves by compiling once. They are safe
// for concurrent use.
type Rules struct {
	keywords *keyword.Set
	optOut   *keyword.Terms
	ignored  channel.Ignored
}

// Compile prepares the rules of a policy.
func Compile(p *policy.Policy) *Rules {
	list := make([]keyword.Rule, 0, len(p.KeywordRules))
	for _, r := range p.KeywordRules {
		list = append(list, keyword.Rule{
			Event: r.Event, Any: r.Any, All: r.All, None: r.None, Mode: keyword.Mode(r.Mode), Value: string(r.Value), Currency: r.Currency,
		})
	}
	return &Rules{
		keywords: keyword.Compile(list),
		optOut:   keyword.CompileTerms(p.OptOutTerms),
		ignored:  channel.Ignore(p.IgnoredReferrers),
	}
}
