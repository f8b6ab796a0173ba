package hit

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func drawHit(t *rapid.T) Hit {
	h := Hit{
		Workspace: drawID(t),
		Receipt:   Receipt{Epoch: drawID(t), Shard: rapid.Int().Draw(t, "shard"), Number: rapid.Int64().Draw(t, "number")},
	}
	if rapid.Bool().Draw(t, "rejected") {
		h.Rejection = &Rejection{Reason: drawText(t, "reason"), Detail: drawText(t, "detail"), Raw: rapid.SliceOfN(rapid.Byte(), 1, 50).Draw(t, "raw")}
		return h
	}
	h.Fact = drawFact(t)
	return h
}

func TestEncode_Decode_RoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := drawHit(t)
		prefix := []byte("before")
		encoded, err := Encode(prefix, &want)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(encoded, prefix) {
			t.Fatalf("Encode does not append: %q", encoded)
		}
		encoded = encoded[len(prefix):]
		got, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		for i := range encoded {
			encoded[i] = 0xFF // what was decoded must not refer to it
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round trip (-want +got):\n%s", diff)
		}
	})
}

// TestEncode_EveryField fills every field of a hit, however deep, with something, so
// that a field that was added to a type and not to the codec is found here.
func TestEncode_EveryField(t *testing.T) {
	t.Parallel()
	var want Hit
	fill(reflect.ValueOf(&want).Elem())
	encoded, err := Encode(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("round trip (-want +got):\n%s", diff)
	}
}

func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.String:
		v.SetString("text")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint('7')
	default:
		v.SetInt(-7)
	}
}

func TestDecode_Refuses(t *testing.T) {
	t.Parallel()
	valid, err := Encode(nil, &Hit{Workspace: uuid.Max, Fact: Fact{Kind: KindPage, ID: "p1", Page: &Page{URL: "https://shop.example/"}}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range valid {
		if _, err := Decode(valid[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("the first %d of %d bytes: %v", n, len(valid), err)
		}
	}
	for name, b := range map[string][]byte{
		"trailing bytes":          append(bytes.Clone(valid), 0),
		"an unknown tag":          {Version, 99, 0},
		"a tag of version 2 in 1": {1, 3, 21, 2, 0, 0, 0},
		"a text beyond the end":   {Version, 3, 5, 200, 1, 'x', 0, 0},
		"a length of 2^63":        {Version, 3, 5, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 1},
		"a number beyond 64 bits": {Version, 3, 7, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 2, 0, 0},
		"a trust of 300":          {Version, 3, 3, 0xD8, 0x04, 0, 0},
	} {
		if _, err := Decode(b); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, version := range []byte{0, Version + 1, '{', 255} {
		other := append([]byte{version}, valid[1:]...)
		if _, err := Decode(other); !errors.Is(err, ErrVersion) {
			t.Errorf("version %d: %v", version, err)
		}
	}
}

func TestEncode_TooLarge(t *testing.T) {
	t.Parallel()
	h := Hit{Rejection: &Rejection{Raw: make([]byte, MaxEncoded)}}
	dst := []byte("kept")
	got, err := Encode(dst, &h)
	if !errors.Is(err, ErrTooLarge) || string(got) != "kept" {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
	h.Rejection.Raw = h.Rejection.Raw[:MaxEncoded-100]
	if _, err := Encode(nil, &h); err != nil {
		t.Errorf("just below the bound: %v", err)
	}
}

// TestEncode_Stable pins version 1: hits that an older program wrote must be read by
// every later one. A change here needs a new version, not a new expectation.
func TestEncode_Stable(t *testing.T) {
	t.Parallel()
	h := Hit{
		Workspace: uuid.MustParse("01020304-0506-0708-090a-0b0c0d0e0f10"),
		Receipt:   Receipt{Shard: 1, Number: 300},
		Fact: Fact{
			Kind: KindPage, Trust: TrustBrowser, ID: "p", At: -1, Flags: []string{"f"},
			Identifiers: []Identifier{{Kind: Email, Value: "a@b"}}, Page: &Page{URL: "u", Screen: true},
		},
	}
	const want = "\x01" +
		"\x01\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f\x10" +
		"\x02" + "\x02\x02" + "\x03\xd8\x04" + "\x00" +
		"\x03" + "\x01\x04page" + "\x03\x02" + "\x05\x01p" + "\x07\x01" + "\x0a\x01f" +
		"\x0b\x01\x05email\x02\x03a@b\x00" + "\x11\x01\x01u\x05\x00" + "\x00" +
		"\x00"
	got, err := Encode(nil, &h)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	back, err := Decode([]byte(want))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, back); diff != "" {
		t.Error(diff)
	}
}

// TestEncode_Stable2 pins version 2, which has consent, and that only a fact with consent
// is written in it: a worker of before could not read it.
func TestEncode_Stable2(t *testing.T) {
	t.Parallel()
	h := Hit{Fact: Fact{ID: "p", Consent: &Consent{
		State: ConsentDenied, GPC: true, DNT: true, GCM: json.RawMessage(`{}`), TCF: "CP",
	}}}
	const want = "\x02" + "\x02\x00" +
		"\x03" + "\x05\x01p" + "\x15\x01\x06denied\x02\x03\x04\x02{}\x05\x02CP\x00" + "\x00" +
		"\x00"
	got, err := Encode(nil, &h)
	if err != nil || string(got) != want {
		t.Fatalf("got  %q, %v\nwant %q", got, err, want)
	}
	back, err := Decode(got)
	if diff := cmp.Diff(h, back); err != nil || diff != "" {
		t.Error(err, diff)
	}
	h.Fact.Consent = nil
	if got, err = Encode(nil, &h); err != nil || got[0] != 1 {
		t.Errorf("without consent: %q, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	var full Hit
	fill(reflect.ValueOf(&full).Elem())
	for _, h := range []Hit{{}, full, {Fact: Fact{Kind: KindEvent, Event: &Event{Name: strings.Repeat("n", 200)}}}} {
		encoded, err := Encode(nil, &h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Decode(b)
		if err != nil {
			if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrVersion) {
				t.Fatalf("neither malformed nor another version: %v", err)
			}
			return
		}
		encoded, err := Encode(nil, &h)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, again); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkCodec(b *testing.B) {
	h := benchmarkHit()
	encoded, err := Encode(nil, &h)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 1024)
		for b.Loop() {
			if _, err := Encode(buf, &h); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Decode(encoded); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("content", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Content(&h.Fact); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchmarkHit() Hit {
	return Hit{Workspace: uuid.Max, Receipt: Receipt{Epoch: uuid.Max, Shard: 3, Number: 123456}, Fact: Fact{
		Kind: KindEvent, Source: uuid.Max, Trust: TrustServer, ID: "0198f3a2-9d1c-7c2e-8a54-2f6b1f0c9d11",
		At: 1_788_220_800_000_000, ReceivedAt: 1_788_220_800_100_000,
		Identifiers: []Identifier{{Kind: UserID, Value: "u-1001"}, {Kind: Email, Value: "ada@shop.example"}},
		Device:      &Identifier{Kind: Device, Value: "0198f3a2-0000-7c2e-8a54-2f6b1f0c9d11"},
		Event: &Event{Name: "Order Completed", Properties: []byte(
			`{"currency":"NOK","order_id":"1001","products":[{"name":"Shoe","price":499.5,"quantity":2}],"value":"999.00"}`)},
	}}
}
