package derive

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/internal/hit"
)

// reader reads facts, and what is held of identifiers, beside a transaction.
type reader struct {
	load  loader
	names func(ctx context.Context, v Version, digests, devices []uuid.UUID) (Current, error)
	stock func(ctx context.Context, keys []uuid.UUID, place func(uuid.UUID) int32) (Stock, error)
}

// supply is all facts that a build will come to, read together, as a component's facts lie
// anywhere and reading each by its key took a third of a build's time. It is begun while the
// plan is drawn; what is derived of it is written in later transactions than that.
//
// Facts may be read long before they are derived. That is as good as reading them then, for
// what [plan] says of itself is true of them: who changes a fact leaves a touched row, and the
// process that leads the build concludes from it and notes the component.
type supply struct {
	stop  context.CancelFunc
	done  chan struct{} // closed when it has been read
	facts Stock         // valid after done; nil: there are none
}

// supplied begins to read one. It keeps what it reads until it is abandoned or ctx ends.
func supplied(ctx context.Context, log *slog.Logger, read func(ctx context.Context) (Stock, error)) *supply {
	ctx, stop := context.WithCancel(ctx)
	u := &supply{stop: stop, done: make(chan struct{})}
	go func() {
		defer stop()
		if err := u.fill(ctx, read); err != nil && ctx.Err() == nil {
			log.Warn("facts of a build were not all read together: those that had not come are read one by one", "error", err)
		}
		close(u.done)
		if u.facts != nil {
			<-ctx.Done()
			u.facts.Close()
		}
	}()
	return u
}

// fill reads. It turns a panic into an error: in a goroutine of its own it would end the
// process, and with it the other workspaces.
func (u *supply) fill(ctx context.Context, read func(ctx context.Context) (Stock, error)) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("reading ahead broke: %v\n%s", fault, debug.Stack())
		}
	}()
	u.facts, err = read(ctx)
	return err
}

// abandon ends reading and gives up what was read. It may be nil.
func (u *supply) abandon() {
	if u != nil {
		u.stop()
	}
}

// loader takes facts from the supply, and those that are not there by their keys. The supply
// may be nil. In the background it is waited for however long: it ends with what it was begun
// for, and the build goes on after that ([stretch.settle]).
func (u *supply) loader(load loader) loader {
	if u == nil {
		return load
	}
	return func(ctx context.Context, wanted []uuid.UUID) ([]hit.Fact, error) {
		if <-u.done; u.facts == nil {
			return load(ctx, wanted)
		}
		list := make([]hit.Fact, len(wanted))
		missing, err := u.facts.Take(wanted, list)
		if err != nil || len(missing) == 0 {
			return list, err
		}
		keys := make([]uuid.UUID, len(missing))
		for i, place := range missing {
			keys[i] = wanted[place]
		}
		others, err := load(ctx, keys)
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
}
