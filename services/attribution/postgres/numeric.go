package postgres

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// The most digits that a decimal of the server has before the point, and behind.
const mostWhole, mostPart = 131_072, 16_383

// appendNumeric appends a decimal as the server takes it: digits to the base of 10,000, so
// that a group of them ends at the point. A text that is none appends nothing.
func appendNumeric(buf []byte, text string) ([]byte, error) {
	digits, negative := strings.CutPrefix(text, "-")
	if !negative {
		digits = strings.TrimPrefix(text, "+")
	}
	whole, part, _ := strings.Cut(digits, ".")
	if whole == "" && part == "" || len(whole) > mostWhole || len(part) > mostPart || !isDigits(whole) || !isDigits(part) {
		return buf, fmt.Errorf("%.80q is no decimal", text)
	}
	whole = strings.TrimLeft(whole, "0")
	sign := uint16(0)
	if negative && strings.Trim(digits, "0.") != "" {
		sign = 0x4000
	}
	groups := (len(whole) + 3) / 4
	for _, word := range []uint16{uint16(groups + (len(part)+3)/4), uint16(int16(groups - 1)), sign, uint16(len(part))} {
		buf = binary.BigEndian.AppendUint16(buf, word)
	}
	for end := len(whole) - 4*(groups-1); groups > 0; groups, end = groups-1, end+4 {
		buf = appendGroup(buf, whole[max(end-4, 0):end], 0)
	}
	for begin := 0; begin < len(part); begin += 4 {
		end := min(begin+4, len(part))
		buf = appendGroup(buf, part[begin:end], 4-(end-begin))
	}
	return buf, nil
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return true
}

// appendGroup appends up to four digits and so many zeros behind them.
func appendGroup(buf []byte, digits string, zeros int) []byte {
	n := uint16(0)
	for i := range len(digits) {
		n = 10*n + uint16(digits[i]-'0')
	}
	for range zeros {
		n *= 10
	}
	return binary.BigEndian.AppendUint16(buf, n)
}
