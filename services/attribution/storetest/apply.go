package storetest

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/derive"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// digestOf is the digest of an identifier as facts hold it.
func digestOf(id hit.Identifier) uuid.UUID { return fact.IdentifierRef(id).Value }

// Conversions implements [derive.Rows].
func (t deriveTx) Conversions(_ context.Context, v derive.Version, anchors []uuid.UUID) (list []derive.ConversionRow, err error) {
	asked := set(anchors)
	t.locked(func() {
		for _, k := range t.m.conversions.keys(t.tx, func(k conversionKey, r *conversionRow) bool {
			return k.workspace == t.workspace && k.version == v.Number && !r.superseded && asked[r.Anchor]
		}) {
			r := t.m.conversions.get(t.tx, k)
			list = append(list, derive.ConversionRow{
				Key: k.key, Revision: k.revision, EventAt: r.EventAt, Currency: r.Currency, Models: r.Models, Hash: r.Hash,
				Anchor: r.Anchor, Person: r.Person, Refund: r.Refund,
			})
		}
	})
	byText(list)
	return list, nil
}

// Messages implements [derive.Rows].
func (t deriveTx) Messages(_ context.Context, v derive.Version, anchors []uuid.UUID) (list []touch.Message, err error) {
	asked := set(anchors)
	t.locked(func() {
		for _, k := range t.m.messages.keys(t.tx, func(k messageKey, r *touch.Message) bool {
			return k.workspace == t.workspace && k.version == v.Number && asked[r.Anchor]
		}) {
			list = append(list, *t.m.messages.get(t.tx, k))
		}
	})
	byText(list)
	return list, nil
}

// Persons implements [derive.Names].
func (t deriveTx) Persons(_ context.Context, v derive.Version, digests []uuid.UUID) (list []identity.Assignment, err error) {
	asked := set(digests)
	t.locked(func() {
		for _, k := range t.m.persons.keys(t.tx, func(k personKey, _ *person) bool {
			return k.workspace == t.workspace && k.version == v.Identity && asked[k.digest]
		}) {
			list = append(list, t.m.persons.get(t.tx, k).Assignment)
		}
	})
	byText(list)
	return list, nil
}

// Links implements [derive.Names].
func (t deriveTx) Links(_ context.Context, v derive.Version, digests []uuid.UUID) (list []identity.Link, err error) {
	asked := set(digests)
	t.locked(func() {
		for _, k := range t.m.links.keys(t.tx, func(k linkKey, _ *link) bool {
			return k.workspace == t.workspace && k.version == v.Identity && (asked[k.a] || asked[k.b])
		}) {
			list = append(list, t.m.links.get(t.tx, k).Link)
		}
	})
	byText(list)
	return list, nil
}

// Claims implements [derive.Holders].
func (t deriveTx) Claims(_ context.Context, v derive.Version, devices []uuid.UUID) (list []identity.Claim, err error) {
	asked := set(devices)
	t.locked(func() {
		for _, k := range t.m.claims.keys(t.tx, func(k claimKey, _ *claim) bool {
			return k.workspace == t.workspace && k.version == v.Identity && asked[k.device]
		}) {
			list = append(list, t.m.claims.get(t.tx, k).Claim)
		}
	})
	byText(list)
	return list, nil
}

// Credits implements [derive.Table].
func (t deriveTx) Credits(_ context.Context, version int, rows []derive.ConversionRow) (map[derive.ConversionKey][]credit.Credit, error) {
	found := make(map[derive.ConversionKey][]credit.Credit, len(rows))
	t.locked(func() {
		for _, row := range rows {
			if r := t.m.conversions.get(t.tx, conversionKey{t.workspace, version, row.Key, row.Revision}); r != nil {
				found[row.Key] = r.Credits
			}
		}
	})
	return found, nil
}

// Revisions implements [derive.Table].
func (t deriveTx) Revisions(_ context.Context, version int, keys []derive.ConversionKey) (map[derive.ConversionKey]int, error) {
	highest := make(map[derive.ConversionKey]int, len(keys))
	t.locked(func() {
		for _, key := range keys {
			for n := 1; t.m.conversions.get(t.tx, conversionKey{t.workspace, version, key, n}) != nil; n++ {
				highest[key] = n
			}
		}
	})
	return highest, nil
}

// Apply implements [derive.Table]. Rollups are not kept.
func (t deriveTx) Apply(ctx context.Context, v derive.Version, c derive.Changes, _ time.Time) error {
	return t.statement(ctx, "apply", func() error {
		if err := t.applyConversions(ctx, v, c); err != nil {
			return err
		}
		return t.applyRest(ctx, v, c)
	})
}

func (t deriveTx) applyConversions(ctx context.Context, v derive.Version, c derive.Changes) error {
	current := func(key derive.ConversionKey) (conversionKey, *conversionRow) {
		for n := 1; ; n++ {
			k := conversionKey{t.workspace, v.Number, key, n}
			r := t.m.conversions.get(t.tx, k)
			if r == nil || !r.superseded {
				return k, r
			}
		}
	}
	for _, key := range c.Supersede {
		k, r := current(key)
		if r == nil {
			return fmt.Errorf("supersede %v: there is none", key)
		}
		gone := *r
		gone.superseded = true
		if err := write(ctx, t.tx, t.m.conversions, k, &gone); err != nil {
			return err
		}
	}
	for _, one := range c.Insert {
		key := derive.ConversionKey{Definition: one.Definition, ID: one.ID}
		k, r := current(key)
		if r != nil || k.revision != one.Revision {
			return fmt.Errorf("insert %v, revision %d: revision %d is next, or in force", key, one.Revision, k.revision)
		}
		if err := write(ctx, t.tx, t.m.conversions, k, &conversionRow{ConversionChange: one}); err != nil {
			return err
		}
	}
	return nil
}

// write puts a row, whose lock it takes first.
func write[K comparable, V any](ctx context.Context, x *tx, to *table[K, V], k K, row *V) error {
	if err := lock(ctx, x, k); err != nil {
		return err
	}
	to.put(x, k, row)
	return nil
}

// writeAll writes rows, or deletes them.
func writeAll[K comparable, V, L any](ctx context.Context, x *tx, to *table[K, V], list []L, as func(L) (K, *V)) error {
	for _, one := range list {
		k, row := as(one)
		if err := write(ctx, x, to, k, row); err != nil {
			return err
		}
	}
	return nil
}

func (t deriveTx) applyRest(ctx context.Context, v derive.Version, c derive.Changes) error {
	message := func(m touch.Message) messageKey { return messageKey{t.workspace, v.Number, m.Channel, m.ID} }
	named := func(a identity.Assignment) personKey {
		return personKey{t.workspace, v.Identity, digestOf(a.Identifier)}
	}
	linked := func(l identity.Link) linkKey { return linkKey{t.workspace, v.Identity, digestOf(l.A), digestOf(l.B)} }
	claimed := func(c identity.Claim) claimKey {
		return claimKey{t.workspace, v.Identity, digestOf(c.Device), c.At, c.Fact, c.Identify}
	}
	for _, do := range []func() error{
		func() error {
			return writeAll(ctx, t.tx, t.m.messages, c.MessageDelete, func(m touch.Message) (messageKey, *touch.Message) { return message(m), nil })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.messages, c.MessageUpsert, func(m touch.Message) (messageKey, *touch.Message) {
				m.Token = "" // no column
				return message(m), &m
			})
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.persons, c.PersonDelete, func(a identity.Assignment) (personKey, *person) { return named(a), nil })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.persons, c.PersonUpsert, func(a identity.Assignment) (personKey, *person) { return named(a), &person{a} })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.links, c.LinkDelete, func(l identity.Link) (linkKey, *link) { return linked(l), nil })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.links, c.LinkUpsert, func(l identity.Link) (linkKey, *link) { return linked(l), &link{l} })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.claims, c.ClaimDelete, func(c identity.Claim) (claimKey, *claim) { return claimed(c), nil })
		},
		func() error {
			return writeAll(ctx, t.tx, t.m.claims, c.ClaimUpsert, func(c identity.Claim) (claimKey, *claim) { return claimed(c), &claim{c} })
		},
	} {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}
