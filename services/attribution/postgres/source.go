package postgres

import (
	"context"
	"fmt"

	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// LockRegistry keeps others from publishing sources to the end of the transaction,
// so that a republishing of all of them never overwrites the newest. Take it before
// reading or writing any source that is then published.
func (t *Tx) LockRegistry(ctx context.Context) error {
	if err := t.LockWait(ctx, lockKey("registry", nil)); err != nil {
		return fmt.Errorf("lock the source registry: %w", err)
	}
	return nil
}

// SourcesPublish hands every source of every workspace to publish, while no other
// process can change one. For [RoleWorker].
func (p *Pool) SourcesPublish(ctx context.Context, publish func(context.Context, []dbsqlc.SourceListAllRow) error) error {
	err := p.InTx(ctx, ReadCommitted, func(ctx context.Context, tx *Tx) error {
		if err := tx.LockRegistry(ctx); err != nil {
			return err
		}
		sources, err := tx.SourceListAll(ctx)
		if err != nil {
			return err
		}
		return publish(ctx, sources)
	})
	if err != nil {
		return fmt.Errorf("publish sources: %w", err)
	}
	return nil
}
