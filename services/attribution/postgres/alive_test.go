package postgres

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/sql"
	"github.com/touchline/touchline/sql/sqltest"
)

func TestKeepAlive(t *testing.T) {
	t.Parallel()
	schema := sqltest.NewSchema(t, sql.Newest)
	pools := make([]*Pool, 2) // two processes
	for i := range pools {
		var err error
		if pools[i], err = Open(t.Context(), schema.URL, RoleWorker); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pools[i].Close)
	}
	living, unborn := uuid.New(), uuid.New()
	life, die := context.WithCancel(t.Context())
	held, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		pools[0].KeepAlive(life, living, func() { close(held) })
	}()
	<-held

	for range 2 { // asking changes nothing
		dead, err := pools[1].Dead(t.Context(), []uuid.UUID{living, unborn})
		if err != nil || !slices.Equal(dead, []uuid.UUID{unborn}) {
			t.Fatalf("dead: %v, %v, want only %v", dead, err, unborn)
		}
	}
	die()
	<-ended
	for deadline := time.Now().Add(30 * time.Second); ; {
		dead, err := pools[1].Dead(t.Context(), []uuid.UUID{living})
		if err != nil {
			t.Fatal(err)
		}
		if len(dead) == 1 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the consumer that ended still counts as living")
		}
	}
}
