package hit

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/nyaruka/phonenumbers"
)

// NormalizePhone reads a phone number as people, shops and SDKs write it: in any
// digits, with any punctuation, international with + or 00, else national in country
// (ISO 3166-1 alpha-2; may be empty, then only international numbers are read). The
// value is E.164 with its +, in the one spelling of attribution.md section 2.
//
// A number that libphonenumber refuses is kept as its digits, and valid is false.
// When there is no digit, ok is false.
func NormalizePhone(raw, country string) (id Identifier, valid, ok bool) {
	digits, plus := phoneDigits(raw)
	if digits == "" {
		return Identifier{}, false, false
	}
	text := foldDigits(raw)
	e164, valid := "", false
	if plus {
		e164, valid = parsePhone(text, "")
	} else {
		if country != "" {
			e164, valid = parsePhone(text, strings.ToUpper(country))
		}
		if rest, zeros := strings.CutPrefix(digits, "00"); !valid && zeros {
			e164, valid = parsePhone("+"+rest, "")
		}
	}
	if !valid {
		e164 = digits
	}
	return Identifier{Kind: Phone, Value: e164}, valid, true
}

// NormalizeWaID reads what WhatsApp calls a user by (from, wa_id, recipient_id): the
// digits of an international number without its +, or a business-scoped user id,
// which begins with two capital letters and a dot. The results are those of
// [NormalizePhone]; a business-scoped id is always valid.
func NormalizeWaID(raw string) (id Identifier, valid, ok bool) {
	raw = strings.TrimSpace(raw)
	if isBSUID(raw) {
		id, ok = NormalizeID(BSUID, raw)
		return id, ok, ok
	}
	digits, _ := phoneDigits(raw)
	if digits == "" {
		return Identifier{}, false, false
	}
	e164, valid := parsePhone("+"+digits, "")
	if !valid {
		e164 = digits
	}
	return Identifier{Kind: Phone, Value: e164}, valid, true
}

func isBSUID(s string) bool {
	return len(s) > 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] == '.'
}

// parsePhone returns the E.164 of text in its one spelling, empty when it is not valid;
// region is empty for an international number.
func parsePhone(text, region string) (e164 string, valid bool) {
	number, err := phonenumbers.Parse(text, region)
	if err != nil {
		return "", false
	}
	valid = phonenumbers.IsValidNumber(number)
	if respell(number) && !valid {
		valid = phonenumbers.IsValidNumber(number)
	}
	if !valid {
		return "", false
	}
	return formatE164(number), true
}

// formatE164 is the library's own format of a number that is valid, in one allocation.
func formatE164(number *phonenumbers.PhoneNumber) string {
	text := append(make([]byte, 0, 20), '+')
	text = strconv.AppendInt(text, int64(number.GetCountryCode()), 10)
	if number.GetItalianLeadingZero() {
		for range number.GetNumberOfLeadingZeros() {
			text = append(text, '0')
		}
	}
	return string(strconv.AppendUint(text, number.GetNationalNumber(), 10))
}

// respell brings the numbers that one subscriber can have in two spellings to the
// one that we keep, and says whether it changed anything. WhatsApp uses the old
// spellings in wa_ids long after a country gave them up.
func respell(number *phonenumbers.PhoneNumber) bool {
	national := number.GetNationalNumber()
	switch number.GetCountryCode() {
	case 52: // Mexico: 1 and ten digits, without the 1
		if national/1e10 != 1 {
			return false
		}
		national -= 1e10
	case 54: // Argentina: 9 and ten digits, without the 9
		if national/1e10 != 9 {
			return false
		}
		national -= 9e10
	case 55: // Brazil: area (two digits) and a mobile's eight, which begin with 6 to 9, with a 9 between
		area, local := national/1e8, national%1e8
		if area < 11 || area > 99 || local < 6e7 {
			return false
		}
		national = area*1e9 + 9e8 + local
	default:
		return false
	}
	number.NationalNumber = &national
	return true
}

// phoneDigits returns the digits of s in ASCII and whether a plus stands before the
// first of them.
func phoneDigits(s string) (digits string, plus bool) {
	var b strings.Builder
	for _, r := range s {
		if d, ok := decimalDigit(r); ok {
			b.WriteByte(d)
		} else if b.Len() == 0 && (r == '+' || r == '＋' || r == '﹢' || r == '⁺') {
			plus = true
		}
	}
	return b.String(), plus
}

// foldDigits writes all decimal digits and plus signs of s in ASCII and spaces of
// all kinds as one kind; the rest stays for libphonenumber to read (extensions,
// letters of vanity numbers).
func foldDigits(s string) string {
	return strings.Map(func(r rune) rune {
		if d, ok := decimalDigit(r); ok {
			return rune(d)
		}
		switch {
		case r == '＋' || r == '﹢' || r == '⁺':
			return '+'
		case unicode.IsSpace(r):
			return ' '
		case r == 0 || unicode.Is(unicode.Cf, r): // zero-width and direction marks, pasted along
			return -1
		}
		return r
	}, s)
}

// decimalDigit returns the ASCII digit that r is in some script. In Unicode the ten
// decimal digits of a script follow one another, from a zero on; ranges of the table
// hold whole tens.
func decimalDigit(r rune) (byte, bool) {
	if r >= '0' && r <= '9' {
		return byte(r), true
	}
	if r < 0x80 || !unicode.Is(unicode.Nd, r) {
		return 0, false
	}
	for _, of := range unicode.Nd.R16 {
		if rune(of.Lo) <= r && r <= rune(of.Hi) {
			return '0' + byte((r-rune(of.Lo))%10), true
		}
	}
	for _, of := range unicode.Nd.R32 {
		if rune(of.Lo) <= r && r <= rune(of.Hi) {
			return '0' + byte((r-rune(of.Lo))%10), true
		}
	}
	return 0, false
}
