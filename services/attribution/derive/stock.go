package derive

import (
	"context"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

const (
	// stockBytes bounds what a build has in stock; see also [Config.StockFacts].
	stockBytes = 32 << 20
	// stockShare is of how many of a workspace's facts one has to be taken in stock for
	// that to pay: all are looked at. Measured, a fact that is looked at costs a tenth of one
	// that is read by its key.
	stockShare = 8
)

// stock is facts that a walk comes to, read together in whatever order they lie in, as a
// component's facts lie anywhere and reading each by its key took a third of a build's time.
//
// They may have been read long before they are derived. That is as good as reading them
// then, for what [plan] says of itself is true of them: who changes a fact leaves a touched
// row, and the process that leads the build concludes from it and notes the component.
type stock struct {
	facts Stock
	until int // place in the plan's order up to which it has what was asked for
	most  int // facts that were asked for
}

// wanted is what is to be read into a stock.
type wanted struct {
	keys []uuid.UUID // nil: all there are
	stock
}

// reader reads facts beside a transaction.
type reader struct {
	load  loader
	stock func(ctx context.Context, keys []uuid.UUID, most int) (Stock, error)
}

// want says what is to be read where a stretch is not in the stock of the one before; nil:
// it is, or it does not pay.
func (s *step) want(from, to progress, old *stock) *wanted {
	most := s.cfg.StockFacts
	if old != nil {
		if to.next <= old.until {
			return nil
		}
		if most = old.most; old.facts != nil && old.facts.Full() {
			most /= 2
		}
	}
	keys, _, after := s.plan.walk(from, most, s.concluded)
	if len(keys)*stockShare < len(s.plan.keys) {
		return nil
	}
	if 4*len(keys) > 3*len(s.plan.keys) { // then it is cheaper not to choose
		keys = nil
	}
	return &wanted{keys, stock{until: after.next, most: most}}
}

// read reads the stretch's facts from stock, and those that are not there by their keys.
func (a *stretch) read(ctx context.Context, from reader) ([]hit.Fact, error) {
	if a.wanted != nil {
		fresh := a.wanted.stock
		a.stock = &fresh // what was in stock goes, to make room
		if facts, err := from.stock(ctx, a.wanted.keys, stockBytes); err == nil {
			fresh.facts = facts // else by their keys
		}
	}
	if a.stock == nil || a.stock.facts == nil {
		return from.load(ctx, a.keys)
	}
	list := make([]hit.Fact, len(a.keys))
	missing, err := a.stock.facts.Take(a.keys, list)
	if err != nil || len(missing) == 0 {
		return list, err
	}
	keys := make([]uuid.UUID, len(missing))
	for i, place := range missing {
		keys[i] = a.keys[place]
	}
	others, err := from.load(ctx, keys)
	if err != nil || len(others) < len(missing) {
		return others, err // fewer than were asked for: some are gone
	}
	for i, place := range missing {
		list[place] = others[i]
	}
	return list, nil
}
