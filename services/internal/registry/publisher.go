package registry

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

//go:embed change.lua
var changeSource string

// versionField changes with every change of the hash. It is random, not a count: a
// count starts again after Redis lost its data and may then meet an old value.
const versionField = "version"

func registryKey(prefix string) string { return "{" + prefix + "}:registry" }

const sourcePrefix = "source:"

func sourceField(id uuid.UUID) string { return sourcePrefix + id.String() }

func keyField(writeKey string) string {
	if writeKey == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(writeKey))
	return "key:" + hex.EncodeToString(sum[:])
}

// Publisher writes the registry. It is safe for concurrent use; of two concurrent
// changes of one source either may win.
type Publisher struct {
	client redis.UniversalClient
	key    string
	seal   sealer
	change *redis.Script
}

// NewPublisher returns a publisher under a key prefix, usually "touchline". The key
// has [KeySize] bytes; with another one every call fails.
func NewPublisher(client redis.UniversalClient, prefix string, key []byte) *Publisher {
	return &Publisher{
		client: client, key: registryKey(prefix), seal: newSealer(key), change: redis.NewScript(changeSource),
	}
}

// Put adds or replaces one source. A former write key of it stops working. Without a
// registry in Redis it returns [ErrUnpublished].
func (p *Publisher) Put(ctx context.Context, s Source) error {
	name := sourceField(s.ID)
	sealed, err := p.seal.seal(name, s)
	if err != nil {
		return fmt.Errorf("publish source %s: %w", s.ID, err)
	}
	if err := p.apply(ctx, s.ID, sealed, keyField(s.WriteKey)); err != nil {
		return fmt.Errorf("publish source %s: %w", s.ID, err)
	}
	return nil
}

// Delete removes one source; one that is not there is no error. Without a registry
// in Redis it returns [ErrUnpublished].
func (p *Publisher) Delete(ctx context.Context, id uuid.UUID) error {
	if err := p.apply(ctx, id, nil, ""); err != nil {
		return fmt.Errorf("withdraw source %s: %w", id, err)
	}
	return nil
}

// Replace makes sources the whole registry, in one step. The attribution service
// calls it at every start, so that a Redis that lost its data is filled again.
func (p *Publisher) Replace(ctx context.Context, sources []Source) error {
	all := map[string]any{versionField: uuid.NewString()}
	for _, s := range sources {
		name := sourceField(s.ID)
		sealed, err := p.seal.seal(name, s)
		if err != nil {
			return fmt.Errorf("publish source %s: %w", s.ID, err)
		}
		all[name] = sealed
		if s.WriteKey != "" {
			all[keyField(s.WriteKey)] = s.ID.String()
		}
	}
	_, err := p.client.TxPipelined(ctx, func(tx redis.Pipeliner) error {
		tx.Del(ctx, p.key)
		tx.HSet(ctx, p.key, all)
		return nil
	})
	if err != nil {
		return fmt.Errorf("publish %d sources: %w", len(sources), err)
	}
	return nil
}

// Published reports whether Redis holds a registry, even an empty one. When it does
// not, its data was lost, and [Publisher.Replace] is due.
func (p *Publisher) Published(ctx context.Context) (bool, error) {
	found, err := p.client.HExists(ctx, p.key, versionField).Result()
	if err != nil {
		return false, fmt.Errorf("look for the registry: %w", err)
	}
	return found, nil
}

// apply changes one source; nothing sealed deletes it.
func (p *Publisher) apply(ctx context.Context, id uuid.UUID, sealed []byte, key string) error {
	former, err := p.formerKey(ctx, id)
	if err != nil {
		return err
	}
	done, err := p.change.Run(ctx, p.client, []string{p.key},
		uuid.NewString(), former, sourceField(id), sealed, key, id.String()).Int()
	if err != nil {
		return err
	}
	if done == 0 {
		return ErrUnpublished
	}
	return nil
}

// formerKey is the key field of the source as published. One that cannot be opened
// leaves its field behind: no directory follows a key to a source that has another.
func (p *Publisher) formerKey(ctx context.Context, id uuid.UUID) (string, error) {
	name := sourceField(id)
	sealed, err := p.client.HGet(ctx, p.key, name).Bytes()
	if errors.Is(err, redis.Nil) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the former one: %w", err)
	}
	var former Source
	if p.seal.open(name, sealed, &former) == nil {
		return keyField(former.WriteKey), nil
	}
	return "", nil
}
