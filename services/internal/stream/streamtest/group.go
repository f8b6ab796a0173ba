package streamtest

import (
	"errors"
	"slices"
	"time"

	"github.com/google/uuid"
)

// errNoGroup is what Redis says of a group that is not there.
var errNoGroup = errors.New("NOGROUP")

// group is the consumer group of a shard.
type group struct {
	last      id                      // handed out up to here
	pending   map[id]*pending         // handed out and not settled
	consumers map[uuid.UUID]time.Time // when each was heard of last
}

// pending is an entry that a consumer has.
type pending struct {
	consumer uuid.UUID
	at       time.Time // handed out last
	count    int64     // how often
}

func newGroup() *group {
	return &group{pending: map[id]*pending{}, consumers: map[uuid.UUID]time.Time{}}
}

func (g *group) clone() *group {
	c := newGroup()
	c.last = g.last
	for at, p := range g.pending {
		copied := *p
		c.pending[at] = &copied
	}
	for name, seen := range g.consumers {
		c.consumers[name] = seen
	}
	return c
}

// drop takes an entry off the pending ones; there may be no group.
func (g *group) drop(at id) {
	if g != nil {
		delete(g.pending, at)
	}
}

// list returns the ids of pending entries, of one consumer unless it is nil, oldest first.
func (g *group) list(consumer uuid.UUID) []id {
	var ids []id
	for at, p := range g.pending {
		if consumer == uuid.Nil || p.consumer == consumer {
			ids = append(ids, at)
		}
	}
	slices.SortFunc(ids, id.compare)
	return ids
}

// message is what a command hands out; one without an entry was deleted.
type message struct {
	id    id
	entry *entry
}

// hand gives a pending entry to a consumer, once more.
func (s *shard) hand(at id, consumer uuid.UUID, now time.Time) message {
	i, found := s.find(at)
	if !found {
		return message{id: at}
	}
	p := s.group.pending[at]
	p.consumer, p.at = consumer, now
	p.count++
	copied := s.entries[i]
	return message{id: at, entry: &copied}
}

// fresh is XREADGROUP of what nobody had.
func (s *shard) fresh(consumer uuid.UUID, limit int64, now time.Time) (list []message, err error) {
	if s.group == nil {
		return nil, errNoGroup
	}
	s.group.consumers[consumer] = now
	for i := range s.entries {
		e := s.entries[i]
		if int64(len(list)) == limit {
			break
		}
		if e.id.compare(s.group.last) > 0 {
			s.group.last = e.id
			s.group.pending[e.id] = &pending{consumer: consumer, at: now, count: 1}
			list = append(list, message{id: e.id, entry: &e})
		}
	}
	return list, nil
}

// own is XREADGROUP of what the consumer had been given, behind a place.
func (s *shard) own(consumer uuid.UUID, behind id, limit int64, now time.Time) (list []message, err error) {
	if s.group == nil {
		return nil, errNoGroup
	}
	s.group.consumers[consumer] = now
	for _, at := range s.group.list(consumer) {
		if int64(len(list)) < limit && at.compare(behind) > 0 {
			list = append(list, s.hand(at, consumer, now))
		}
	}
	return list, nil
}

// autoClaim is XAUTOCLAIM: next is where to go on, deleted what is gone.
func (s *shard) autoClaim(c claim, now time.Time) (list []message, next id, deleted []id, err error) {
	if s.group == nil {
		return nil, id{}, nil, errNoGroup
	}
	s.group.consumers[c.consumer] = now
	left, looked := c.limit, int64(0) // left of what is said, deleted ones too
	for _, at := range s.group.list(uuid.Nil) {
		if at.compare(c.from) < 0 {
			continue
		}
		if left == 0 || looked == 10*c.limit { // as Redis bounds its work
			return list, at, deleted, nil
		}
		looked++
		if _, found := s.find(at); !found {
			delete(s.group.pending, at)
			deleted = append(deleted, at)
			left--
			continue
		}
		if now.Sub(s.group.pending[at].at) >= c.minIdle {
			list = append(list, s.hand(at, c.consumer, now))
			left--
		}
	}
	return list, id{}, deleted, nil
}

// claim is what XAUTOCLAIM is asked.
type claim struct {
	consumer uuid.UUID
	minIdle  time.Duration
	from     id
	limit    int64
}

// take is XCLAIM of entries by id: those that are gone are passed over.
func (s *shard) take(consumer uuid.UUID, ids []id, now time.Time) (list []message, err error) {
	if s.group == nil {
		return nil, errNoGroup
	}
	s.group.consumers[consumer] = now
	for _, at := range ids {
		if s.group.pending[at] == nil {
			continue
		}
		if _, found := s.find(at); !found {
			delete(s.group.pending, at)
			continue
		}
		list = append(list, s.hand(at, consumer, now))
	}
	return list, nil
}

// recount is XCLAIM with RETRYCOUNT.
func (s *shard) recount(consumer uuid.UUID, ids []id, deliveries int64, now time.Time) error {
	if s.group == nil {
		return errNoGroup
	}
	for _, at := range ids {
		if p := s.group.pending[at]; p != nil {
			p.consumer, p.at, p.count = consumer, now, deliveries
		}
	}
	return nil
}
