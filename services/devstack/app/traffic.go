package app

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/touchline/touchline/services/devstack/demo"
)

// traffic sends visits in real time until ctx ends.
func (r *run) traffic(ctx context.Context) error {
	random := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	var waiting []demo.Hit
	player := r.player()
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if n%3 == 0 { // a visit has about four hits: a few a second in all
				waiting = append(waiting, demo.Visit(random, now, n)...)
			}
			var due []demo.Hit
			due, waiting = split(waiting, now)
			err := player.Play(ctx, due, func(n int) { r.sent.Add(int64(n)) })
			if errors.Is(err, demo.ErrRefused) {
				r.screen.say("No more live traffic: the demo workspace does not take it, so it was probably deleted. The next make run makes a new one.")
				<-ctx.Done()
				return nil
			}
			if err != nil {
				return fmt.Errorf("send live traffic: %w", err)
			}
			r.report(ctx, now, n)
		}
	}
}

// report renews the line of progress each second.
func (r *run) report(ctx context.Context, now time.Time, n int64) {
	if n%2 != 0 {
		return
	}
	b, err := r.admin().books(ctx)
	if err != nil {
		r.screen.progress(now, fmt.Sprintf("live: %d hits sent; the API does not answer", r.sent.Load()))
		return
	}
	r.screen.progress(now, fmt.Sprintf("live: %d hits sent; %s", r.sent.Load(), b))
}

// split parts the hits whose time has come from those that still wait.
func split(hits []demo.Hit, now time.Time) (due, waiting []demo.Hit) {
	for _, h := range hits {
		if h.At.After(now) {
			waiting = append(waiting, h)
		} else {
			due = append(due, h)
		}
	}
	return due, waiting
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
