package hit

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/nyaruka/phonenumbers"
	"pgregory.net/rapid"
)

func TestNormalizePhone(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, raw, country, want string
		valid                    bool
	}{
		{"international", "+4791234567", "", "+4791234567", true},
		{"punctuation", " +47 (912) 34-567 ", "US", "+4791234567", true},
		{"national", "912 34 567", "NO", "+4791234567", true},
		{"national, country in lower case", "91234567", "no", "+4791234567", true},
		{"national with its trunk prefix", "020 7946 0018", "GB", "+442079460018", true},
		{"the country's code without +", "4791234567", "NO", "+4791234567", true},
		{"00", "0047 91234567", "", "+4791234567", true},
		{"00 where 011 is dialled", "004791234567", "US", "+4791234567", true},
		{"011 where it is dialled", "011 47 91234567", "US", "+4791234567", true},
		{"full-width", "＋４７　９１２３４５６７", "", "+4791234567", true},
		{"Arabic-Indic digits", "+٤٧٩١٢٣٤٥٦٧", "", "+4791234567", true},
		{"Devanagari digits", "९१२३४५६७", "NO", "+4791234567", true},
		{"no-break and zero-width spaces", "+47\u00a0912\u200b34\u202f567\u202c", "", "+4791234567", true},
		{"tel URI", "tel:+47-912-34-567", "", "+4791234567", true},
		{"an extension is no part of it", "+47 91234567 ext. 12", "", "+4791234567", true},
		{"Italy keeps its zero", "+39 02 1234 5678", "", "+390212345678", true},
		{"Mexico with the 1", "+52 1 55 1234 5678", "", "+525512345678", true},
		{"Mexico without", "+525512345678", "", "+525512345678", true},
		{"Mexico national", "55 1234 5678", "MX", "+525512345678", true},
		{"Argentina with the 9", "+54 9 11 2345 6789", "", "+541123456789", true},
		{"Argentina without", "+541123456789", "", "+541123456789", true},
		{"Argentina national mobile", "011 15 2345 6789", "AR", "+541123456789", true},
		{"Brazil with the ninth digit", "+55 11 98765-4321", "", "+5511987654321", true},
		{"Brazil without", "+55 11 8765-4321", "", "+5511987654321", true},
		{"Brazil, the least mobile", "+55 11 6543-2109", "", "+5511965432109", true},
		{"Brazil national without", "(11) 8765-4321", "BR", "+5511987654321", true},
		{"a Brazilian landline", "+55 11 3265-4321", "", "+551132654321", true},
		{"Brazil, the largest landline", "+55 11 5999-9999", "", "+551159999999", true},
		{"too short", "+47 123", "", "47123", false},
		{"national without a country", "91234567", "", "91234567", false},
		{"a country that does not exist", "91234567", "XX", "91234567", false},
		{"seventeen digits", "+12345678901234567", "", "12345678901234567", false},
		{"letters beside", "order 12", "NO", "12", false},
		{"invalid in other digits", "１２", "NO", "12", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			id, valid, ok := NormalizePhone(test.raw, test.country)
			if !ok || id.Kind != Phone || id.Value != test.want || valid != test.valid {
				t.Errorf("NormalizePhone(%q, %q) = %+v, %v, %v, want %q, %v", test.raw, test.country, id, valid, ok, test.want, test.valid)
			}
		})
	}
	for _, raw := range []string{"", " ", "+", "phone", "null", "null@example.com"} {
		if id, valid, ok := NormalizePhone(raw, "NO"); ok || valid || id != (Identifier{}) {
			t.Errorf("NormalizePhone(%q) = %+v, %v, %v", raw, id, valid, ok)
		}
	}
}

func TestNormalizeWaID(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		raw   string
		want  Identifier
		valid bool
	}{
		{"4791234567", Identifier{Kind: Phone, Value: "+4791234567"}, true},
		{"+4791234567", Identifier{Kind: Phone, Value: "+4791234567"}, true},
		{"5215512345678", Identifier{Kind: Phone, Value: "+525512345678"}, true},
		{"5491123456789", Identifier{Kind: Phone, Value: "+541123456789"}, true},
		{"551187654321", Identifier{Kind: Phone, Value: "+5511987654321"}, true},
		{"16315551181", Identifier{Kind: Phone, Value: "+16315551181"}, true},
		{"123", Identifier{Kind: Phone, Value: "123"}, false},
		{"US.13491208655302741918", Identifier{Kind: BSUID, Value: "US.13491208655302741918"}, true},
		{" NO.abc ", Identifier{Kind: BSUID, Value: "NO.abc"}, true},
		{"us.123", Identifier{Kind: Phone, Value: "123"}, false},
	} {
		id, valid, ok := NormalizeWaID(test.raw)
		if !ok || id != test.want || valid != test.valid {
			t.Errorf("NormalizeWaID(%q) = %+v, %v, %v, want %+v, %v", test.raw, id, valid, ok, test.want, test.valid)
		}
	}
	for _, raw := range []string{"", " ", "abc"} {
		if id, _, ok := NormalizeWaID(raw); ok {
			t.Errorf("NormalizeWaID(%q) = %+v", raw, id)
		}
	}
}

func TestNormalizeEmail(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		" Ada@Shop.Example\n": "ada@shop.example", "a.d.a+news@shop.example": "a.d.a+news@shop.example",
		"STRAẞE@shop.example": "strasse@shop.example", "ΣΟΦΟΣ@shop.example": "σοφοσ@shop.example", "a\x00b@x": "a\uFFFDb@x",
	} {
		if id, ok := NormalizeEmail(raw); !ok || id != (Identifier{Kind: Email, Value: want}) {
			t.Errorf("NormalizeEmail(%q) = %+v, %v, want %q", raw, id, ok, want)
		}
	}
	if id, ok := NormalizeEmail(" \t\u00a0"); ok {
		t.Errorf("an empty address is %+v", id)
	}
}

func TestNormalizeID(t *testing.T) {
	t.Parallel()
	if id, ok := NormalizeID(UserID, " Ada Lovelace "); !ok || id != (Identifier{Kind: UserID, Value: "Ada Lovelace"}) {
		t.Errorf("got %+v, %v", id, ok)
	}
	if id, ok := NormalizeID(Device, " "); ok {
		t.Errorf("an empty id is %+v", id)
	}
}

// TestNormalizePhone_Examples reads every region's example numbers in all their
// written forms.
func TestNormalizePhone_Examples(t *testing.T) {
	t.Parallel()
	root := os.Getenv("TOUCHLINE_CORPUS")
	if root == "" {
		t.Skip("skipped: TOUCHLINE_CORPUS names no folder of test corpora")
	}
	file, err := os.Open(filepath.Join(root, "corpora", "libphonenumber", "example-numbers.csv"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, row := range rows[1:] {
		region, e164, national, others := row[0], row[2], row[3], row[4:]
		want, valid, _ := NormalizePhone(e164, "")
		if !valid {
			t.Errorf("%s: %s is not valid", region, e164)
			continue
		}
		checked++
		if cc := e164[:3]; cc != "+52" && cc != "+54" && cc != "+55" && want.Value != e164 {
			t.Errorf("%s: %s became %s", region, e164, want.Value)
		}
		for _, form := range others[:2] {
			if got, _, _ := NormalizePhone(form, ""); got != want {
				t.Errorf("%s: %q became %s, want %s", region, form, got.Value, want.Value)
			}
		}
		if got, _, _ := NormalizeWaID(e164[1:]); got != want {
			t.Errorf("%s: wa_id %s became %s, want %s", region, e164[1:], got.Value, want.Value)
		}
		// The list's Argentine mobile is not what anybody there writes (011 15 …).
		unwritten := region == "001" || region == "AR" && row[1] == "mobile"
		if got, _, _ := NormalizePhone(national, region); got != want && !unwritten {
			t.Errorf("%s: national %q became %s, want %s", region, national, got.Value, want.Value)
		}
	}
	if checked < 400 {
		t.Errorf("only %d examples", checked)
	}
}

func TestNormalizePhone_OneSpelling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"+521", "+52", "+549", "+54", "+55", "+47", "+1", "+44"}).Draw(t, "code")
		raw := code + rapid.StringMatching(`[1-9][0-9]{7,10}`).Draw(t, "digits")
		id, valid, ok := NormalizePhone(raw, "")
		if !ok {
			t.Fatal("digits are left")
		}
		if !valid {
			if id.Value != raw[1:] {
				t.Fatalf("%s is invalid and became %s", raw, id.Value)
			}
			return
		}
		again, stillValid, _ := NormalizePhone(id.Value, "")
		if again != id || !stillValid {
			t.Fatalf("%s became %s, that %s (valid: %v)", raw, id.Value, again.Value, stillValid)
		}
		if wa, _, _ := NormalizeWaID(raw[1:]); wa != id {
			t.Fatalf("%s as a wa_id is %s, else %s", raw, wa.Value, id.Value)
		}
	})
}

// Numbers are written as the library writes them, leading zeros too.
func TestFormatE164(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		code := rapid.SampledFrom([]string{"+39", "+390", "+39000", "+225", "+47", "+1", "+44", "+882"}).Draw(t, "code")
		number, err := phonenumbers.Parse(code+rapid.StringMatching(`[0-9]{4,11}`).Draw(t, "digits"), "")
		if err != nil {
			return
		}
		if got, want := formatE164(number), phonenumbers.Format(number, phonenumbers.E164); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}

// TestDecimalDigit holds the reading of digits to the tables of Unicode: every range
// of decimal digits is whole tens, each from its zero on.
func TestDecimalDigit(t *testing.T) {
	t.Parallel()
	for _, of := range unicode.Nd.R16 {
		if (of.Hi-of.Lo+1)%10 != 0 || of.Stride != 1 {
			t.Errorf("%U to %U are not whole tens", of.Lo, of.Hi)
		}
	}
	for _, of := range unicode.Nd.R32 {
		if (of.Hi-of.Lo+1)%10 != 0 || of.Stride != 1 {
			t.Errorf("%U to %U are not whole tens", of.Lo, of.Hi)
		}
	}
	for r, want := range map[rune]byte{'0': '0', '٣': '3', '９': '9', '𝟗': '9', '𝟘': '0', '߁': '1'} {
		if got, ok := decimalDigit(r); !ok || got != want {
			t.Errorf("decimalDigit(%U) = %q, %v, want %q", r, got, ok, want)
		}
	}
	for _, r := range []rune{'a', '²', '½', 'Ⅷ', '五', -1} {
		if got, ok := decimalDigit(r); ok {
			t.Errorf("decimalDigit(%U) = %q", r, got)
		}
	}
}

func FuzzNormalizePhone(f *testing.F) {
	f.Add("+47 912 34 567", "")
	f.Add("0047٩١٢٣٤٥٦٧ ext 5", "NO")
	f.Add("US.123", "XX")
	f.Fuzz(func(t *testing.T, raw, country string) {
		for _, normalize := range []func() (Identifier, bool, bool){
			func() (Identifier, bool, bool) { return NormalizePhone(raw, country) },
			func() (Identifier, bool, bool) { return NormalizeWaID(raw) },
		} {
			id, valid, ok := normalize()
			if !ok && (valid || id != Identifier{}) {
				t.Fatalf("nothing left, yet %+v, %v", id, valid)
			}
			if !ok || id.Kind != Phone {
				continue
			}
			if digits := strings.TrimPrefix(id.Value, "+"); strings.Trim(digits, "0123456789") != "" || digits == "" {
				t.Fatalf("%q", id.Value)
			}
			if valid != (id.Value[0] == '+') {
				t.Fatalf("%q is valid: %v", id.Value, valid)
			}
		}
	})
}

func BenchmarkNormalizePhone(b *testing.B) {
	for b.Loop() {
		NormalizePhone("+4791234567", "")
	}
}
