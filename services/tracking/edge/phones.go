package edge

import (
	"hash/maphash"
	"strings"
	"sync"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/tracking/intake"
)

// phones remembers what numbers came to when they were normalised. A message has three
// or four statuses within minutes, all with the number of its recipient, and reading a
// number takes libphonenumber longer than all else together that is done for a status.
//
// It changes no result, because reading is pure. It is safe for concurrent use.
type phones struct {
	seed   maphash.Seed
	shards [phoneShards]phoneShard
}

const (
	// phoneShards keeps requests from waiting for each other. Guessed: far more than
	// there are processors.
	phoneShards = 16
	// phonesEach is how many numbers the newer half of a shard takes, so that all together
	// hold between 16,384 and 32,768, in some 4 MB. Guessed.
	phonesEach = 1024
	// longestPhone bounds what is remembered, in bytes; longer ones are no numbers.
	longestPhone = 40
)

// phoneShard has two halves: what is found in the older one moves to the newer, and
// when that is full the older is dropped, with all that nobody asked for meanwhile.
type phoneShard struct {
	sync.Mutex
	newer, older map[phoneKey]phone
}

type phoneKey struct {
	kind          hit.IdentifierKind // hit.Phone or intake.WaID
	text, country string
}

// phone is a number as it was read.
type phone struct {
	value string
	valid bool
}

func newPhones() *phones {
	return &phones{seed: maphash.MakeSeed()}
}

// read is [intake.ReadPhone].
func (p *phones) read(name intake.Name, country string) (id hit.Identifier, valid, ok bool) {
	if len(name.Text) > longestPhone || len(country) > longestPhone {
		return intake.ReadPhone(name, country)
	}
	key := phoneKey{name.Kind, name.Text, country}
	shard := &p.shards[maphash.String(p.seed, name.Text)%phoneShards]
	if known, found := shard.get(key); found {
		return hit.Identifier{Kind: hit.Phone, Value: known.value}, known.valid, true
	}
	id, valid, ok = intake.ReadPhone(name, country)
	if ok && id.Kind == hit.Phone { // anything else takes no time
		key.text, key.country = strings.Clone(name.Text), strings.Clone(country) // not the body that they are part of
		shard.put(key, phone{id.Value, valid})
	}
	return id, valid, ok
}

func (s *phoneShard) get(key phoneKey) (phone, bool) {
	s.Lock()
	defer s.Unlock()
	known, found := s.newer[key]
	if found {
		return known, true
	}
	if known, found = s.older[key]; found {
		s.add(key, known)
	}
	return known, found
}

func (s *phoneShard) put(key phoneKey, known phone) {
	s.Lock()
	defer s.Unlock()
	s.add(key, known)
}

// add needs the lock.
func (s *phoneShard) add(key phoneKey, known phone) {
	if s.newer == nil || len(s.newer) >= phonesEach {
		s.newer, s.older = make(map[phoneKey]phone), s.newer
	}
	s.newer[key] = known
}
