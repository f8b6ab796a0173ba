package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// What a caller may branch on.
var (
	// ErrNotFound: no row answers.
	ErrNotFound = errors.New("not found")
	// ErrExists: a row of that key is there already.
	ErrExists = errors.New("already there")
	// ErrInUse: something still refers to the row, or it refers to nothing.
	ErrInUse = errors.New("reference violated")
	// ErrUnavailable: the database could not be reached, or refused for now. For a
	// transaction it means that the outcome is not known.
	ErrUnavailable = errors.New("database not available")
	// ErrConflict: a concurrent transaction was in the way, also after the retries.
	ErrConflict = errors.New("concurrent change")
	// ErrRefused: the database cannot store these values ([RefusedError] has the rest).
	ErrRefused = errors.New("values refused")
	// ErrUnguarded: the role would see through row-level security.
	ErrUnguarded = errors.New("row-level security does not bind this role")
)

// RefusedError is an [ErrRefused]: SQLSTATE class 22 or 23, the fault of the
// values and not of the moment.
type RefusedError struct {
	State   string // SQLSTATE, five characters
	Message string // the server's, may quote a value
}

// Error names state and message.
func (e *RefusedError) Error() string {
	return fmt.Sprintf("values refused (%s): %s", e.State, e.Message)
}

// Is says that a RefusedError is an [ErrRefused], by its state also [ErrExists] or [ErrInUse].
func (e *RefusedError) Is(target error) bool {
	switch target {
	case ErrRefused:
		return true
	case ErrExists:
		return e.State == "23505"
	case ErrInUse:
		return e.State == "23503"
	}
	return false
}

// interpret turns an error of the driver into one of ours; others pass as they are.
func interpret(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, ErrConflict) || errors.Is(err, ErrUnavailable) {
		return err
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return ErrNotFound
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		if driverFault(err) {
			return fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return err
	}
	switch pg.Code[:2] {
	case "22", "23":
		return &RefusedError{State: pg.Code, Message: pg.Message}
	case "40":
		return fmt.Errorf("%w: %w", ErrConflict, err)
	case "08", "53", "57":
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if pg.Code == "55P03" { // waited for a lock for too long
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	if pg.Code == "25006" { // read-only: a standby that is yet to be promoted
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return err
}

// driverFault says whether err arose on the way to the database, not in our code.
func driverFault(err error) bool {
	var connect *pgconn.ConnectError
	var network interface{ Timeout() bool }
	return errors.As(err, &connect) || errors.As(err, &network) || pgconn.SafeToRetry(err) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF)
}
