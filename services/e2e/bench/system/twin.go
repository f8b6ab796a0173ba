package system

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Twin is an empty database with the schema of a system, on the same server.
type Twin struct {
	Conn *pgx.Conn
	of   *System
	url  string
}

// Twin makes one.
func (s *System) Twin(ctx context.Context) (*Twin, error) {
	made, err := CreateDatabase(ctx, s.admin, s.DatabaseURL)
	if err != nil {
		return nil, err
	}
	t := &Twin{of: s, url: made}
	there := *s
	there.env = append(append([]string{}, s.env...), "DATABASE_URL="+made) // the last of a name counts
	if err := there.migrate(ctx); err != nil {
		t.Close()
		return nil, err
	}
	if t.Conn, err = pgx.Connect(ctx, made); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close removes it.
func (t *Twin) Close() {
	ctx := context.Background()
	if t.Conn != nil {
		_ = t.Conn.Close(ctx)
	}
	_ = DropDatabase(ctx, t.of.admin, t.url) // what is left is in a throwaway server
}

// PolicyLive waits until no version of the policy is being built any more.
func (s *System) PolicyLive(ctx context.Context) error {
	return s.until(ctx, func() (bool, error) {
		building, err := s.Count(ctx, "select count(*) from policy where state = 'building'")
		return building == 0, err
	})
}
