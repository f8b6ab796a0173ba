package hit

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseInstant(t *testing.T) {
	t.Parallel()
	at := func(text string) Instant {
		when, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return InstantOf(when)
	}
	for _, test := range []struct {
		in        string
		want      Instant
		precision Precision
	}{
		{"2026-09-01T12:30:45Z", at("2026-09-01T12:30:45Z"), PrecisionSecond},
		{"2026-09-01T12:30:45.0Z", at("2026-09-01T12:30:45Z"), PrecisionExact},
		{"2026-09-01T12:30:45.123Z", at("2026-09-01T12:30:45.123Z"), PrecisionExact},
		{"2026-09-01T12:30:45.123456789Z", at("2026-09-01T12:30:45.123456Z"), PrecisionExact},
		{"2026-09-01T12:30:45.9999999999999999999999Z", at("2026-09-01T12:30:45.999999Z"), PrecisionExact},
		{"2026-09-01T12:30:45,5Z", at("2026-09-01T12:30:45.5Z"), PrecisionExact},
		{"2026-09-01T12:30:45.5+02:00", at("2026-09-01T10:30:45.5Z"), PrecisionExact},
		{"2026-09-01T12:30:45-0530", at("2026-09-01T18:00:45Z"), PrecisionSecond},
		{"2026-09-01T00:30:45+01", at("2026-08-31T23:30:45Z"), PrecisionSecond},
		{"2026-09-01 12:30:45z", at("2026-09-01T12:30:45Z"), PrecisionSecond},
		{"2026-09-01t12:30:45Z", at("2026-09-01T12:30:45Z"), PrecisionSecond},
		{" 2026-09-01T12:30:45-00:00\n", at("2026-09-01T12:30:45Z"), PrecisionSecond},
		{"2024-02-29T00:00:00Z", at("2024-02-29T00:00:00Z"), PrecisionSecond},
		{"1969-12-31T23:59:59.9999999Z", -1, PrecisionExact},
		{"0001-01-01T00:00:00Z", at("0001-01-01T00:00:00Z"), PrecisionSecond},
		{"9999-12-31T23:59:59.999999Z", at("9999-12-31T23:59:59.999999Z"), PrecisionExact},
	} {
		got, precision, err := ParseInstant(test.in)
		if err != nil || got != test.want || precision != test.precision {
			t.Errorf("ParseInstant(%q) = %d, %d, %v, want %d, %d", test.in, got, precision, err, test.want, test.precision)
		}
	}
	for _, in := range []string{
		"", "now", "infinity", "-infinity", "1749416383", "2026-09-01", "2026-09-01T12:30Z", "2026-09-01T12:30:45", "2026-09-01T24:00:00Z",
		"2026-09-01T23:59:60Z", "2026-09-01T23:60:00Z", "2026-02-29T00:00:00Z", "2026-04-31T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
		"2026-09-00T00:00:00Z", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "+12026-09-01T00:00:00Z", "-2026-09-01T00:00:00Z", "294277-01-01T00:00:00Z",
		"2026-09-01T12:30:45.Z", "2026-09-01T12:30:45ZZ", "2026-09-01T12:30:45+99:99", "2026-09-01T12:30:45+24:00", "2026-09-01T12:30:45+1", "2026-09-01T12:30:45+01:",
		"2026-9-1T12:30:45Z", "2026-09-01T 2:30:45Z", "२०२६-09-01T12:30:45Z", "2026-09-01T12:30:45 +02:00", "Tue Sep 01 2026 12:30:45 GMT+0200",
	} {
		if got, _, err := ParseInstant(in); !errors.Is(err, ErrTime) {
			t.Errorf("ParseInstant(%q) = %v, %v", in, got.Time(), err)
		}
	}
}

func TestParseInstant_ReadsEveryInstant(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Instant(rapid.Int64Range(-62135596800_000000+86400_000000, 253402300799_999999-86400_000000).Draw(t, "micros"))
		zone := time.FixedZone("", 60*rapid.IntRange(-1439, 1439).Draw(t, "offset"))
		layout := rapid.SampledFrom([]string{
			"2006-01-02T15:04:05.000000Z07:00", "2006-01-02 15:04:05.000000000Z0700", "2006-01-02t15:04:05,000000-07:00",
		}).Draw(t, "layout")
		text := want.Time().In(zone).Format(layout)
		if got, precision, err := ParseInstant(text); err != nil || got != want || precision != PrecisionExact {
			t.Fatalf("%q: got %d, %d, %v, want %d", text, got, precision, err, want)
		}
	})
}

func TestParseUnixSeconds(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]Instant{
		"1749416383": 1749416383_000000, "0": 0, " 1749416383 ": 1749416383_000000, "253402300799": 253402300799_000000,
	} {
		if got, err := ParseUnixSeconds(in); err != nil || got != want {
			t.Errorf("ParseUnixSeconds(%q) = %d, %v, want %d", in, got, err, want)
		}
	}
	for _, in := range []string{"", " ", "-1", "+1", "1.5", "1e9", "1749416383000", "253402300800", strings.Repeat("9", 40), "١٧٤٩٤١٦٣٨٣", "NaN"} {
		if got, err := ParseUnixSeconds(in); !errors.Is(err, ErrTime) {
			t.Errorf("ParseUnixSeconds(%q) = %d, %v", in, got, err)
		}
	}
}

func TestSkewed(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name                              string
		timestamp, sentAt, received, want Instant
	}{
		{"without sentAt as stated", 100, 0, 500, 100},
		{"a clock that is behind", 100, 150, 1000, 950},
		{"a clock that is ahead", 5000, 5010, 1000, 990},
		{"sent before it happened", 200, 150, 1000, 1050},
		{"never wraps around", math.MinInt64, math.MaxInt64, 1000, 1000 - math.MaxInt64},
		{"nor the other way", math.MaxInt64, math.MinInt64, 1000, math.MaxInt64},
	} {
		if got := Skewed(test.timestamp, test.sentAt, test.received); got != test.want {
			t.Errorf("%s: got %d, want %d", test.name, got, test.want)
		}
	}
}

func TestSetTime(t *testing.T) {
	t.Parallel()
	const received = Instant(1_788_220_800_000_000)
	for _, test := range []struct {
		name   string
		stated Instant
		ok     bool
		kept   bool
	}{
		{"as stated", received - 1, true, true},
		{"five minutes ahead", received + 300_000_000, true, true},
		{"a microsecond more", received + 300_000_001, true, false},
		{"the first instant of 2010", 1_262_304_000_000_000, true, true},
		{"the last of 2009", 1_262_303_999_999_999, true, false},
		{"unparsable", received - 1, false, false},
		{"unknown", 0, true, false},
		{"the largest", math.MaxInt64, true, false},
		{"the smallest", math.MinInt64, true, false},
	} {
		f := Fact{ReceivedAt: received, Flags: []string{FlagTextCleaned}}
		SetTime(&f, test.stated, PrecisionSecond, test.ok)
		want := Fact{ReceivedAt: received, At: received, Precision: PrecisionExact}
		if test.kept {
			want.At, want.Precision = test.stated, PrecisionSecond
		}
		corrected := slices.Contains(f.Flags, FlagTimeCorrected)
		if f.At != want.At || f.Precision != want.Precision || corrected == test.kept {
			t.Errorf("%s: at %d, precision %d, flags %v", test.name, f.At, f.Precision, f.Flags)
		}
		SetTime(&f, math.MaxInt64, PrecisionExact, true)
		SetTime(&f, math.MaxInt64, PrecisionExact, true)
		if len(f.Flags) != 2 {
			t.Errorf("%s: flagged more than once: %v", test.name, f.Flags)
		}
	}
}

func FuzzParseInstant(f *testing.F) {
	for _, seed := range []string{"2026-09-01T12:30:45Z", "2026-09-01 12:30:45,123456789+0530", "infinity", "9999-12-31T23:59:59-23:59"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		at, precision, err := ParseInstant(text)
		if err != nil {
			return
		}
		if year := at.Time().Year(); year < 0 || year > 10000 {
			t.Fatalf("%q is in the year %d", text, year)
		}
		if precision == PrecisionSecond && at%1_000_000 != 0 {
			t.Fatalf("%q has a fraction and precision of a second", text)
		}
		again, _, err := ParseInstant(at.Time().Format("2006-01-02T15:04:05.000000Z"))
		if year := at.Time().Year(); year >= 1 && year <= 9999 && (err != nil || again != at) {
			t.Fatalf("%q is %d, written out it is %d, %v", text, at, again, err)
		}
	})
}
