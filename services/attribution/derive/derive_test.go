package derive

import (
	"context"
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

// What is told of a workspace while it is derived is looked for once, when that has ended.
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
	if store.looks != 2 {
		t.Errorf("looked %d times for what is touched, want twice", store.looks)
	}
}
