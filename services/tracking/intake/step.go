package intake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/touchline/touchline/services/internal/hit"
	"github.com/touchline/touchline/services/internal/hit/canonical"
)

// state is one item on its way through the steps.
type state struct {
	item *Item
	fact *hit.Fact // of item
	env  *Env
}

// step is one thing that happens to an item: set… changes the fact, drop… may
// refuse it.
type step struct {
	name string
	run  func(*state) *Refusal
}

// steps is the whole way of an item, in order. Cheap refusals come first; texts are
// cleaned before they are measured; everything that needs the fact whole comes last.
func steps() [10]step { // no list: that would be allocated for every item
	return [...]step{
		{"drop_unreadable", dropUnreadable},
		{"drop_too_large", dropTooLarge},
		{"set_origin", setOrigin},
		{"set_time", setTime},
		{"set_identifiers", setIdentifiers},
		{"drop_no_identifier", dropNoIdentifier},
		{"set_texts", setTexts},
		{"drop_bad_event_name", dropBadEventName},
		{"drop_bad_id", dropBadID},
		{"set_canonical", setCanonical},
	}
}

// Steps returns the names of the steps in order.
func Steps() []string {
	var names []string
	for _, s := range steps() {
		names = append(names, s.name)
	}
	return names
}

// dropUnreadable refuses what the wire format already refused.
func dropUnreadable(s *state) *Refusal { return s.item.Refusal }

func dropTooLarge(s *state) *Refusal {
	if s.env.MaxItem > 0 && len(s.item.Raw) > s.env.MaxItem {
		return &Refusal{Reason: TooLarge, Detail: fmt.Sprintf("an item may have %d bytes, this one has %d", s.env.MaxItem, len(s.item.Raw))}
	}
	return nil
}

func setOrigin(s *state) *Refusal {
	s.fact.Source, s.fact.Trust, s.fact.ReceivedAt = s.env.Source, s.env.Trust, s.env.ReceivedAt
	return nil
}

// setTime corrects the stated time by the sender's clock, where it said when it
// sent, and replaces it by the time of receipt where it can't be right. An item that
// states no time happened when it was received, which is no correction.
func setTime(s *state) *Refusal {
	stated := s.item.Stated
	if stated.Text == "" {
		s.fact.At = s.env.ReceivedAt
		return nil
	}
	if stated.Seconds {
		at, err := hit.ParseUnixSeconds(stated.Text)
		hit.SetTime(s.fact, at, hit.PrecisionSecond, err == nil)
		return nil
	}
	at, precision, err := hit.ParseInstant(stated.Text)
	if sentAt, _, sentErr := hit.ParseInstant(stated.SentAt); err == nil && sentErr == nil {
		at = hit.Skewed(at, sentAt, s.env.ReceivedAt)
	}
	hit.SetTime(s.fact, at, precision, err == nil)
	return nil
}

func setIdentifiers(s *state) *Refusal {
	for _, name := range s.item.Names {
		id, valid, ok := s.normalize(name)
		switch {
		case !ok && strings.TrimSpace(name.Text) == "": // absent, whatever its key says
		case !ok:
			s.flag(hit.FlagBlockedByDigits)
		case id.Kind == hit.Device && s.fact.Device == nil:
			device := id
			s.fact.Device = &device
		case id.Kind == hit.Device: // a second device: a fact has one
		default:
			if !valid {
				s.flag(hit.FlagInvalidPhone)
			}
			s.fact.Identifiers = append(s.fact.Identifiers, id)
		}
	}
	s.fact.Identifiers = hit.SortIdentifiers(s.fact.Identifiers)
	return nil
}

func (s *state) normalize(name Name) (id hit.Identifier, valid, ok bool) {
	switch name.Kind {
	case hit.Phone:
		country := s.item.Country
		if country == "" {
			country = s.env.Country
		}
		return s.phone(name, country)
	case WaID:
		return s.phone(name, "")
	case hit.Email:
		id, ok = hit.NormalizeEmail(name.Text)
	default:
		id, ok = hit.NormalizeID(name.Kind, name.Text)
	}
	return id, true, ok
}

func (s *state) phone(name Name, country string) (id hit.Identifier, valid, ok bool) {
	if s.env.Phone != nil {
		return s.env.Phone(name, country)
	}
	return ReadPhone(name, country)
}

// ReadPhone normalises a phone, of which it may say that it is national in country, or a
// wa_id. valid is false for one that libphonenumber refuses, ok where there is none.
func ReadPhone(name Name, country string) (id hit.Identifier, valid, ok bool) {
	if name.Kind == WaID {
		return hit.NormalizeWaID(name.Text)
	}
	return hit.NormalizePhone(name.Text, country)
}

func (s *state) flag(flag string) {
	if !slices.Contains(s.fact.Flags, flag) {
		s.fact.Flags = append(s.fact.Flags, flag)
	}
}

func dropNoIdentifier(s *state) *Refusal {
	if s.item.Anonymous || s.fact.Device != nil || len(s.fact.Identifiers) > 0 {
		return nil
	}
	return &Refusal{Reason: NoIdentifier, Detail: "needs one of userId, anonymousId, a phone or an email"}
}

// setTexts makes every text storable, and caps what a person wrote.
func setTexts(s *state) *Refusal {
	var room [16]*string
	for _, text := range texts(room[:0], s.fact) {
		clean, changed := hit.CleanText(*text)
		if changed {
			*text = clean
			s.flag(hit.FlagTextCleaned)
		}
	}
	if s.fact.Inbound != nil {
		s.fact.Inbound.Text = cut(s.fact.Inbound.Text, maxText)
	}
	return nil
}

// cut returns the longest beginning of s that has no more than limit bytes and splits
// no character.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

func dropBadEventName(s *state) *Refusal {
	if s.fact.Kind != hit.KindEvent {
		return nil
	}
	name := strings.TrimSpace(s.fact.Event.Name)
	if name == "" {
		return &Refusal{Reason: BadEventName, Detail: "an event needs a name"}
	}
	if len(name) > maxEventName {
		return &Refusal{Reason: BadEventName, Detail: fmt.Sprintf("an event's name may have %d bytes", maxEventName)}
	}
	return nil
}

func dropBadID(s *state) *Refusal {
	switch id := s.fact.ID; {
	case strings.TrimSpace(id) == "":
		return &Refusal{Reason: BadID, Detail: "an id is missing"}
	case len(id) > maxID:
		return &Refusal{Reason: BadID, Detail: fmt.Sprintf("an id may have %d bytes", maxID)}
	}
	return nil
}

// setCanonical brings the JSON that a fact carries to its canonical form, so that
// two spellings of one item are one content.
func setCanonical(s *state) *Refusal {
	var room [8]*json.RawMessage
	for _, raw := range documents(room[:0], s.fact) {
		if len(*raw) == 0 {
			continue
		}
		written, err := canonical.JSON(*raw)
		if err != nil || depth(written) > maxDepth {
			return &Refusal{Reason: Malformed, Detail: fmt.Sprintf("arrays and objects may nest %d deep, and numbers have exponents of up to four digits", maxDepth)}
		}
		*raw = written
	}
	return nil
}

// depth is how deep a canonical JSON text nests.
func depth(text []byte) int {
	level, deepest, inText := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case inText:
		case c == '{' || c == '[':
			level++
			deepest = max(deepest, level)
		case c == '}' || c == ']':
			level--
		}
	}
	return deepest
}
