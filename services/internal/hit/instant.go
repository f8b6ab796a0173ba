package hit

import (
	"errors"
	"math"
	"slices"
	"strings"
	"time"
)

// ErrTime is what every unreadable time is.
var ErrTime = errors.New("hit: not a time")

const (
	microsPerSecond = 1_000_000

	// maxAhead is how far a stated time may lie after its receipt (inclusive):
	// clocks are wrong by minutes, and rightly stated futures do not exist.
	maxAhead = Instant(5 * 60 * microsPerSecond)
	// earliest is 2010-01-01T00:00:00Z (inclusive). What is older is a clock that
	// was never set.
	earliest = Instant(1_262_304_000 * microsPerSecond)

	maxUnixSeconds = 253_402_300_799 // 9999-12-31T23:59:59Z
)

// ParseInstant reads an RFC 3339 time and the variants of ISO 8601 that SDKs send:
// a space for the T, lower-case t and z, a comma for the point, an offset without
// its colon or without its minutes. What is finer than a microsecond is cut off. A
// text without a fraction has [PrecisionSecond]. A time without an offset is no
// instant and an error, as are 24:00, second 60 and days that do not exist.
func ParseInstant(text string) (Instant, Precision, error) {
	p := timeText{rest: strings.TrimSpace(text)}
	year := p.digits(4)
	p.one("-")
	month := p.digits(2)
	p.one("-")
	day := p.digits(2)
	p.one("Tt ")
	hour := p.digits(2)
	p.one(":")
	minute := p.digits(2)
	p.one(":")
	second := p.digits(2)
	micros, precision := p.fraction()
	offset := p.offset()
	if p.bad || p.rest != "" || year < 1 || month < 1 || month > 12 || day < 1 ||
		day > daysIn(year, month) || hour > 23 || minute > 59 || second > 59 {
		return 0, PrecisionExact, ErrTime
	}
	at := time.Date(year, time.Month(month), day, hour, minute, second, 0, time.UTC).Unix()
	at -= int64(offset) * 60
	return Instant(at*microsPerSecond + micros), precision, nil
}

func daysIn(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// timeText reads a time from left to right; bad stays set once something is amiss.
type timeText struct {
	rest string
	bad  bool
}

func (p *timeText) digits(n int) int {
	if len(p.rest) < n {
		p.bad = true
		return 0
	}
	value := 0
	for i := range n {
		c := p.rest[i]
		if c < '0' || c > '9' {
			p.bad = true
			return 0
		}
		value = value*10 + int(c-'0')
	}
	p.rest = p.rest[n:]
	return value
}

func (p *timeText) one(of string) byte {
	if p.rest == "" || strings.IndexByte(of, p.rest[0]) < 0 {
		p.bad = true
		return 0
	}
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *timeText) fraction() (micros int64, precision Precision) {
	if p.rest == "" || p.rest[0] != '.' && p.rest[0] != ',' {
		return 0, PrecisionSecond
	}
	i, unit := 1, int64(microsPerSecond)
	for ; i < len(p.rest) && p.rest[i] >= '0' && p.rest[i] <= '9'; i++ {
		unit /= 10 // zero from the seventh digit on: cut off
		micros += int64(p.rest[i]-'0') * unit
	}
	if i == 1 {
		p.bad = true
	}
	p.rest = p.rest[i:]
	return micros, PrecisionExact
}

// offset returns minutes east of UTC.
func (p *timeText) offset() int {
	sign := 1
	switch p.one("Zz+-") {
	case '-':
		sign = -1
	case '+':
	default:
		return 0
	}
	minutes := p.digits(2) * 60
	if minutes > 23*60 {
		p.bad = true
	}
	if p.rest == "" {
		return sign * minutes
	}
	if p.rest[0] == ':' {
		p.rest = p.rest[1:]
	}
	rest := p.digits(2)
	if rest > 59 {
		p.bad = true
	}
	return sign * (minutes + rest)
}

// ParseUnixSeconds reads whole seconds since 1970 in decimal digits, as the Cloud
// API writes its times; their precision is [PrecisionSecond]. What lies after the
// year 9999 (milliseconds, mostly) is an error.
func ParseUnixSeconds(text string) (Instant, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, ErrTime
	}
	var seconds int64
	for i := range len(text) {
		c := text[i]
		if c < '0' || c > '9' {
			return 0, ErrTime
		}
		seconds = seconds*10 + int64(c-'0')
		if seconds > maxUnixSeconds {
			return 0, ErrTime
		}
	}
	return Instant(seconds * microsPerSecond), nil
}

// Skewed corrects a time stated by a device's clock: receivedAt less the time that
// had passed on that clock between timestamp and sentAt. Without a sentAt it is
// timestamp as stated. It saturates instead of wrapping around.
func Skewed(timestamp, sentAt, receivedAt Instant) Instant {
	if sentAt == 0 {
		return timestamp
	}
	return subtract(receivedAt, subtract(sentAt, timestamp))
}

// subtract is a - b, held at the ends of the range.
func subtract(a, b Instant) Instant {
	d := a - b
	if (a < 0) != (b < 0) && (d < 0) != (a < 0) {
		if a < 0 {
			return math.MinInt64
		}
		return math.MaxInt64
	}
	return d
}

// SetTime sets when f happened: as stated, or at f.ReceivedAt (which must be set)
// with [FlagTimeCorrected] when the stated time was not readable (ok is false), is
// more than 5 minutes after the receipt or before 2010-01-01. Both edges are still
// taken as stated.
func SetTime(f *Fact, stated Instant, precision Precision, ok bool) {
	if ok && stated >= earliest && subtract(stated, f.ReceivedAt) <= maxAhead {
		f.At, f.Precision = stated, precision
		return
	}
	f.At, f.Precision = f.ReceivedAt, PrecisionExact
	if !slices.Contains(f.Flags, FlagTimeCorrected) {
		f.Flags = append(f.Flags, FlagTimeCorrected)
	}
}
