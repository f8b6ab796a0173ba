package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/touchline/touchline/services/attribution/comparison"
	"github.com/touchline/touchline/services/attribution/postgres/dbsqlc"
)

// comparedRows is how many differing rows of each part are kept to look at. A guess:
// enough to see what they have in common.
const comparedRows = 20

// Compare sets a version against the one in force before it, row by row. It holds
// only where both speak of the same facts: under the workspace's lock, with nothing
// touched. [ErrNotFound]: there is no such version.
func (t *Tx) Compare(ctx context.Context, workspace uuid.UUID, version, against int) (comparison.Comparison, error) {
	built, err := t.PolicyGet(ctx, workspace, int32(version))
	if err != nil {
		return comparison.Comparison{}, interpret(err)
	}
	before, err := t.PolicyGet(ctx, workspace, int32(against))
	if err != nil {
		return comparison.Comparison{}, interpret(err)
	}
	return comparer{queries: t.Queries, built: &built, before: &before}.compare(ctx)
}

// comparer compares two versions of one workspace.
type comparer struct {
	queries       *dbsqlc.Queries
	built, before *dbsqlc.Policy
	beside        snapshot      // where a part can be compared meanwhile; nil: nowhere
	patience      time.Duration // how long that is waited for in the end
}

// comparePatience is well below [idleInTransaction]: who waits does not ask anything of his
// own transaction. Where the server or the URL allows less, it is half of that.
const comparePatience = 20 * time.Second

// snapshot reads what a transaction sees, on another connection.
type snapshot func(ctx context.Context, read func(ctx context.Context, tx *Tx) error) error

// others is what is found of all but conversions.
type others struct {
	comparison.Comparison
	sums []dbsqlc.ComparisonSumsRow
}

func (c comparer) compare(ctx context.Context) (comparison.Comparison, error) {
	result := comparison.Comparison{Version: int(c.built.Version), Against: int(c.before.Version), Moved: []comparison.Moved{}}
	wait := c.meanwhile(ctx)
	found, err := c.conversions(ctx)
	rest, besideErr := wait(err)
	if err != nil {
		return result, fmt.Errorf("compare conversions: %w", interpret(err))
	}
	if besideErr != nil { // nowhere, or it did not go well there
		if rest, err = c.others(ctx); err != nil {
			return result, err
		}
	}
	conversions := dbsqlc.ComparisonMessagesRow{
		Before: found.Before, After: found.After, OnlyBefore: found.OnlyBefore, OnlyAfter: found.OnlyAfter, Changed: found.Changed, Rows: found.Rows,
	}
	if err := addPart(&result, comparison.Conversions, conversions); err != nil {
		return result, err
	}
	for _, part := range rest.Parts {
		result.Add(part)
	}
	return result, addCredits(&result, rest.sums, found)
}

// errNowhere says that there is no other connection.
var errNowhere = errors.New("there is nowhere to compare meanwhile")

// meanwhile compares all but conversions on another connection. The function that it returns
// waits for that, or ends it when conversions could not be compared.
func (c comparer) meanwhile(ctx context.Context) func(fault error) (others, error) {
	if c.beside == nil {
		return func(error) (others, error) { return others{}, errNowhere }
	}
	ctx, stop := context.WithCancel(ctx)
	var found others
	done := make(chan error, 1)
	go func() {
		defer stop()
		defer func() {
			if fault := recover(); fault != nil { // it would end the process
				done <- fmt.Errorf("comparing broke: %v", fault)
			}
		}()
		done <- c.beside(ctx, func(ctx context.Context, tx *Tx) (err error) {
			found, err = comparer{queries: tx.Queries, built: c.built, before: c.before}.others(ctx)
			return err
		})
	}()
	return func(fault error) (others, error) {
		if fault != nil {
			stop()
		}
		select {
		case err := <-done:
			return found, err
		case <-time.After(c.patience):
			stop()
			return others{}, errNowhere
		}
	}
}

// conversions compares them, with their credits.
func (c comparer) conversions(ctx context.Context) (dbsqlc.ComparisonConversionsRow, error) {
	if err := c.queries.ComparisonPlan(ctx); err != nil {
		return dbsqlc.ComparisonConversionsRow{}, err
	}
	return c.queries.ComparisonConversions(ctx, dbsqlc.ComparisonConversionsParams(c.ask()))
}

func (c comparer) ask() dbsqlc.ComparisonMessagesParams {
	return dbsqlc.ComparisonMessagesParams{
		WorkspaceID: c.built.WorkspaceID, Against: c.before.Version, Version: c.built.Version, Most: comparedRows,
	}
}

// others compares all but conversions.
func (c comparer) others(ctx context.Context) (found others, err error) {
	if err := c.queries.ComparisonPlan(ctx); err != nil {
		return found, fmt.Errorf("prepare to compare: %w", interpret(err))
	}
	if err := c.parts(ctx, c.ask(), &found.Comparison); err != nil {
		return found, err
	}
	found.sums, err = c.queries.ComparisonSums(ctx, dbsqlc.ComparisonSumsParams{
		WorkspaceID: c.built.WorkspaceID, Against: c.before.Version, Version: c.built.Version,
	})
	if err != nil {
		return found, fmt.Errorf("compare sums: %w", interpret(err))
	}
	return found, nil
}

// parts compares all but conversions.
func (c comparer) parts(ctx context.Context, ask dbsqlc.ComparisonMessagesParams, into *comparison.Comparison) error {
	q, persons := c.queries, ask
	persons.Against, persons.Version = c.before.IdentityVersion, c.built.IdentityVersion
	for _, part := range []struct {
		name string
		read func() (dbsqlc.ComparisonMessagesRow, error)
		when bool
	}{
		{comparison.Messages, func() (dbsqlc.ComparisonMessagesRow, error) { return q.ComparisonMessages(ctx, ask) }, true},
		{comparison.Persons, func() (dbsqlc.ComparisonMessagesRow, error) {
			row, err := q.ComparisonPersons(ctx, dbsqlc.ComparisonPersonsParams(persons))
			return dbsqlc.ComparisonMessagesRow(row), err
		}, persons.Against != persons.Version},
		{comparison.Links, func() (dbsqlc.ComparisonMessagesRow, error) {
			row, err := q.ComparisonLinks(ctx, dbsqlc.ComparisonLinksParams(persons))
			return dbsqlc.ComparisonMessagesRow(row), err
		}, persons.Against != persons.Version},
		{comparison.Claims, func() (dbsqlc.ComparisonMessagesRow, error) {
			row, err := q.ComparisonClaims(ctx, dbsqlc.ComparisonClaimsParams(persons))
			return dbsqlc.ComparisonMessagesRow(row), err
		}, persons.Against != persons.Version},
		{comparison.CreditRollups, func() (dbsqlc.ComparisonMessagesRow, error) {
			row, err := q.ComparisonCreditRollups(ctx, dbsqlc.ComparisonCreditRollupsParams(ask))
			return dbsqlc.ComparisonMessagesRow(row), err
		}, true},
		{comparison.MessageRollups, func() (dbsqlc.ComparisonMessagesRow, error) {
			row, err := q.ComparisonMessageRollups(ctx, dbsqlc.ComparisonMessageRollupsParams(ask))
			return dbsqlc.ComparisonMessagesRow(row), err
		}, true},
	} {
		if !part.when {
			continue
		}
		row, err := part.read()
		if err != nil {
			return fmt.Errorf("compare %s: %w", part.name, interpret(err))
		}
		if err := addPart(into, part.name, row); err != nil {
			return err
		}
	}
	return nil
}

func addPart(into *comparison.Comparison, name string, row dbsqlc.ComparisonMessagesRow) error {
	rows, err := comparison.ReadRows(name, row.Rows)
	into.Add(comparison.Part{
		Name: name, Before: row.Before, After: row.After, OnlyBefore: row.OnlyBefore, OnlyAfter: row.OnlyAfter, Changed: row.Changed, Rows: rows,
	})
	return err
}

// sumKey is what credits are told by.
type sumKey struct{ Model, Channel, Currency string }

// addCredits lays the sums of both versions beside what single conversions gained and
// lost. A rollup that was damaged shows in Before; what was gained and lost does not
// hang on it.
func addCredits(into *comparison.Comparison, sums []dbsqlc.ComparisonSumsRow, found dbsqlc.ComparisonConversionsRow) error {
	var shifts []struct {
		sumKey
		WeightGained string `json:"weight_gained"`
		WeightLost   string `json:"weight_lost"`
		Gained, Lost string
	}
	var moved []struct{ Model, Currency, Weight, Credited string }
	if err := errors.Join(json.Unmarshal(found.Shifts, &shifts), json.Unmarshal(found.Moved, &moved)); err != nil {
		return fmt.Errorf("read shifts: %w", err)
	}
	into.Credits = make([]comparison.Credit, len(sums))
	index := make(map[sumKey]int, len(sums))
	none := amount("0", "0")
	for i, s := range sums {
		into.Credits[i] = comparison.Credit{
			Model: s.Model, Channel: s.Channel, Currency: orNil(s.Currency),
			Before: amount(s.WeightBefore, s.CreditedBefore), After: amount(s.WeightAfter, s.CreditedAfter), Gained: none, Lost: none,
		}
		index[sumKey{s.Model, s.Channel, s.Currency}] = i
	}
	for _, s := range shifts {
		i, summed := index[s.sumKey]
		if !summed { // the rollups are wrong: they do not know it
			i = len(into.Credits)
			into.Credits = append(into.Credits, comparison.Credit{Model: s.Model, Channel: s.Channel, Currency: orNil(s.Currency), Before: none, After: none})
		}
		into.Credits[i].Gained, into.Credits[i].Lost = amount(s.WeightGained, s.Gained), amount(s.WeightLost, s.Lost)
	}
	for _, m := range moved {
		into.Moved = append(into.Moved, comparison.Moved{Model: m.Model, Currency: orNil(m.Currency), Amount: amount(m.Weight, m.Credited)})
	}
	return nil
}

// amount reads a sum of weights, in parts per 10^12, and one of money; both are texts
// of numeric columns.
func amount(weight, credited string) comparison.Amount {
	parts, ok := new(big.Rat).SetString(weight)
	if !ok { // unreachable: a numeric column cannot hold it
		parts = new(big.Rat)
	}
	conversions, _ := parts.Quo(parts, big.NewRat(1_000_000_000_000, 1)).Float64()
	return comparison.Amount{Conversions: conversions, Value: credited}
}

func orNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// ComparisonLookup returns what was found when a version's build was complete, or
// [ErrNotFound] when it was not compared (yet).
func (t *Tx) ComparisonLookup(ctx context.Context, workspace uuid.UUID, version int) (comparison.Comparison, error) {
	var found comparison.Comparison
	row, err := t.ComparisonGet(ctx, workspace, int32(version))
	if errors.Is(err, pgx.ErrNoRows) {
		return found, ErrNotFound
	}
	if err != nil {
		return found, interpret(err)
	}
	if err := json.Unmarshal(row.Document, &found); err != nil {
		return found, fmt.Errorf("read comparison of version %d: %w", version, err)
	}
	return found, nil
}

// keepComparison stores c with its version.
func keepComparison(ctx context.Context, q *dbsqlc.Queries, workspace uuid.UUID, c *comparison.Comparison, at time.Time) error {
	c.ComparedAt = comparison.Time{Time: at.UTC()}
	document, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("write comparison: %w", err)
	}
	return interpret(q.ComparisonInsert(ctx, dbsqlc.ComparisonInsertParams{
		WorkspaceID: workspace, Version: int32(c.Version), Against: int32(c.Against), ComparedAt: c.ComparedAt.Time,
		Differences: c.Differences, Document: document,
	}))
}
