package derive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"

	"github.com/touchline/touchline/services/attribution/policy"
	"github.com/touchline/touchline/services/internal/hit"
)

// shelfStock is some facts of a shelf, as a [Stock].
type shelfStock struct {
	facts map[uuid.UUID]hit.Fact
	full  bool
}

func (s shelfStock) Full() bool { return s.full }

func (s shelfStock) Take(keys []uuid.UUID, into []hit.Fact) (missing []int, err error) {
	for i, key := range keys {
		f, there := s.facts[key]
		if !there {
			missing = append(missing, i)
		}
		into[i] = f
	}
	return missing, nil
}

// A walk that reads from stocks, whatever they lack, derives the facts that one without
// does, in the same order; it reads no fact by its key that a stock had, and asks for none
// twice.
func TestStretch_readsFromStock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		s, with := planned(t, facts)
		s.cfg.WalkRows, s.cfg.StockFacts = rapid.IntRange(1, 6).Draw(t, "walked"), rapid.IntRange(1, 20).Draw(t, "in stock")
		// Drawn here, as the stock is read in the background.
		away, full := rapid.Bool().Draw(t, "away"), rapid.IntRange(0, 3).Draw(t, "kept")
		asked, had := make(map[uuid.UUID]int), make(map[uuid.UUID]bool)
		s.beside = reader{
			load: func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
				for _, key := range keys {
					if had[key] {
						t.Fatalf("%s was in stock", key)
					}
				}
				return facts.Load(ctx, keys)
			},
			stock: func(ctx context.Context, keys []uuid.UUID, _ int) (Stock, error) {
				had = make(map[uuid.UUID]bool) // what was in stock goes
				if away = !away; !away && full == 0 {
					return nil, errors.New("away")
				}
				if keys == nil {
					keys = s.plan.keys
				}
				held := shelfStock{make(map[uuid.UUID]hit.Fact), full > 0}
				list, _ := facts.Load(ctx, keys)
				for _, f := range list {
					if !held.full || len(had) < 2*full {
						held.facts[f.Key()], had[f.Key()] = f, true
					}
				}
				return held, nil
			},
		}
		if rapid.Bool().Draw(t, "since the plan was begun") {
			s.plan.supply = supplied(t.Context(), s.beside)
			<-s.plan.supply.done
		}
		for now := (&stretch{to: progress{next: s.plan.next, cursor: s.plan.cursor}}); ; {
			if s.readAhead(t.Context(), now, with); s.ahead == nil {
				break
			}
			if now = s.ahead; !now.ready(with) {
				t.Fatal(now.err)
			}
			want, _ := facts.Load(t.Context(), now.keys)
			got, err := now.read(t.Context(), s.beside, now.keys)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("%v (-want +got):\n%s", err, diff)
			}
			for _, key := range now.keys {
				asked[key]++
			}
		}
		for i := range facts {
			if n := asked[facts[i].Key()]; n != 1 {
				t.Fatalf("%s was read %d times", facts[i].ID, n)
			}
		}
	})
}

// All facts are read while a plan of them is drawn, unless one step walks them or they are
// too many; who gives the plan up ends it, and what breaks is an error.
func TestStep_drawsWhileAllIsRead(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
	draw := func(walked, stocked int, read func(ctx context.Context) (Stock, error)) *supply {
		s := &step{tx: shelfTx{facts: facts}, cfg: Config{WalkRows: walked, StockFacts: stocked}.withDefaults()}
		s.beside.stock = func(ctx context.Context, keys []uuid.UUID, _ int) (Stock, error) {
			if keys != nil {
				t.Errorf("%d facts were asked for", len(keys))
			}
			return read(ctx)
		}
		p, err := s.draw(t.Context(), Version{Number: 2, Policy: &rules})
		if err != nil {
			t.Fatal(err)
		}
		p.abandon()
		return p.supply
	}
	waiting := func(ctx context.Context) (Stock, error) { <-ctx.Done(); return nil, ctx.Err() }
	if draw(2, 9, waiting) != nil || draw(1, 1, waiting) != nil {
		t.Error("what one step walks, or what is too much, is read at once")
	}
	u := draw(1, 2, waiting)
	if <-u.done; !errors.Is(u.err, context.Canceled) {
		t.Errorf("went on: %v", u.err)
	}
	u = draw(1, 2, func(context.Context) (Stock, error) { panic("broken") })
	if <-u.done; u.err == nil {
		t.Error("what broke is no error")
	}
}

// cut is a shelf of which it cannot be read who carries what.
type cut struct{ shelfTx }

func (c cut) Carriers(context.Context, func(ref, fact uuid.UUID)) error { return errors.New("away") }

// Who fails to draw a plan ends what was begun to be read for it, and nothing is begun for a
// walk that is over.
func TestStep_drawsInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		rules := policy.Default()
		facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
		begun, ended := 0, 0
		s := &step{tx: cut{shelfTx{facts: facts}}, cfg: Config{WalkRows: 1}.withDefaults()}
		s.beside.stock = func(ctx context.Context, _ []uuid.UUID, _ int) (Stock, error) {
			begun++
			<-ctx.Done()
			ended++
			return nil, ctx.Err()
		}
		v := Version{Number: 2, Policy: &rules}
		if p, err := s.draw(t.Context(), v); err == nil || p != nil {
			t.Errorf("a plan without carriers: %v", err)
		}
		if synctest.Wait(); begun != 1 || ended != 1 {
			t.Errorf("begun %d times, ended %d times", begun, ended)
		}
		s.tx, v.Cursor = shelfTx{facts: facts}, uuid.Max
		if p, err := s.draw(t.Context(), v); err != nil || p.supply != nil {
			t.Errorf("a supply for nothing: %v", err)
		}
		if synctest.Wait(); begun != 1 {
			t.Error("all was read for nothing")
		}
	})
}

// What stretches are taken of goes on from one to the next, and nobody else keeps it; where it
// could not be read each one asks again, for less, until that does not pay.
func TestStep_handsItsStockOn(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	var facts shelf
	for i := range 64 {
		facts = append(facts, hit.Fact{Kind: hit.KindPage, ID: fmt.Sprint(i), Page: &hit.Page{}})
	}
	walk := func(away bool) (asked []int) {
		s := &step{tx: shelfTx{facts: facts}, cfg: Config{WalkRows: 4, StockFacts: 64}.withDefaults(), concluded: make(map[int32]bool)}
		s.beside = reader{load: facts.Load, stock: func(ctx context.Context, keys []uuid.UUID, _ int) (Stock, error) {
			if keys == nil {
				keys = keysOf(facts)
			}
			if asked = append(asked, len(keys)); away {
				return nil, errors.New("away")
			}
			held := shelfStock{facts: make(map[uuid.UUID]hit.Fact)}
			list, err := facts.Load(ctx, keys)
			for _, f := range list {
				held.facts[f.Key()] = f
			}
			return held, err
		}}
		var err error
		if s.plan, err = s.draw(t.Context(), Version{Number: 2, Policy: &rules}); err != nil {
			t.Fatal(err)
		}
		with := basis{version: Version{Number: 2, Policy: &rules}, currency: "NOK", parts: 1}
		for now := (&stretch{}); ; now = s.ahead {
			s.walked = now.to
			s.readAhead(t.Context(), now, with)
			if s.after(); now.stock != nil || now.supplied() != nil || s.plan.supply != nil {
				t.Fatal("the stretch before, or the plan, keeps what was in stock")
			}
			if s.ahead == nil {
				return asked
			}
			if !s.ahead.ready(with) {
				t.Fatal(s.ahead.err)
			}
		}
	}
	if asked := walk(false); !slices.Equal(asked, []int{64}) {
		t.Errorf("asked for %v facts, want all once", asked)
	}
	if asked := walk(true); !slices.Equal(asked, []int{64, 32, 16, 8, 4}) {
		t.Errorf("asked for %v facts while they could not be read", asked)
	}
}

// ending is a transaction in which a build begins and ends.
type ending struct {
	shelfTx
	version Version
}

func (e ending) Workspace(context.Context) (Workspace, error) {
	return Workspace{Currency: "NOK", Versions: []Version{e.version}}, nil
}
func (ending) Touched(context.Context, int) ([]Touched, error) { return nil, nil }
func (ending) Fresh(context.Context, Version) (Fresh, error) {
	return Fresh{Rows: true, Persons: true}, nil
}
func (ending) Apply(context.Context, Version, Changes, time.Time) error { return nil }
func (e ending) Advance(context.Context, Build) (*Swap, error) {
	return &Swap{Version: e.version.Number}, nil
}
func (e ending) Snapshot(_ context.Context, fn func(Tx) error) error { return fn(e) }

// begun is a store that reads until it is told to end.
type begun struct {
	Store
	ended chan struct{}
}

func (b begun) Stock(ctx context.Context, _ uuid.UUID, _ []uuid.UUID, _ int) (Stock, error) {
	<-ctx.Done()
	close(b.ended)
	return nil, ctx.Err()
}

// A build that ends in the step that drew its plan leaves nothing behind that is read.
func TestDeriver_endsWhatTheLastStepBegan(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	device := &hit.Identifier{Kind: hit.Device, Value: "d"}
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}, Device: device}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}, Device: device}}
	store := begun{ended: make(chan struct{})}
	d := New(store, Config{WalkRows: 1})
	tx := ending{shelfTx{facts: facts}, Version{Number: 2, Policy: &rules, Building: true, Started: true}}
	if _, err := d.pass(t.Context(), uuid.New(), tx); err != nil {
		t.Fatal(err)
	}
	<-store.ended
}

// A supply that no stretch has taken yet has a place among what is read ahead, or is ended.
func TestDeriver_boundsSupplies(t *testing.T) {
	t.Parallel()
	d := New(nil, Config{Parallel: 1})
	reading := func() (*plan, context.Context) {
		ctx, stop := context.WithCancel(t.Context())
		return &plan{supply: &supply{stop: stop}}, ctx
	}
	first, of := reading()
	d.keep(uuid.New(), first)
	second, refused := reading()
	d.keep(uuid.New(), second)
	if first.supply == nil || of.Err() != nil || second.supply != nil || refused.Err() == nil {
		t.Error("two supplies where one has room")
	}
}

// What is gone is told of those that were asked for.
func TestStretch_tellsWhatIsGone(t *testing.T) {
	t.Parallel()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
	keys := keysOf(facts)
	a := &stretch{keys: append(keys, uuid.New(), uuid.New()), stock: &stock{facts: shelfStock{facts: map[uuid.UUID]hit.Fact{keys[0]: facts[0]}}}}
	if _, err := a.read(t.Context(), reader{load: facts.Load}, a.keys); err == nil || err.Error() != "2 of 3 facts are gone" {
		t.Errorf("gone: %v", err)
	}
}

// A stock is read again only behind its end, smaller when there was no room for it, and not
// at all where it is a small part of all there is.
func TestStep_want(t *testing.T) {
	t.Parallel()
	s := &step{cfg: Config{StockFacts: 40}, concluded: make(map[int32]bool), plan: &plan{}}
	for i := range 100 { // each a component
		key := uuid.UUID{byte(i)}
		s.plan.keys, s.plan.first, s.plan.order = append(s.plan.keys, key), append(s.plan.first, int32(i)), append(s.plan.order, int32(i))
	}
	s.plan.done = make([]bool, 100)
	ask := func(from, to int, old *stock) int {
		switch w := s.want(progress{next: from}, progress{next: to}, old); {
		case w == nil:
			return 0
		case w.keys == nil:
			return len(s.plan.keys)
		default:
			return len(w.keys)
		}
	}
	if n := ask(0, 10, nil); n != 40 {
		t.Errorf("%d facts at first", n)
	}
	if n := ask(30, 40, &stock{until: 40, most: 40, facts: shelfStock{}}); n != 0 {
		t.Errorf("%d facts that are in stock", n)
	}
	if n := ask(31, 41, &stock{until: 40, most: 40, facts: shelfStock{}}); n != 40 {
		t.Errorf("%d facts behind a stock", n)
	}
	if n := ask(31, 41, &stock{until: 40, most: 40, facts: shelfStock{full: true}}); n != 20 {
		t.Errorf("%d facts behind one that was full", n)
	}
	if n := ask(96, 100, nil); n != 0 {
		t.Errorf("%d facts of the last, which is too few to look at all for", n)
	}
	if s.cfg.StockFacts = 1000; ask(0, 10, nil) != 100 {
		t.Error("not all at once")
	}
}
