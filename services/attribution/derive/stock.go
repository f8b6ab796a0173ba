package derive

import (
	"context"
	"fmt"
	"runtime/debug"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

const (
	// stockBytes bounds what a build has in stock; see also [Config.StockFacts].
	stockBytes = 32 << 20
	// stockShare is of how many of a workspace's facts one has to be taken in stock for
	// that to pay: all are looked at. Measured with a million, a fact that is looked at costs a
	// thirtieth of one that is read by its key.
	stockShare = 20
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
	keys   []uuid.UUID // nil: all there are
	supply *supply     // which is being read already; nil: nothing is
	stock
}

// reader reads facts beside a transaction.
type reader struct {
	load  loader
	stock func(ctx context.Context, keys []uuid.UUID, most int) (Stock, error)
}

// supply is a stock of all facts that is read while the plan is drawn. What is derived of it
// is written in later transactions than that.
type supply struct {
	stop  context.CancelFunc
	done  chan struct{} // closed when it has been read
	facts Stock         // valid after done, as is err
	err   error
}

// supplied begins to read one.
func supplied(ctx context.Context, from reader) *supply {
	ctx, stop := context.WithCancel(ctx)
	u := &supply{stop: stop, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		defer stop()
		defer func() {
			if fault := recover(); fault != nil {
				u.err = fmt.Errorf("reading ahead broke: %v\n%s", fault, debug.Stack())
			}
		}()
		u.facts, u.err = from.stock(ctx, nil, stockBytes)
	}()
	return u
}

// abandon ends reading. It may be nil.
func (u *supply) abandon() {
	if u != nil {
		u.stop()
	}
}

// read returns what was wanted. What is being read already is waited for however long: it
// ends with what it was begun for.
func (w *wanted) read(ctx context.Context, from reader) (Stock, error) {
	if w.supply == nil {
		return from.stock(ctx, w.keys, stockBytes)
	}
	<-w.supply.done
	return w.supply.facts, w.supply.err
}

// want says what is to be read where a stretch is not in the stock of the one before; nil:
// it is, or it does not pay.
func (s *step) want(from, to progress, old *stock) *wanted {
	most := s.cfg.StockFacts
	if old == nil && s.plan.supply != nil {
		return &wanted{supply: s.plan.supply, stock: stock{until: len(s.plan.order), most: most}}
	}
	if old != nil {
		if to.next <= old.until {
			return nil
		}
		if most = old.most; old.facts != nil && old.facts.Full() {
			most /= 2
		}
	}
	if most*stockShare < len(s.plan.keys) { // known before anything is walked
		return nil
	}
	keys, _, after := s.plan.walk(from, most, s.concluded)
	if len(keys)*stockShare < len(s.plan.keys) { // near the end
		return nil
	}
	if 4*len(keys) > 3*len(s.plan.keys) { // then it is cheaper not to choose
		keys = nil
	}
	return &wanted{keys: keys, stock: stock{until: after.next, most: most}}
}

// loader reads the stretch's facts: it takes in stock what is wanted first.
func (a *stretch) loader(from reader) loader {
	opened := false
	return func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
		if !opened {
			opened = true
			a.open(ctx, from)
		}
		return a.read(ctx, from, keys)
	}
}

// open takes in stock what is wanted.
func (a *stretch) open(ctx context.Context, from reader) {
	if a.wanted == nil {
		return
	}
	fresh := a.wanted.stock
	a.stock = &fresh // what was in stock goes, to make room
	if facts, err := a.wanted.read(ctx, from); err == nil {
		fresh.facts = facts
	} else { // by their keys; the next stretch asks again, for less
		fresh.until, fresh.most = a.to.next, fresh.most/2
	}
}

// read reads facts from stock, and those that are not there by their keys.
func (a *stretch) read(ctx context.Context, from reader, wanted []uuid.UUID) ([]hit.Fact, error) {
	if a.stock == nil || a.stock.facts == nil {
		return from.load(ctx, wanted)
	}
	list := make([]hit.Fact, len(wanted))
	missing, err := a.stock.facts.Take(wanted, list)
	if err != nil || len(missing) == 0 {
		return list, err
	}
	keys := make([]uuid.UUID, len(missing))
	for i, place := range missing {
		keys[i] = wanted[place]
	}
	others, err := from.load(ctx, keys)
	if err == nil && len(others) < len(keys) {
		err = gone(len(others), len(keys))
	}
	if err != nil {
		return nil, err
	}
	for i, place := range missing {
		list[place] = others[i]
	}
	return list, nil
}
