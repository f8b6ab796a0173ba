package derive

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
)

// occupied is a store of one workspace whose derivation lasts until it is released.
type occupied struct {
	Store
	workspace       uuid.UUID
	looks           int
	inside, release chan struct{}
}

func (o *occupied) Workspaces(context.Context) ([]uuid.UUID, error) {
	o.looks++
	return []uuid.UUID{o.workspace}, nil
}

func (o *occupied) Exclusive(context.Context, uuid.UUID, func(Session) error) (bool, error) {
	o.inside <- struct{}{}
	<-o.release
	return true, nil
}

// A workspace of which something is told while it is derived is derived once more when that has
// ended, and nothing is looked for.
func TestDeriver_Wake(t *testing.T) {
	t.Parallel()
	store := &occupied{workspace: uuid.New(), inside: make(chan struct{}), release: make(chan struct{})}
	d := New(store, Config{Poll: time.Hour})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()
	<-store.inside
	for range 100 {
		d.Wake(store.workspace)
	}
	store.release <- struct{}{}
	<-store.inside
	stop()
	store.release <- struct{}{}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if store.looks != 1 {
		t.Errorf("looked %d times for what is touched, want once", store.looks)
	}
}

// turned is a store that knows of no workspace and refuses the first derivations of any.
type turned struct {
	Store
	looks   atomic.Int32
	fault   error // of looking
	refuse  []error
	derived chan error // what each derivation was answered
}

func (r *turned) Workspaces(context.Context) ([]uuid.UUID, error) {
	r.looks.Add(1)
	return nil, r.fault
}

func (r *turned) Exclusive(context.Context, uuid.UUID, func(Session) error) (bool, error) {
	var err error
	if len(r.refuse) > 0 {
		err, r.refuse = r.refuse[0], r.refuse[1:]
	}
	r.derived <- err
	if errors.Is(err, errTaken) {
		return false, nil
	}
	return err == nil, err
}

var errTaken = errors.New("another process has the lock")

// What was told is not forgotten when another process has the workspace just then, when it rests
// after a failure, or when nothing can be looked for.
func TestDeriver_Wake_again(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, store := range map[string]*turned{
		"taken":            {refuse: []error{errTaken, errTaken}},
		"broken":           {refuse: []error{broken}},
		"no look succeeds": {fault: broken},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store.derived = make(chan error)
			d := New(store, Config{Poll: time.Millisecond, Jitter: func(time.Duration) time.Duration { return time.Millisecond }, Log: slog.New(slog.DiscardHandler)})
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error)
			go func() { ended <- d.Run(ctx) }()
			refused := slices.Clone(store.refuse)
			d.Wake(uuid.New())
			for _, want := range append(refused, nil) {
				if got := <-store.derived; !errors.Is(got, want) {
					t.Errorf("got %v, want %v", got, want)
				}
			}
			stop()
			if err := <-ended; err != nil {
				t.Fatal(err)
			}
			if left := d.waiting(); len(left) > 0 {
				t.Errorf("%d workspaces are still to be derived", len(left))
			}
		})
	}
}

// However long looking takes, it is done again soon enough to find a build.
func TestPauseAfter(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ took, want time.Duration }{
		{0, 50 * time.Millisecond}, {2 * time.Millisecond, 50 * time.Millisecond}, {9 * time.Millisecond, 180 * time.Millisecond}, {time.Minute, time.Second},
	} {
		if got := pauseAfter(50*time.Millisecond, c.took); got != c.want {
			t.Errorf("after %v: %v, want %v", c.took, got, c.want)
		}
	}
	if got := pauseAfter(time.Hour, time.Minute); got != time.Hour {
		t.Errorf("another pause than was asked for: %v", got)
	}
}
