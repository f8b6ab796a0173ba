package derive

import (
	"crypto/sha256"
	"encoding/json"

	"github.com/google/uuid"

	"github.com/touchline/touchline/services/attribution/credit"
	"github.com/touchline/touchline/services/attribution/fact"
	"github.com/touchline/touchline/services/attribution/identity"
	"github.com/touchline/touchline/services/attribution/timeline"
	"github.com/touchline/touchline/services/attribution/touch"
	"github.com/touchline/touchline/services/internal/hit"
)

// diff says what turns current into outcome, and which current conversions that
// replaces. What is equal is not written.
func diff(current Current, outcome timeline.Outcome) (Changes, []ConversionRow) {
	var c Changes
	replaced := c.diffConversions(current.Conversions, outcome.Conversions)
	c.MessageDelete, c.MessageUpsert = compare(current.Messages, outcome.Messages, messageKeyOf, messageValueOf)
	c.PersonDelete, c.PersonUpsert = compare(current.Persons, outcome.Persons, personKeyOf, personValueOf)
	c.LinkDelete, c.LinkUpsert = compare(current.Links, outcome.Links, linkKeyOf, linkValueOf)
	c.ClaimDelete, c.ClaimUpsert = compare(current.Claims, outcome.Claims, claimKeyOf, claimValueOf)
	return c, replaced
}

// draft is what is to be written of an outcome where a version holds no rows on it: it is made
// while the step before is written.
type draft struct {
	outcome timeline.Outcome
	rows    Changes  // conversions, messages and their sums
	changes *Changes // what names has said; nil: it was not asked
}

func drafted(outcome timeline.Outcome) *draft {
	rows, _ := diff(Current{}, timeline.Outcome{Conversions: outcome.Conversions, Messages: outcome.Messages})
	for i := range rows.Insert {
		rows.Insert[i].Revision = 1
	}
	rows.Credits, rows.Messages = creditSums(nil, nil, rows.Insert), messageSums(nil, outcome.Messages)
	return &draft{outcome: outcome, rows: rows}
}

// names adds what turns current, which holds no rows, into the outcome.
func (d *draft) names(current Current) Changes {
	changes := d.rows
	names, _ := diff(Current{Persons: current.Persons, Links: current.Links, Claims: current.Claims}, timeline.Outcome{
		Persons: d.outcome.Persons, Links: d.outcome.Links, Claims: d.outcome.Claims,
	})
	changes.PersonDelete, changes.PersonUpsert = names.PersonDelete, names.PersonUpsert
	changes.LinkDelete, changes.LinkUpsert = names.LinkDelete, names.LinkUpsert
	changes.ClaimDelete, changes.ClaimUpsert = names.ClaimDelete, names.ClaimUpsert
	changes.Fresh = current.Fresh
	return changes
}

func (c *Changes) diffConversions(current []ConversionRow, derived []credit.Conversion) []ConversionRow {
	var replaced []ConversionRow
	old := make(map[ConversionKey]ConversionRow, len(current))
	for _, row := range current {
		old[row.Key] = row
	}
	for _, conversion := range derived {
		key := ConversionKey{conversion.Definition, conversion.ID}
		row, exists := old[key]
		delete(old, key)
		hash := hashOf(conversion)
		if exists && row.Hash == hash {
			continue
		}
		if exists {
			replaced = append(replaced, row)
		}
		c.Insert = append(c.Insert, ConversionChange{Conversion: conversion, Hash: hash})
	}
	for _, row := range current {
		if _, vanished := old[row.Key]; vanished {
			replaced = append(replaced, row)
		}
	}
	for _, row := range replaced {
		c.Supersede = append(c.Supersede, row.Key)
	}
	return replaced
}

// hashOf is over the whole conversion and its credits: equal hashes, equal rows.
func hashOf(c credit.Conversion) uuid.UUID {
	text, err := json.Marshal(c)
	if err != nil { // unreachable: a Conversion holds nothing that JSON refuses
		return uuid.Nil
	}
	sum := sha256.Sum256(text)
	return uuid.UUID(sum[:16])
}

// compare returns which of old have no counterpart in now, and which of now are
// new or changed.
func compare[T any, K, V comparable](old, now []T, key func(T) K, value func(T) V) (gone, changed []T) {
	if len(old) == 0 {
		return nil, now
	}
	held := make(map[K]T, len(old))
	for _, o := range old {
		held[key(o)] = o
	}
	for _, n := range now {
		k := key(n)
		o, exists := held[k]
		delete(held, k)
		if !exists || value(o) != value(n) {
			changed = append(changed, n)
		}
	}
	for _, o := range old {
		if _, vanished := held[key(o)]; vanished {
			gone = append(gone, o)
		}
	}
	return gone, changed
}

type messageKey struct{ channel, id string }

// messageValue is all of a message's row, comparable.
type messageValue struct {
	touch.Times
	anchor, person                                          uuid.UUID
	sender, template, language, campaign, variant, category string
	cost, currency, failure                                 string
	registered, session                                     bool
	from, to                                                hit.Instant // engaged
}

func messageKeyOf(m touch.Message) messageKey { return messageKey{m.Channel, m.ID} }

func messageValueOf(m touch.Message) messageValue {
	v := messageValue{
		Times: m.Times, anchor: m.Anchor, person: m.Person, sender: m.Sender, campaign: m.Campaign, variant: m.Variant,
		category: m.Category, failure: m.FailureReason, registered: m.Registered, session: m.Session,
		from: m.EngagedFrom, to: m.EngagedTo,
	}
	if m.Template != nil {
		v.template, v.language = m.Template.Name, m.Template.Language
	}
	if m.Cost != nil {
		v.cost, v.currency = m.Cost.Amount, m.Cost.Currency
	}
	return v
}

type personValue struct {
	person uuid.UUID
	shared bool
}

func personKeyOf(a identity.Assignment) uuid.UUID { return fact.IdentifierRef(a.Identifier).Value }

func personValueOf(a identity.Assignment) personValue { return personValue{a.Person, a.Shared} }

type linkKey struct{ a, b uuid.UUID }

type linkValue struct {
	trust    int
	at       int64
	fact     string
	position int
	state    identity.State
}

func linkKeyOf(l identity.Link) linkKey {
	return linkKey{fact.IdentifierRef(l.A).Value, fact.IdentifierRef(l.B).Value}
}

func linkValueOf(l identity.Link) linkValue {
	return linkValue{int(l.Trust), int64(l.At), l.Fact, l.Position, l.State}
}

type claimKey struct {
	device   uuid.UUID
	at       int64
	fact     string
	identify bool
}

func claimKeyOf(c identity.Claim) claimKey {
	return claimKey{fact.IdentifierRef(c.Device).Value, int64(c.At), c.Fact, c.Identify}
}

func claimValueOf(c identity.Claim) uuid.UUID { return fact.IdentifierRef(c.Holder).Value }
