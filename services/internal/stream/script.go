package stream

import (
	_ "embed"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/broken"
)

// The scripts; each says in its file what it takes and returns.
var (
	//go:embed account.lua
	accountSource string // goes before those that count
	//go:embed append.lua
	appendSource string
	//go:embed announce.lua
	announceSource string
	//go:embed settle.lua
	settleSource string
	//go:embed forget.lua
	forgetSource string
	//go:embed lag.lua
	lagSource string
	//go:embed seed.lua
	seedSource string
	//go:embed held.lua
	heldSource string
	//go:embed surplus.lua
	surplusSource string
	//go:embed excess.lua
	excessSource string
	//go:embed prune.lua
	pruneSource string
	//go:embed restarted.lua
	restartedSource string
)

// scripts holds the digests of the scripts. They are sent as EVALSHA and, when the
// server does not know them (first use, restart, failover), once as EVAL.
type scripts struct {
	appendHits, announce, settle, forget, lag, seed, held, surplus, excess, prune, restarted *redis.Script
}

func newScripts() scripts {
	hits := appendSource
	if broken.Is(broken.TrimStream) {
		hits = strings.Replace(hits, "'*'", "'MAXLEN', '16', '*'", 1)
	}
	return scripts{
		appendHits: redis.NewScript(accountSource + hits),
		announce:   redis.NewScript(accountSource + announceSource),
		settle:     redis.NewScript(accountSource + settleSource),
		forget:     redis.NewScript(forgetSource),
		lag:        redis.NewScript(lagSource),
		seed:       redis.NewScript(accountSource + seedSource),
		held:       redis.NewScript(accountSource + heldSource),
		surplus:    redis.NewScript(accountSource + surplusSource),
		excess:     redis.NewScript(excessSource),
		prune:      redis.NewScript(pruneSource),
		restarted:  redis.NewScript(restartedSource),
	}
}
