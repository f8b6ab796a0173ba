package stream

import (
	"context"
	"fmt"
	"strconv"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// Run is receipts of one epoch and shard with consecutive numbers, both inclusive.
type Run struct {
	Epoch       uuid.UUID
	Shard       int
	First, Last int64
}

// String is "epoch-shard-first", or "epoch-shard-first..last" for more than one, as
// receipts are written.
func (r Run) String() string {
	text := r.Epoch.String() + "-" + strconv.Itoa(r.Shard) + "-" + strconv.FormatInt(r.First, 10)
	if r.Last > r.First {
		text += ".." + strconv.FormatInt(r.Last, 10)
	}
	return text
}

// Len is how many receipts it is.
func (r Run) Len() int64 { return r.Last - r.First + 1 }

// heldStep is how many entries one script call looks at, during
// which Redis does nothing else. A guess: about a millisecond.
const heldStep = 1000

// Held is what is in the stream of one shard.
type Held struct {
	Runs   []Run            // in order of the stream; those of one epoch may touch
	Fields map[string]int64 // entries by "workspace/source", as in the books
}

// Probe looks at streams and books and changes nothing, but for [Probe.Rebuild] and
// [Probe.Prune]. It is safe for concurrent use.
type Probe struct {
	client  redis.UniversalClient
	cfg     Config
	scripts scripts
}

// NewProbe returns a probe. The client should come from [NewWriterClient].
func NewProbe(client redis.UniversalClient, cfg Config) *Probe {
	return &Probe{client: client, cfg: cfg.withDefaults(), scripts: newScripts()}
}

// Shards is how many streams there are.
func (p *Probe) Shards() int { return p.cfg.Shards }

// Books is [ReadBooks].
func (p *Probe) Books(ctx context.Context) ([]ShardBooks, error) {
	return ReadBooks(ctx, p.client, p.cfg)
}

// Held lists the receipts that are in a shard's stream. It looks at the stream
// piece by piece, so it is of no one instant: what was there when it began and is not
// in the answer was settled before it ended. Its time grows with the stream.
func (p *Probe) Held(ctx context.Context, shard int) (Held, error) {
	held := Held{Fields: map[string]int64{}}
	if err := p.cfg.checkShard(shard); err != nil {
		return held, err
	}
	for from := "-"; ; {
		answer, err := p.scripts.held.Run(ctx, p.client, []string{p.cfg.hitsKey(shard)}, from, heldStep).Slice()
		if err != nil {
			return held, fmt.Errorf("list the receipts of shard %d: %w", shard, err)
		}
		last, err := held.add(shard, answer)
		if err != nil {
			return held, fmt.Errorf("list the receipts of shard %d: %w", shard, err)
		}
		if last == "" {
			return held, nil
		}
		from = "(" + last
	}
}

// add reads one answer of the script and returns the id of the last entry.
func (h *Held) add(shard int, answer []any) (last string, err error) {
	if len(answer) != 3 {
		return "", fmt.Errorf("%d values", len(answer))
	}
	last, _ = answer[0].(string)
	receipts, fields := texts(answer[1]), texts(answer[2])
	for i := 0; i+2 < len(receipts); i += 3 {
		epoch, err := uuid.Parse(receipts[i])
		first, err2 := strconv.ParseInt(receipts[i+1], 10, 64)
		end, err3 := strconv.ParseInt(receipts[i+2], 10, 64)
		if err != nil || err2 != nil || err3 != nil || first < 1 || end < first {
			continue // no edge wrote it
		}
		run := Run{Epoch: epoch, Shard: shard, First: first, Last: end}
		if n := len(h.Runs); n > 0 && h.Runs[n-1].Epoch == epoch && h.Runs[n-1].Last == first-1 {
			h.Runs[n-1].Last = end
			continue
		}
		h.Runs = append(h.Runs, run)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return "", fmt.Errorf("count of %s: %w", fields[i], err)
		}
		h.Fields[fields[i]] += n
	}
	return last, nil
}

func texts(value any) []string {
	list, _ := value.([]any)
	all := make([]string, len(list))
	for i, one := range list {
		all[i], _ = one.(string)
	}
	return all
}

// Surplus is what the books of a shard count as in flight less what is in the stream,
// at one instant. Nothing but a lost entry, or one that was deleted between its commit
// and its settling, makes it more than zero; an entry that no edge wrote makes it less.
// What does not differ is left out.
type Surplus struct {
	Fields map[string]int64 // by "workspace/source"
	Hours  map[string]int64 // by "workspace/source/hour" (hours since 1970): of the same hits
}

// Surplus compares the books of a shard with its stream. Redis does nothing else
// meanwhile, so a stream of more than [MaxSurplus] entries is not looked at: ok is false.
func (p *Probe) Surplus(ctx context.Context, shard int) (surplus Surplus, ok bool, err error) {
	if err := p.cfg.checkShard(shard); err != nil {
		return surplus, false, err
	}
	keys := []string{p.cfg.hitsKey(shard), p.cfg.booksKey(shard), p.cfg.hoursKey(shard)}
	answer, err := p.scripts.surplus.Run(ctx, p.client, keys, MaxSurplus).Slice()
	if err != nil {
		return surplus, false, fmt.Errorf("compare stream and books of shard %d: %w", shard, err)
	}
	if len(answer) != 3 {
		return surplus, false, nil
	}
	for n, to := range []*map[string]int64{&surplus.Fields, &surplus.Hours} {
		names := texts(answer[n+1])
		*to = make(map[string]int64, len(names)/2)
		for i := 0; i+1 < len(names); i += 2 {
			by, err := strconv.ParseInt(names[i+1], 10, 64)
			if err != nil {
				return surplus, false, fmt.Errorf("compare stream and books of shard %d: %s: %w", shard, names[i], err)
			}
			(*to)[names[i]] = by
		}
	}
	return surplus, true, nil
}

// Excess is how many entries a shard's stream has, and by how many more the books have in
// flight, at one instant: the sum of [Surplus.Fields]. Its time does not grow with the stream.
func (p *Probe) Excess(ctx context.Context, shard int) (length, excess int64, err error) {
	if err := p.cfg.checkShard(shard); err != nil {
		return 0, 0, err
	}
	answer, err := p.scripts.excess.Run(ctx, p.client, []string{p.cfg.hitsKey(shard), p.cfg.booksKey(shard)}).Slice()
	if err == nil && len(answer) != 2 {
		err = fmt.Errorf("%d values", len(answer))
	}
	if err != nil {
		return 0, 0, fmt.Errorf("compare the length of stream and books of shard %d: %w", shard, err)
	}
	length, _ = answer[0].(int64)
	text, _ := answer[1].(string)
	excess, err = strconv.ParseInt(text, 10, 64)
	return length, excess, wrap(err, "compare the length of stream and books of shard %d", shard)
}

// MaxSurplus bounds the stream that [Probe.Surplus] looks at, in entries. A guess: some tens of
// milliseconds of Redis' time.
const MaxSurplus = 20_000
