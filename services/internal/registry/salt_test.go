package registry

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func (h house) salts(t *testing.T, key byte) *Salts {
	t.Helper()
	s, err := NewSalts(h.client, h.prefix, testKey(key))
	if err != nil {
		t.Fatal(err)
	}
	s.patience = time.Minute
	return s
}

func (h house) load(t *testing.T, s *Salts, now time.Time) {
	t.Helper()
	if err := s.Load(t.Context(), now); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)

func TestSalts_AreShared(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		one, two := h.salts(t, 1), h.salts(t, 1)
		h.load(t, one, noon)
		h.load(t, two, noon)
		if !bytes.Equal(one.Of(noon), two.Of(noon)) {
			t.Error("two edges have two salts")
		}
		if !bytes.Equal(one.Of(noon), one.Of(noon.Add(-12*time.Hour))) {
			t.Error("a day has two salts")
		}
		if bytes.Equal(one.Of(noon), one.Of(noon.Add(12*time.Hour))) {
			t.Error("two days have one salt")
		}
		left, err := h.client.TTL(t.Context(), saltKey(h.prefix, "2026-09-01")).Result()
		if err != nil || left <= 47*time.Hour || left > 48*time.Hour {
			t.Errorf("it lives for %v, %v", left, err)
		}
	})
}

// What is in Redis is not what devices are made with: that needs the registry key too.
func TestSalts_NeedTheKey(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		one, other := h.salts(t, 1), h.salts(t, 2)
		h.load(t, one, noon)
		h.load(t, other, noon)
		held, err := h.client.Get(t.Context(), saltKey(h.prefix, "2026-09-01")).Bytes()
		if err != nil || len(held) != saltBytes || bytes.Equal(one.Of(noon), held) || bytes.Equal(one.Of(noon), other.Of(noon)) {
			t.Errorf("%d bytes, %v", len(held), err)
		}
	})
}

// The next day's is agreed on before the day begins, so that a Redis that is away at
// midnight splits nobody in two; yesterday's is forgotten.
func TestSalts_Midnight(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		one, two := h.salts(t, 1), h.salts(t, 1)
		late, next := time.Date(2026, 9, 1, 23, 30, 0, 0, time.UTC), time.Date(2026, 9, 2, 0, 30, 0, 0, time.UTC)
		h.load(t, one, late)
		h.load(t, two, late)
		before := one.Of(late)
		if !bytes.Equal(one.Of(next), two.Of(next)) || bytes.Equal(before, one.Of(next)) {
			t.Error("the next day's salt is not agreed on before midnight")
		}
		h.load(t, one, time.Date(2026, 9, 2, 0, 0, 10, 0, time.UTC))
		if !bytes.Equal(one.Of(late), before) {
			t.Error("a request from before midnight has no salt any more")
		}
		h.load(t, one, next)
		if len(one.days) != 1 || one.days["2026-09-02"] == nil {
			t.Errorf("%d days are remembered", len(one.days))
		}
	})
}

// While Redis is away an edge has a salt of its own, which becomes everybody's when it
// is the first to reach Redis.
func TestSalts_WithoutRedis(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		away := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialTimeout: time.Second})
		t.Cleanup(func() { _ = away.Close() })
		one, two := h.salts(t, 1), h.salts(t, 1)
		one.client = away
		if err := one.Load(t.Context(), noon); err == nil || strings.Contains(err.Error(), string(one.Of(noon))) {
			t.Fatalf("loaded from a Redis that is away: %v", err)
		}
		own := one.Of(noon)
		if !bytes.Equal(own, one.Of(noon)) || bytes.Equal(own, two.Of(noon)) {
			t.Error("its own salt changes, or is another's")
		}
		one.client = h.client
		h.load(t, one, noon)
		h.load(t, two, noon)
		if !bytes.Equal(one.Of(noon), own) || !bytes.Equal(two.Of(noon), own) {
			t.Error("the first to come back has not kept its salt")
		}
		// Redis loses it: who has it brings it back, not at once but within a minute.
		key := saltKey(h.prefix, "2026-09-01")
		h.client.Del(t.Context(), key)
		h.load(t, one, noon.Add(saltRepeat-time.Second))
		if err := h.client.Get(t.Context(), key).Err(); !errors.Is(err, redis.Nil) {
			t.Errorf("it is offered at every turn: %v", err)
		}
		h.load(t, one, noon.Add(saltRepeat))
		three := h.salts(t, 1)
		h.load(t, three, noon)
		if !bytes.Equal(three.Of(noon), own) {
			t.Error("a salt that Redis lost was not brought back")
		}
	})
}

func TestSource_DeviceCookie(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source Source
		want   Cookie
	}{
		{Source{Kind: KindPixel}, Cookie{Name: "_tls", Days: 395}},
		{Source{Kind: KindPixel, Config: SourceConfig{Cookie: &Cookie{Name: "id", Days: 7}}}, Cookie{Name: "id", Days: 7}},
		{Source{Kind: KindPixel, Config: SourceConfig{Cookie: &Cookie{Name: "id"}}}, Cookie{Name: "id"}},
		{Source{Kind: KindServer}, Cookie{}},
		{Source{Kind: KindWebhook, Config: SourceConfig{Cookie: &Cookie{Name: "id", Days: 7}}}, Cookie{}},
	} {
		if got := c.source.DeviceCookie(); got != c.want {
			t.Errorf("%+v: %+v", c.source, got)
		}
	}
}
