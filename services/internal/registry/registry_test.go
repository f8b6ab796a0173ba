package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/redistest"
)

func testKey(fill byte) []byte { return bytes.Repeat([]byte{fill}, KeySize) }

// house is a registry with both sides.
type house struct {
	client    redis.UniversalClient
	prefix    string
	publisher *Publisher
	path      string
}

func (h house) directory() *Directory {
	d := NewDirectory(h.client, h.prefix, testKey(1), h.path)
	d.patience = time.Minute
	return d
}

// eachServer runs a test over miniredis, and over a real Redis when there is one.
func eachServer(t *testing.T, test func(t *testing.T, h house)) {
	t.Helper()
	run := func(t *testing.T, client redis.UniversalClient, prefix string) {
		test(t, house{
			client: client, prefix: prefix, publisher: NewPublisher(client, prefix, testKey(1)),
			path: filepath.Join(t.TempDir(), "sources"),
		})
	}
	t.Run("miniredis", func(t *testing.T) {
		t.Parallel()
		client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr(), MaxRetries: -1})
		t.Cleanup(func() { _ = client.Close() })
		run(t, client, "touchline")
	})
	t.Run("redis", func(t *testing.T) {
		t.Parallel()
		client, prefix := redistest.New(t)
		run(t, client, prefix)
	})
}

// away is a client of a Redis that is not there.
func away(t *testing.T) redis.UniversalClient {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:1", MaxRetries: -1, DialerRetries: 1})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newSource(kind string) Source {
	return Source{
		ID: uuid.New(), Workspace: uuid.New(), Kind: kind, Name: "Shop", WriteKey: uuid.NewString(), Country: "DE",
		Config: SourceConfig{AppSecret: "hush", AppSecrets: []string{"old hush"}, VerifyToken: "v", Secret: "s"},
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// checkFound looks a source up both ways.
func checkFound(t *testing.T, d *Directory, want Source) {
	t.Helper()
	byKey, err := d.ByKey(t.Context(), want.WriteKey)
	if err != nil {
		t.Errorf("by key: %v", err)
	}
	byID, err := d.ByID(t.Context(), want.ID)
	if err != nil {
		t.Errorf("by id: %v", err)
	}
	if diff := cmp.Diff([]Source{want, want}, []Source{byKey, byID}); diff != "" {
		t.Errorf("found (-want +got):\n%s", diff)
	}
}

// checkMissing looks a source up both ways and expects an error.
func checkMissing(t *testing.T, d *Directory, s Source, want error) {
	t.Helper()
	if _, err := d.ByKey(t.Context(), s.WriteKey); !errors.Is(err, want) {
		t.Errorf("by key: %v, want %v", err, want)
	}
	if _, err := d.ByID(t.Context(), s.ID); !errors.Is(err, want) {
		t.Errorf("by id: %v, want %v", err, want)
	}
}

func TestDirectory_FindsNewSourcesAtOnce(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		first, second := newSource(KindPixel), newSource(KindServer)
		must(t, h.publisher.Replace(t.Context(), []Source{first}))
		d := h.directory()
		must(t, d.Load(t.Context()))
		checkFound(t, d, first)
		must(t, h.publisher.Put(t.Context(), second))
		checkFound(t, d, second)
		checkMissing(t, d, newSource(KindPixel), ErrUnknown)
	})
}

func TestDirectory_FollowsChanges(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		changed, deleted, disabled := newSource(KindPixel), newSource(KindServer), newSource(KindWhatsApp)
		must(t, h.publisher.Replace(t.Context(), []Source{changed, deleted, disabled}))
		d := h.directory()
		must(t, d.Load(t.Context()))
		for _, s := range []Source{changed, deleted, disabled} {
			checkFound(t, d, s)
		}
		former := changed.WriteKey
		changed.WriteKey, disabled.Disabled = uuid.NewString(), true
		must(t, h.publisher.Put(t.Context(), changed))
		must(t, h.publisher.Put(t.Context(), disabled))
		must(t, h.publisher.Delete(t.Context(), deleted.ID))
		must(t, h.publisher.Delete(t.Context(), uuid.New()))

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- d.Run(ctx) }()
		eventually(t, "the poll sees the deletion", func() bool {
			_, err := d.ByID(t.Context(), deleted.ID)
			return errors.Is(err, ErrUnknown)
		})
		checkFound(t, d, changed)
		checkMissing(t, d, deleted, ErrUnknown)
		checkMissing(t, d, disabled, ErrUnknown)
		if _, err := d.ByKey(t.Context(), former); !errors.Is(err, ErrUnknown) {
			t.Errorf("the former key: %v, want ErrUnknown", err)
		}
		fields, err := h.client.HKeys(t.Context(), registryKey(h.prefix)).Result()
		if want := 5; err != nil || len(fields) != want { // version, two sources with a key each
			t.Errorf("fields %v, %v, want %d", fields, err, want)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("run: %v", err)
		}
	})
}

func TestDirectory_StartsFromTheFileWithoutRedis(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		s := newSource(KindWebhook)
		must(t, h.publisher.Replace(t.Context(), []Source{s}))
		must(t, h.directory().Load(t.Context()))

		content, err := os.ReadFile(h.path)
		must(t, err)
		for _, secret := range []string{s.WriteKey, "hush", s.Name, s.ID.String()} {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("the file shows %q", secret)
			}
		}
		if info, err := os.Stat(h.path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("file mode %v, %v, want 0600", info.Mode(), err)
		}

		h.client = away(t)
		d := h.directory()
		must(t, d.Load(t.Context()))
		checkFound(t, d, s)
		checkMissing(t, d, newSource(KindPixel), ErrUnavailable)

		other := NewDirectory(h.client, h.prefix, testKey(2), h.path)
		other.patience = time.Minute
		if err := other.Load(t.Context()); err == nil {
			t.Error("a file sealed with another key was loaded")
		}
		must(t, os.WriteFile(h.path, content[:len(content)-1], 0o600))
		if err := h.directory().Load(t.Context()); err == nil {
			t.Error("a torn file was loaded")
		}
	})
}

// A source that is found between two polls is in the file when the process ends.
func TestDirectory_SavesWhatItFound(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		must(t, h.publisher.Replace(t.Context(), []Source{newSource(KindPixel)}))
		d := h.directory()
		must(t, d.Load(t.Context()))
		s := newSource(KindServer)
		must(t, h.publisher.Put(t.Context(), s))
		checkFound(t, d, s)
		over, end := context.WithCancel(t.Context())
		end()
		must(t, d.Run(over))

		h.client = away(t)
		later := h.directory()
		must(t, later.Load(t.Context()))
		checkFound(t, later, s)
	})
}

func TestDirectory_WithNothing(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"", filepath.Join(t.TempDir(), "none")} {
		d := NewDirectory(away(t), "touchline", testKey(1), path)
		if err := d.Load(t.Context()); err == nil || d.Loaded() {
			t.Errorf("load without Redis and file: %v", err)
		}
		checkMissing(t, d, newSource(KindPixel), ErrUnavailable)
		if _, err := d.ByKey(t.Context(), ""); !errors.Is(err, ErrUnknown) {
			t.Errorf("no key: %v, want ErrUnknown", err)
		}
	}
}

func TestDirectory_KeepsSourcesWhenRedisIsEmptied(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		s := newSource(KindServer)
		must(t, h.publisher.Replace(t.Context(), []Source{s}))
		d := h.directory()
		must(t, d.Load(t.Context()))
		must(t, h.client.Del(t.Context(), registryKey(h.prefix)).Err())
		checkMissing(t, d, newSource(KindPixel), ErrUnavailable)
		checkFound(t, d, s)

		if err := h.publisher.Put(t.Context(), newSource(KindPixel)); !errors.Is(err, ErrUnpublished) {
			t.Errorf("put into an emptied Redis: %v, want ErrUnpublished", err)
		}
		if published, err := h.publisher.Published(t.Context()); err != nil || published {
			t.Errorf("published %t, %v, want false", published, err)
		}
		again := newSource(KindPixel)
		must(t, h.publisher.Replace(t.Context(), []Source{again}))
		checkFound(t, d, again)
		checkMissing(t, d, s, ErrUnknown)
	})
}

func TestDirectory_RefusesNothingForGoodWhenItCannotOpenAll(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		s := newSource(KindServer)
		must(t, NewPublisher(h.client, h.prefix, testKey(9)).Replace(t.Context(), []Source{s}))
		d := h.directory()
		must(t, d.Load(t.Context()))
		checkMissing(t, d, s, ErrUnavailable)
		mine := newSource(KindServer)
		must(t, h.publisher.Put(t.Context(), mine))
		checkFound(t, d, mine)
	})
}

func TestDirectory_SealedValuesCannotBeSwapped(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		strong, weak := newSource(KindServer), newSource(KindPixel)
		must(t, h.publisher.Replace(t.Context(), []Source{strong, weak}))
		key := registryKey(h.prefix)
		value := h.client.HGet(t.Context(), key, sourceField(strong.ID)).Val()
		if strings.Contains(value, strong.WriteKey) || strings.Contains(value, "hush") {
			t.Error("Redis shows secrets")
		}
		// Whoever can write to Redis, but has no key, tries to make one source of another,
		// and a key of his own lead to a source.
		must(t, h.client.HSet(t.Context(), key, sourceField(weak.ID), value).Err())
		must(t, h.client.HSet(t.Context(), key, keyField("mine"), strong.ID.String()).Err())
		d := h.directory()
		must(t, d.Load(t.Context()))
		if _, err := d.ByID(t.Context(), weak.ID); err == nil {
			t.Error("a value was taken under another name")
		}
		if _, err := d.ByKey(t.Context(), "mine"); err == nil {
			t.Error("a foreign key led to a source")
		}
	})
}

func TestDirectory_FloodOfUnknownKeysAsksRarely(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		must(t, h.publisher.Replace(t.Context(), nil))
		count := &counter{}
		h.client.AddHook(count)
		d := h.directory()
		must(t, d.Load(t.Context()))
		count.reset()
		const callers, each = 50, 40
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() {
				for j := range each {
					// Half of them ask for the same keys again and again.
					key := strconv.Itoa(j % 2)
					if i%2 == 0 {
						key = uuid.NewString()
					}
					if _, err := d.ByKey(context.Background(), key); !errors.Is(err, ErrUnknown) {
						t.Errorf("unknown key: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if n := count.get(); n == 0 || n > callers*each/4 {
			t.Errorf("%d commands for %d lookups", n, callers*each)
		}
	})
}

func TestDirectory_RemembersABoundedNumberOfUnknownKeys(t *testing.T) {
	t.Parallel()
	s := newSnapshot(newSealer(testKey(1)), nil, nil)
	now := time.Unix(1_000_000, 0)
	for i := range 3 * rememberMost {
		s.remember(sha256.Sum256([]byte(strconv.Itoa(i))), now)
		if len(s.unknown) > rememberMost {
			t.Fatalf("%d names remembered", len(s.unknown))
		}
	}
	last := sha256.Sum256([]byte(strconv.Itoa(3*rememberMost - 1)))
	if !s.isUnknown(last, now) || s.isUnknown(last, now.Add(rememberFor)) {
		t.Error("a name is not remembered for its time")
	}
}

func TestDirectory_WrongKeySize(t *testing.T) {
	t.Parallel()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	p := NewPublisher(client, "touchline", []byte("short"))
	if err := p.Replace(t.Context(), []Source{newSource(KindPixel)}); err == nil {
		t.Error("a publisher took a key of 5 bytes")
	}
	if err := p.Put(t.Context(), newSource(KindPixel)); err == nil {
		t.Error("a publisher took a key of 5 bytes")
	}
	d := NewDirectory(client, "touchline", nil, "")
	if err := d.Load(t.Context()); err == nil {
		t.Error("a directory took a key of 0 bytes")
	}
	checkMissing(t, d, newSource(KindPixel), ErrUnavailable)
}

func TestDirectory_CallerGivesUp(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, h house) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := h.directory().ByKey(ctx, "key"); !errors.Is(err, ErrUnavailable) {
			t.Errorf("error %v, want ErrUnavailable", err)
		}
	})
}

func TestSource_Trust(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]hit.Trust{
		KindPixel: hit.TrustBrowser, KindServer: hit.TrustServer, KindWebhook: hit.TrustWebhook,
		KindWhatsApp: hit.TrustWebhook, "": hit.TrustBrowser,
	} {
		if got := (Source{Kind: kind}).Trust(); got != want {
			t.Errorf("kind %q has trust %d, want %d", kind, got, want)
		}
	}
}

func BenchmarkByKey(b *testing.B) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(b).Addr()})
	defer client.Close()
	s := newSource(KindPixel)
	if err := NewPublisher(client, "t", testKey(1)).Replace(b.Context(), []Source{s}); err != nil {
		b.Fatal(err)
	}
	d := NewDirectory(client, "t", testKey(1), "")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.ByKey(b.Context(), s.WriteKey); err != nil {
			b.Fatal(err)
		}
	}
}

// One new source among thousands: what a new workspace costs every edge.
func BenchmarkNewSnapshot(b *testing.B) {
	seal, sealed := newSealer(testKey(1)), map[string]string{versionField: "1"}
	add := func() {
		s := newSource(KindServer)
		value, err := seal.seal(sourceField(s.ID), s)
		if err != nil {
			b.Fatal(err)
		}
		sealed[sourceField(s.ID)], sealed[keyField(s.WriteKey)] = string(value), s.ID.String()
	}
	for range 5000 {
		add()
	}
	earlier := newSnapshot(seal, maps.Clone(sealed), nil)
	add()
	for _, from := range []*snapshot{nil, earlier} {
		b.Run(fmt.Sprintf("earlier=%t", from != nil), func(b *testing.B) {
			for b.Loop() {
				newSnapshot(seal, sealed, from)
			}
		})
	}
}
