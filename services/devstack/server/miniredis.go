package server

import (
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// fastForwardEvery is how often miniredis is told that time has passed: by
// itself it never expires a key.
const fastForwardEvery = 100 * time.Millisecond

// startMiniredis serves Redis from this process.
func (s *Stack) startMiniredis(at place) error {
	at.say("Redis: miniredis, inside devstack")
	port, err := at.memory.port(&at.memory.RedisPort)
	if err != nil {
		return err
	}
	address := fmt.Sprintf("127.0.0.1:%d", port)
	m := miniredis.NewMiniRedis()
	m.RequireAuth(at.memory.Password)
	if err := m.StartAddr(address); err != nil {
		return fmt.Errorf("start miniredis: %w", err)
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(fastForwardEvery)
		defer tick.Stop()
		last := time.Now()
		for {
			select {
			case <-done:
				return
			case now := <-tick.C:
				m.FastForward(now.Sub(last))
				last = now
			}
		}
	}()
	s.stops = append(s.stops, func() { close(done); m.Close() })
	s.RedisURL, s.EmbeddedRedis = redisURL(address, at.memory.Password), true
	s.Banner = append(s.Banner,
		"Redis is an imitation inside devstack:",
		"  the queue is in memory only, a crash loses the hits that wait in it;",
		"  figures of queue depth and lag are wrong; it is for trying out, never for production.",
		"  With redis-server on this machine make run uses that (unless TOUCHLINE_DEVSTACK=embedded).")
	return nil
}
