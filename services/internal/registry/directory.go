package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// How a directory keeps up with Redis. All were guessed: a poll is one HGET.
const (
	pollEvery    = time.Second
	askTimeout   = 2 * time.Second
	rememberFor  = time.Second // how long an unknown key is believed to be unknown
	rememberMost = 10_000      // unknown keys remembered at a time
)

// Directory finds sources. Lookups of known sources take no lock and no round trip.
// Looking for an unknown one asks Redis whether the registry has changed, at most one
// such question at a time whatever the number of callers, so that neither a new
// source has to wait for the next poll nor a flood of wrong keys reaches Redis.
type Directory struct {
	client redis.UniversalClient
	key    string
	seal   sealer
	path   string
	log    *slog.Logger

	patience time.Duration // with Redis, for one question; tests lengthen it

	current atomic.Pointer[snapshot]
	unsaved atomic.Bool // the file is older than current

	mu   sync.Mutex
	next *question // that no one has begun to ask
	busy bool      // one is being asked
}

// snapshot is the registry at one version. It is never changed, except for unknown.
type snapshot struct {
	version string
	sealed  map[string]string // as Redis or the file had it
	byKey   map[[sha256.Size]byte]*Source
	byID    map[uuid.UUID]*Source
	damaged int // sources that could not be opened

	mu      sync.Mutex
	unknown map[[sha256.Size]byte]time.Time // until when
}

// question is one refresh that several callers wait for.
type question struct {
	done chan struct{}
	err  error // set before done is closed
}

// NewDirectory returns a directory without sources: call [Directory.Load] once, then
// [Directory.Run]. The path is of the file that it keeps for starts without Redis;
// an empty one means none. The key has [KeySize] bytes; with another one it finds
// nothing and says [ErrUnavailable].
func NewDirectory(client redis.UniversalClient, prefix string, key []byte, snapshotPath string) *Directory {
	d := &Directory{
		client: client, key: registryKey(prefix), seal: newSealer(key), path: snapshotPath,
		log: slog.Default().With("component", "registry"), patience: askTimeout,
	}
	d.current.Store(newSnapshot(d.seal, nil, nil))
	return d
}

// Load fills the directory from Redis, or from the file when Redis is away or empty. An
// error means that it has no sources yet; [Directory.Run] goes on trying.
func (d *Directory) Load(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, d.patience)
	defer cancel()
	err := d.refresh(limited)
	if err == nil {
		d.save()
		return nil
	}
	sealed, fileErr := d.readFile()
	if fileErr != nil {
		return errors.Join(err, fileErr)
	}
	d.current.Store(newSnapshot(d.seal, sealed, nil))
	d.log.Warn("started from the registry's file", "sources", d.Len(), "error", err)
	return nil
}

// Run follows the registry until ctx ends, which is no error. The file follows within
// a second, and at the end.
func (d *Directory) Run(ctx context.Context) error {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	defer d.save()
	failing := false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := d.ask(ctx)
		d.save()
		if ctx.Err() != nil {
			return nil
		}
		if (err != nil) != failing {
			failing = err != nil
			d.log.Warn("following the registry", "failing", failing, "error", err)
		}
	}
}

// Len returns the number of sources known, disabled ones included.
func (d *Directory) Len() int { return len(d.current.Load().byID) }

// Loaded reports whether any registry, even an empty one, has been loaded.
func (d *Directory) Loaded() bool { return d.current.Load().version != "" }

// ByKey finds the source with a write key. It returns [ErrUnknown] or
// [ErrUnavailable] when there is none.
func (d *Directory) ByKey(ctx context.Context, writeKey string) (Source, error) {
	if writeKey == "" {
		return Source{}, ErrUnknown
	}
	sum := sha256.Sum256([]byte(writeKey))
	return d.find(ctx, sum, func(s *snapshot) *Source { return s.byKey[sum] })
}

// ByID finds a source by its id. It returns [ErrUnknown] or [ErrUnavailable] when
// there is none.
func (d *Directory) ByID(ctx context.Context, id uuid.UUID) (Source, error) {
	sum := sha256.Sum256(id[:])
	return d.find(ctx, sum, func(s *snapshot) *Source { return s.byID[id] })
}

// find looks into the current snapshot, and once more after asking Redis. The name
// is what an unknown one is remembered by.
func (d *Directory) find(ctx context.Context, name [sha256.Size]byte, in func(*snapshot) *Source) (Source, error) {
	now := d.current.Load()
	if s := in(now); s != nil {
		return known(s)
	}
	if now.isUnknown(name, time.Now()) {
		return Source{}, ErrUnknown
	}
	if err := d.ask(ctx); err != nil {
		return Source{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	now = d.current.Load()
	if s := in(now); s != nil {
		return known(s)
	}
	if now.damaged > 0 {
		// It may be one of those that could not be opened; a refusal would be for good.
		return Source{}, fmt.Errorf("%w: %d sources are %w", ErrUnavailable, now.damaged, errSealed)
	}
	now.remember(name, time.Now())
	return Source{}, ErrUnknown
}

func known(s *Source) (Source, error) {
	if s.Disabled {
		return Source{}, ErrUnknown
	}
	return *s, nil
}

// ask waits for a refresh that began after the call, so that the caller sees every
// change made before it. Callers that come while one is under way share the next.
func (d *Directory) ask(ctx context.Context) error {
	d.mu.Lock()
	q := d.next
	if q == nil {
		q = &question{done: make(chan struct{})}
		d.next = q
	}
	if !d.busy {
		d.busy = true
		go d.answer()
	}
	d.mu.Unlock()
	select {
	case <-q.done:
		return q.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// answer refreshes until nobody waits any more.
func (d *Directory) answer() {
	for {
		d.mu.Lock()
		q := d.next
		d.next = nil
		d.busy = q != nil
		d.mu.Unlock()
		if q == nil {
			return
		}
		// Not a caller's context: one that gives up must not fail the others.
		ctx, cancel := context.WithTimeout(context.Background(), d.patience)
		q.err = d.refresh(ctx)
		cancel()
		close(q.done)
	}
}
