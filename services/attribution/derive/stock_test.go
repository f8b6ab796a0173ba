package derive

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
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
	facts  map[uuid.UUID]hit.Fact
	closed chan struct{} // nil: nobody looks
}

func (s shelfStock) Close() {
	if s.closed != nil {
		close(s.closed)
	}
}

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

// A walk that reads from stock, whatever it lacks, derives the facts that one without does, in
// the same order; it reads no fact by its key that was in stock, and asks for none twice. What
// is in stock was asked for once, and is all that lies behind the cursor.
func TestStretch_readsFromStock(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		facts := anyShelf(t)
		_, with := planned(t, facts)
		v := with.version
		if rapid.Bool().Draw(t, "begun") {
			v.Cursor = rapid.SampledFrom(keysOf(facts)).Draw(t, "cursor")
		}
		room := rapid.IntRange(-1, len(facts)).Draw(t, "room") // drawn here, as it is read in the background
		asked, had := make(map[uuid.UUID]int), make(map[uuid.UUID]bool)
		var readings atomic.Int32 // nobody waits for one that is given up at once
		cfg := Config{WalkRows: rapid.IntRange(1, 6).Draw(t, "walked"), Log: slog.New(slog.DiscardHandler)}
		s := &step{tx: shelfTx{facts: facts}, cfg: cfg.withDefaults(), concluded: make(map[int32]bool)}
		s.beside = reader{
			load: func(ctx context.Context, keys []uuid.UUID) ([]hit.Fact, error) {
				for _, key := range keys {
					if had[key] {
						t.Fatalf("%s was in stock", key)
					}
				}
				return facts.Load(ctx, keys)
			},
			stock: func(ctx context.Context, keys []uuid.UUID, place func(uuid.UUID) int32) (Stock, error) {
				readings.Add(1)
				for i := range facts {
					key := facts[i].Key()
					if at := place(key); at >= 0 && keys[at] != key || at < 0 && bytes.Compare(key[:], v.Cursor[:]) > 0 {
						t.Errorf("%s has place %d", key, at)
					}
				}
				if room < 0 {
					return nil, errors.New("away")
				}
				held := shelfStock{facts: make(map[uuid.UUID]hit.Fact)}
				list, err := facts.Load(ctx, keys)
				for _, f := range list[:min(room, len(list))] {
					held.facts[f.Key()], had[f.Key()] = f, true
				}
				return held, err
			},
		}
		var err error
		if s.plan, err = s.draw(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		defer s.plan.abandon()
		walked := len(s.plan.order) - s.plan.next
		for now := (&stretch{to: progress{next: s.plan.next, cursor: s.plan.cursor}}); ; {
			if s.readAhead(t.Context(), now, with); s.ahead == nil {
				break
			}
			if now = s.ahead; !now.ready(with) {
				t.Fatal(now.err)
			}
			want, _ := facts.Load(t.Context(), now.keys)
			got, err := s.plan.supply.loader(s.beside.load)(t.Context(), now.keys)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Fatalf("%v (-want +got):\n%s", err, diff)
			}
			for _, key := range now.keys {
				if asked[key]++; asked[key] > 1 {
					t.Fatalf("%s was walked twice", key)
				}
			}
		}
		if most, n := s.plan.behind(), readings.Load(); len(asked) != walked || n > 1 || (n == 1) != (most > s.cfg.WalkRows) && walked > 0 {
			t.Fatalf("%d facts were walked, want %d; %d lay behind the cursor and were read %d times", len(asked), walked, most, n)
		}
	})
}

// All facts are read while a plan of them is drawn, unless one step walks them; who gives the
// plan up ends it, and what breaks is told of.
func TestStep_drawsWhileAllIsRead(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
	var log bytes.Buffer
	draw := func(walked int, read func(ctx context.Context) (Stock, error)) *plan {
		cfg := Config{WalkRows: walked, Log: slog.New(slog.NewTextHandler(&log, nil))}
		s := &step{tx: shelfTx{facts: facts}, cfg: cfg.withDefaults()}
		s.beside.stock = func(ctx context.Context, keys []uuid.UUID, _ func(uuid.UUID) int32) (Stock, error) {
			if len(keys) != 2 {
				t.Errorf("%d facts were asked for", len(keys))
			}
			return read(ctx)
		}
		p, err := s.draw(t.Context(), Version{Number: 2, Policy: &rules})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	waiting := func(ctx context.Context) (Stock, error) { <-ctx.Done(); return nil, ctx.Err() }
	if draw(2, waiting).supply != nil {
		t.Error("what one step walks is read at once")
	}
	p := draw(1, waiting)
	p.abandon()
	if <-p.supply.done; p.supply.facts != nil || log.Len() > 0 {
		t.Errorf("read in spite of being given up, or told of it: %s", &log)
	}
	p = draw(1, func(context.Context) (Stock, error) { panic("broken") })
	if <-p.supply.done; p.supply.facts != nil || strings.Count(log.String(), "broken") != 1 {
		t.Errorf("what broke is told of as %s", &log)
	}
	list, err := p.supply.loader(facts.Load)(t.Context(), keysOf(facts))
	if diff := cmp.Diff([]hit.Fact(facts), list); diff != "" || err != nil {
		t.Errorf("by their keys: %v (-want +got):\n%s", err, diff)
	}
}

// What was read for a plan is given back once: when the plan is given up, when all of it has
// been walked, and when the process ends; also what is still being read then, and what came
// before reading failed.
func TestStep_givesItsStockBack(t *testing.T) {
	t.Parallel()
	rules := policy.Default()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
	for name, c := range map[string]struct {
		fails error
		late  bool // reading ends after
		end   func(s *step, stop context.CancelFunc)
	}{
		"given up":            {nil, false, func(s *step, _ context.CancelFunc) { s.plan.abandon(); s.plan.abandon() }},
		"given up while read": {nil, true, func(s *step, _ context.CancelFunc) { s.plan.abandon() }},
		"read in part":        {errors.New("away"), false, func(s *step, _ context.CancelFunc) { s.plan.abandon() }},
		"the process ends":    {nil, false, func(_ *step, stop context.CancelFunc) { stop() }},
		"another in its place": {nil, false, func(s *step, _ context.CancelFunc) {
			d := New(nil, Config{})
			d.keep(uuid.Nil, s.plan)
			d.keep(uuid.Nil, &plan{})
		}},
		"all was walked": {nil, false, func(s *step, _ context.CancelFunc) {
			if s.walked = (progress{next: len(s.plan.order)}); s.after().supply != nil {
				t.Error("the plan keeps it")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			held, read := shelfStock{closed: make(chan struct{})}, make(chan struct{})
			s := &step{tx: shelfTx{facts: facts}, cfg: Config{WalkRows: 1, Log: slog.New(slog.DiscardHandler)}.withDefaults()}
			s.beside.stock = func(context.Context, []uuid.UUID, func(uuid.UUID) int32) (Stock, error) { <-read; return held, c.fails }
			var err error
			if s.plan, err = s.draw(ctx, Version{Number: 2, Policy: &rules}); err != nil {
				t.Fatal(err)
			}
			if u := s.plan.supply; !c.late {
				close(read)
				if <-u.done; u.facts == nil {
					t.Error("what had come is not used")
				}
			}
			select {
			case <-held.closed:
				t.Fatal("given back at once")
			default:
			}
			if c.end(s, stop); c.late {
				close(read)
			}
			<-held.closed
		})
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
		s.beside.stock = func(ctx context.Context, _ []uuid.UUID, _ func(uuid.UUID) int32) (Stock, error) {
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

func (b begun) Stock(ctx context.Context, _ uuid.UUID, _ []uuid.UUID, _ func(uuid.UUID) int32) (Stock, error) {
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
	if _, err := d.pass(t.Context(), uuid.New(), tx, time.Now()); err != nil {
		t.Fatal(err)
	}
	<-store.ended
}

// A supply has a place among what is read ahead, or is ended.
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

// While other builds have all places, facts are not read together, which is told of once; when
// a place is free they are.
func TestStep_stocksUpWhenThereIsAPlace(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	rules := policy.Default()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "c", Page: &hit.Page{}}}
	d := New(nil, Config{Parallel: 1, WalkRows: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
	other, own := uuid.New(), uuid.New()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	d.keep(other, &plan{supply: &supply{stop: stop}})
	begun := make(chan struct{}, 9)
	var s *step
	next := func() {
		cfg, known, crowded := d.plan(own)
		s = &step{tx: shelfTx{facts: facts}, cfg: cfg, workspace: own, plan: known, crowded: crowded, concluded: make(map[int32]bool)}
		s.beside = reader{load: facts.Load, stock: func(ctx context.Context, _ []uuid.UUID, _ func(uuid.UUID) int32) (Stock, error) {
			begun <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}}
	}
	next()
	v := Version{Number: 2, Policy: &rules}
	var err error
	if s.plan, err = s.draw(t.Context(), v); err != nil {
		t.Fatal(err)
	}
	read := func() {
		s.readAhead(t.Context(), &stretch{to: progress{next: s.plan.next, cursor: s.plan.cursor}}, basis{version: v, currency: "NOK", parts: 1})
		s.plan.ahead = s.ahead
		d.keep(own, s.plan)
	}
	read()
	for range 2 {
		next()
		read()
	}
	if s.plan.supply != nil || len(begun) > 0 || strings.Count(log.String(), "one by one") != 1 {
		t.Errorf("without a place %d were begun, told: %s", len(begun), &log)
	}
	d.keep(other, nil)
	for range 2 {
		next()
		read()
	}
	if <-begun; s.plan.supply == nil || len(begun) > 0 || ctx.Err() == nil {
		t.Errorf("where there is a place %d more were begun", len(begun))
	}
	d.keep(own, nil)
}

// What is gone is told of those that were asked for.
func TestSupply_tellsWhatIsGone(t *testing.T) {
	t.Parallel()
	facts := shelf{{Kind: hit.KindPage, ID: "a", Page: &hit.Page{}}, {Kind: hit.KindPage, ID: "b", Page: &hit.Page{}}}
	keys := keysOf(facts)
	u := supplied(t.Context(), nil, func(context.Context) (Stock, error) {
		return shelfStock{facts: map[uuid.UUID]hit.Fact{keys[0]: facts[0]}}, nil
	})
	if _, err := u.loader(facts.Load)(t.Context(), append(keys, uuid.New(), uuid.New())); err == nil || err.Error() != "2 of 3 facts are gone" {
		t.Errorf("gone: %v", err)
	}
}
