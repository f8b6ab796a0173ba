package postgres

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgtype"
)

// plainDigits is how many digits and a point a decimal has at most that is encoded here;
// longer ones are left to pgx. Any amount of money is shorter.
const plainDigits = 60

// appendNumeric appends a decimal as the server takes it: digits to the base of 10,000, so
// that a group of them ends at the point.
func appendNumeric(buf []byte, text string) ([]byte, error) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, part, _ := strings.Cut(digits, ".")
	if whole == "" || len(digits) > plainDigits || !isDigits(whole) || !isDigits(part) || strings.HasSuffix(digits, ".") {
		return appendAnyNumeric(buf, text)
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

// appendAnyNumeric is by way of pgx.
func appendAnyNumeric(buf []byte, text string) ([]byte, error) {
	var n pgtype.Numeric
	if err := n.Scan(text); err != nil {
		return buf, fmt.Errorf("%q is no decimal: %w", text, err)
	}
	return texts.Encode(pgtype.NumericOID, pgtype.BinaryFormatCode, n, buf)
}
