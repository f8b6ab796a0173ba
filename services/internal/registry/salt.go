package registry

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// How long a salt lives in Redis, and how the edges keep up with it.
const (
	saltLife   = 48 * time.Hour // made an hour before its day, it outlasts every clock's idea of that day
	saltAhead  = time.Hour      // the next day's is there before it begins
	saltRepeat = time.Minute    // how often one that is shared is offered again: Redis may have lost it
	saltBytes  = 32
)

// Salts keeps the secret of each UTC day, by which visitors without a cookie are told
// apart for that day. It is random, the same for all edges of one Redis, and gone two
// days later, so that nobody can find out afterwards who a device was, nor that two
// devices of two days are one.
//
// What Redis holds is only half of it: the other half is derived from the registry key,
// so that who reads Redis or its files can't try addresses against devices.
//
// While Redis is away each edge makes a salt of its own. A visitor is then one device
// for each edge that answers them; the first salt that reaches Redis is everybody's from
// there on. With one edge, nothing is different.
type Salts struct {
	client redis.UniversalClient
	prefix string
	key    []byte
	log    *slog.Logger

	patience time.Duration // with Redis; tests lengthen it

	mu   sync.RWMutex
	days map[string]*salt // of today, and of tomorrow when it is near
}

// salt is that of one day. It is never changed.
type salt struct {
	half   []byte    // what Redis holds, or is to hold
	secret []byte    // what devices are made with
	asked  time.Time // when Redis agreed to it; zero: it has not
}

// NewSalts returns the salts under a key prefix. The key is that of the registry. Call
// [Salts.Load] once, then [Salts.Run].
func NewSalts(client redis.UniversalClient, prefix string, key []byte) (*Salts, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "touchline daily salt", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of salts: %w", err)
	}
	return &Salts{
		client: client, prefix: prefix, key: derived, log: slog.Default().With("component", "salts"), days: map[string]*salt{}, patience: askTimeout,
	}, nil
}

// Of returns the secret of the UTC day of an instant near now. It never waits: of a day
// that nobody has loaded it makes one, which [Salts.Run] shares.
func (s *Salts) Of(at time.Time) []byte {
	day := dayOf(at)
	s.mu.RLock()
	known := s.days[day]
	s.mu.RUnlock()
	if known != nil {
		return known.secret
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known = s.days[day]; known == nil {
		known = s.newSalt(day, randomHalf())
		s.days[day] = known
	}
	return known.secret
}

// Load shares the salt of the day of now, and of the next when it is near, with the
// other edges. An error means that this process has its own for the time being.
func (s *Salts) Load(ctx context.Context, now time.Time) error {
	limited, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	days := []string{dayOf(now)}
	if next := dayOf(now.Add(saltAhead)); next != days[0] {
		days = append(days, next)
	}
	s.forget(append(days, dayOf(now.Add(-time.Minute)))) // requests of before midnight end after it
	for _, day := range days {
		if err := s.share(limited, day, now); err != nil {
			return err
		}
	}
	return nil
}

// Run keeps up with the days until ctx ends, which is no error.
func (s *Salts) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := s.Load(ctx, time.Now())
		if ctx.Err() != nil {
			return nil
		}
		if (err != nil) != failing {
			failing = err != nil
			s.log.Warn("sharing the salt of the day", "failing", failing, "error", err)
		}
	}
}

// share agrees with the other edges on the salt of a day: that which Redis has, else
// the one that this process has made.
func (s *Salts) share(ctx context.Context, day string, now time.Time) error {
	s.mu.RLock()
	known := s.days[day]
	s.mu.RUnlock()
	if known != nil && !known.asked.IsZero() && now.Sub(known.asked).Abs() < saltRepeat {
		return nil
	}
	half := randomHalf()
	if known != nil {
		half = known.half
	}
	key := saltKey(s.prefix, day)
	if err := s.client.SetNX(ctx, key, half, saltLife).Err(); err != nil {
		return fmt.Errorf("offer the salt of %s: %w", day, err)
	}
	agreed, err := s.client.Get(ctx, key).Bytes()
	if err != nil {
		return fmt.Errorf("read the salt of %s: %w", day, err)
	}
	shared := s.newSalt(day, agreed)
	shared.asked = now
	s.mu.Lock()
	s.days[day] = shared
	s.mu.Unlock()
	return nil
}

// forget drops the salts of all days but some.
func (s *Salts) forget(but []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := make(map[string]*salt, len(but))
	for _, day := range but {
		if known := s.days[day]; known != nil {
			kept[day] = known
		}
	}
	s.days = kept
}

func (s *Salts) newSalt(day string, half []byte) *salt {
	mac := hmac.New(sha256.New, s.key)
	mac.Write([]byte(day))
	mac.Write(half)
	return &salt{half: half, secret: mac.Sum(nil)}
}

// randomHalf returns fresh randomness; crypto/rand ends the program rather than fail.
func randomHalf() []byte {
	half := make([]byte, saltBytes)
	_, _ = rand.Read(half)
	return half
}

func dayOf(at time.Time) string { return at.UTC().Format(time.DateOnly) }

func saltKey(prefix, day string) string { return "{" + prefix + "}:salt:" + day }
