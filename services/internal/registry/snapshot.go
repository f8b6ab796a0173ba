package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

// fileName is what the file is sealed under.
const fileName = "registry file"

// errEmpty says that Redis holds no registry. What is known is kept then: an emptied
// Redis does not mean that all sources were deleted.
var errEmpty = errors.New("redis holds no source registry")

// refresh loads the registry when its version is not the one we have.
func (d *Directory) refresh(ctx context.Context) error {
	if d.seal.err != nil {
		return d.seal.err
	}
	version, err := d.client.HGet(ctx, d.key, versionField).Result()
	if errors.Is(err, redis.Nil) {
		return errEmpty
	}
	if err != nil {
		return fmt.Errorf("read the registry's version: %w", err)
	}
	if version == d.current.Load().version {
		return nil
	}
	sealed, err := d.client.HGetAll(ctx, d.key).Result()
	if err != nil {
		return fmt.Errorf("read the registry: %w", err)
	}
	if sealed[versionField] == "" {
		return errEmpty
	}
	fresh := newSnapshot(d.seal, sealed, d.current.Load())
	if fresh.damaged > 0 {
		d.log.Error("sources cannot be opened: is the registry key the publisher's?", "count", fresh.damaged)
	}
	d.current.Store(fresh)
	d.unsaved.Store(true)
	return nil
}

// save brings the file up to date. It is no part of refresh: who asks for a new source
// need not wait for a disk, and many new ones need no file each.
func (d *Directory) save() {
	if !d.unsaved.Swap(false) {
		return
	}
	if err := d.writeFile(d.current.Load().sealed); err != nil {
		d.unsaved.Store(true)
		d.log.Error("the registry's file is not up to date", "error", err)
	}
}

// newSnapshot opens what Redis holds; what is sealed as in an earlier snapshot (nil:
// there is none) is not opened again, so that one new source among thousands costs
// little. A key leads to a source only if that source still has it.
func newSnapshot(seal sealer, sealed map[string]string, earlier *snapshot) *snapshot {
	s := &snapshot{
		sealed:  sealed,
		version: sealed[versionField],
		byKey:   map[[sha256.Size]byte]*Source{},
		byID:    map[uuid.UUID]*Source{},
		unknown: map[[sha256.Size]byte]time.Time{},
	}
	for name, value := range sealed {
		if !strings.HasPrefix(name, sourcePrefix) {
			continue
		}
		if known := earlier.opened(name, value); known != nil {
			s.byID[known.ID] = known
			continue
		}
		source := new(Source)
		if seal.open(name, []byte(value), source) != nil || sourceField(source.ID) != name {
			s.damaged++
			continue
		}
		s.byID[source.ID] = source
	}
	for name, id := range sealed {
		sum, isKey := keySum(name)
		owner := s.byID[parseID(id)]
		if isKey && owner != nil && keyField(owner.WriteKey) == name {
			s.byKey[sum] = owner
		}
	}
	return s
}

// opened returns the source of a field if it was sealed as value here too.
func (s *snapshot) opened(name, value string) *Source {
	if s == nil || s.sealed[name] != value {
		return nil
	}
	return s.byID[parseID(strings.TrimPrefix(name, sourcePrefix))]
}

// keySum reads the digest in a key field.
func keySum(name string) (sum [sha256.Size]byte, ok bool) {
	text, found := strings.CutPrefix(name, "key:")
	n, err := hex.Decode(sum[:], []byte(text[:min(len(text), 2*len(sum))]))
	return sum, found && err == nil && n == len(sum)
}

// parseID returns the zero id, which no source has, for what is none.
func parseID(text string) uuid.UUID {
	id, err := uuid.Parse(text)
	if err != nil {
		return uuid.UUID{}
	}
	return id
}

// isUnknown tells whether a name was looked for a moment ago, in vain.
func (s *snapshot) isUnknown(name [sha256.Size]byte, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.unknown[name])
}

// remember keeps a name that was looked for in vain. When there are too many all are
// forgotten: it costs one question more.
func (s *snapshot) remember(name [sha256.Size]byte, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.unknown) >= rememberMost {
		clear(s.unknown)
	}
	s.unknown[name] = now.Add(rememberFor)
}

// writeFile replaces the file in one step, so that a crash leaves the old or the new
// one.
func (d *Directory) writeFile(sealed map[string]string) error {
	if d.path == "" {
		return nil
	}
	// JSON would spoil the sealed bytes, which are no text.
	content := make(map[string][]byte, len(sealed))
	for name, value := range sealed {
		content[name] = []byte(value)
	}
	data, err := d.seal.seal(fileName, content)
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(d.path), filepath.Base(d.path)+".*")
	if err != nil {
		return fmt.Errorf("create the registry's file: %w", err)
	}
	defer os.Remove(file.Name()) // fails when it was renamed, as it should be
	_, err = file.Write(data)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), d.path)
	}
	if err != nil {
		return fmt.Errorf("write the registry's file: %w", err)
	}
	return nil
}

func (d *Directory) readFile() (map[string]string, error) {
	if d.path == "" {
		return nil, errors.New("no registry file is configured")
	}
	data, err := os.ReadFile(d.path)
	if err != nil {
		return nil, fmt.Errorf("read the registry's file: %w", err)
	}
	var content map[string][]byte
	if err := d.seal.open(fileName, data, &content); err != nil {
		return nil, err
	}
	sealed := make(map[string]string, len(content))
	for name, value := range content {
		sealed[name] = string(value)
	}
	return sealed, nil
}
