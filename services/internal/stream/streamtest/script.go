package streamtest

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/touchline/touchline/services/internal/stream"
)

// accountLen is the length of "workspace/source/", behind which an account has its hour.
const accountLen = 36 + 1 + 36 + 1

// place takes an account apart, as account.lua does.
func place(account string) (field, hour string) {
	if len(account) > accountLen && account[accountLen-1] == '/' {
		return account[:accountLen-1], account[accountLen:]
	}
	return account, ""
}

// count adds n to an account in the books.
func (s *shard) count(kind, account string, n int64) {
	field, _ := place(account)
	name := kind + ":" + field
	if s.books[name] += n; kind == "spooled" && s.books[name] <= 0 {
		delete(s.books, name)
	}
}

// absent sets a field of the books that is not there, and says whether it did.
func (s *shard) absent(name string, n int64) bool {
	_, there := s.books[name]
	if !there {
		s.books[name] = n
	}
	return !there
}

// append is append.lua. It returns what was new.
func (s *shard) append(run stream.Run, accounts, payloads []string, now time.Time) (added []entry) {
	epoch := run.Epoch.String()
	mark, told := "epoch:"+epoch, "announced:"+epoch
	applied, announced := s.books[mark], s.books[told]
	last := run.First + int64(len(payloads)) - 1
	if applied >= last {
		return nil
	}
	for i, account := range accounts {
		number := run.First + int64(i)
		if number <= applied {
			continue
		}
		field, hour := place(account)
		added = append(added, s.add(entry{epoch: epoch, number: number, field: field, hour: hour, payload: payloads[i]}, now))
		s.count("inflight", account, 1)
		if number > announced {
			s.count("accepted", account, 1)
			continue
		}
		s.count("spooled", account, -1)
	}
	if announced > 0 && last >= announced {
		delete(s.books, told)
	}
	if run.First > applied+1 {
		s.books["jumped"]++
	}
	s.books[mark] = last
	s.absent("life", added[0].id.millis)
	return added
}

// announce is announce.lua.
func (s *shard) announce(run stream.Run, counts map[string]int64) bool {
	mark := "announced:" + run.Epoch.String()
	has := max(s.books[mark], s.books["epoch:"+run.Epoch.String()])
	if has >= run.Last {
		return true
	}
	if has != run.First-1 {
		return false
	}
	s.books[mark] = run.Last
	for account, n := range counts {
		s.count("accepted", account, n)
		s.count("spooled", account, n)
	}
	return true
}

// settle is settle.lua: its error says that the batch is out of order.
func (s *shard) settle(b stream.Batch) error {
	mark := "settled:" + b.Consumer.String()
	settled := s.books[mark]
	if settled >= b.Number {
		return nil
	}
	if settled != b.Number-1 {
		return fmt.Errorf("settle batch %d of shard %d after %d: %w", b.Number, b.Shard, settled, stream.ErrOrder)
	}
	life, lives := s.books["life"]
	_, begun := s.books["begun"]
	for i, text := range b.Entries {
		account, own := strings.CutSuffix(b.Fields[i], "!")
		gone := text == stream.Lost
		if !gone {
			at := parseID(text)
			s.group.drop(at)
			gone = s.remove(at)
		}
		if gone && !own && text != stream.Lost {
			s.count("accepted", account, -1)
		}
		switch {
		case gone, own && (lives || begun) && parseID(text).millis >= life:
			s.count("inflight", account, -1)
		case own && begun:
			s.count("accepted", account, 1)
		}
	}
	s.books[mark] = b.Number
	return nil
}

// runField is the field of the books that says in which run of the server they were begun
// or made anew.
func (s *shard) runField() string { return fmt.Sprint("run:", s.run) }

// seed is seed.lua, anew or not.
func (s *shard) seed(seed stream.Seed, anew bool, now time.Time) {
	if !s.absent("begun", 1) && !anew {
		return
	}
	maps.DeleteFunc(s.books, func(name string, _ int64) bool { return strings.HasPrefix(name, "run:") })
	s.books[s.runField()] = 1
	if anew {
		s.books["life"] = now.UnixMilli()
		maps.DeleteFunc(s.books, func(name string, _ int64) bool {
			kind, _, _ := strings.Cut(name, ":")
			return name == "jumped" || kind == "accepted" || kind == "inflight" || kind == "spooled" || kind == "announced"
		})
		for _, e := range s.entries {
			s.count("inflight", e.field, 1)
			s.count("accepted", e.field, 1)
		}
	}
	s.absent("life", now.UnixMilli())
	for field, hits := range seed.Accepted {
		s.books["accepted:"+field] += hits
	}
	for consumer, batch := range seed.Settled {
		s.books["settled:"+consumer.String()] = batch
	}
	for epoch, number := range seed.Stored {
		mark := "epoch:" + epoch.String()
		if s.books[mark] > 0 && !anew {
			s.books["jumped"]++
		}
		s.books[mark] = max(s.books[mark], number)
	}
}
