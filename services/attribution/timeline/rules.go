package timeline

import (
	"github.com/touchline/touchline/services/attribution/channel"
	"github.com/touchline/touchline/services/attribution/keyword"
	"github.com/touchline/touchline/services/attribution/policy"
)

// rules are the parts of a policy that are compiled before use.
type rules struct {
	keywords *keyword.Set
	optOut   *keyword.Terms
	ignored  channel.Ignored
}

func newRules(p *policy.Policy) rules {
	list := make([]keyword.Rule, 0, len(p.KeywordRules))
	for _, r := range p.KeywordRules {
		list = append(list, keyword.Rule{
			Event: r.Event, Any: r.Any, All: r.All, None: r.None, Mode: keyword.Mode(r.Mode), Value: string(r.Value), Currency: r.Currency,
		})
	}
	return rules{
		keywords: keyword.Compile(list),
		optOut:   keyword.CompileTerms(p.OptOutTerms),
		ignored:  channel.Ignore(p.IgnoredReferrers),
	}
}
