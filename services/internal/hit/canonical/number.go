package canonical

import "strconv"

// maxExponent bounds the decimal exponent of a number. Floats end at 308; the bound
// keeps whoever calculates with exponents from overflowing.
const maxExponent = 9999

// number reads a number and writes its exact decimal in the layout that ECMAScript
// gives to numbers (RFC 8785 section 3.2.2.3).
func (p *writer) number() bool {
	negative := p.take('-')
	start := len(p.out) // the digits are gathered here, and laid out over themselves
	whole := p.digits()
	if whole == 0 || whole > 1 && p.out[start] == '0' {
		return false
	}
	if p.take('.') && p.digits() == 0 {
		return false
	}
	exponent, ok := p.exponent()
	if !ok {
		return false
	}
	digits := p.out[start:]
	point := whole + exponent // the value is 0.digits x 10^point
	for len(digits) > 0 && digits[0] == '0' {
		digits, point = digits[1:], point-1
	}
	for len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits = digits[:len(digits)-1]
	}
	if len(digits) == 0 {
		p.out = append(p.out[:start], '0') // -0 too
		return true
	}
	if point > maxExponent || point < -maxExponent {
		return false
	}
	var few [40]byte
	digits = append(few[:0], digits...)
	p.out = p.out[:start]
	if negative {
		p.out = append(p.out, '-')
	}
	p.out = appendDecimal(p.out, digits, point)
	return true
}

// digits moves a run of digits to the output and returns its length.
func (p *writer) digits() int {
	start := p.at
	for p.at < len(p.in) && p.in[p.at] >= '0' && p.in[p.at] <= '9' {
		p.at++
	}
	p.out = append(p.out, p.in[start:p.at]...)
	return p.at - start
}

// exponent reads an exponent if there is one. Far beyond maxExponent it stops
// counting: the leading zeros of a fraction may still bring the number back only
// when the text is as long as the exponent, which no accepted body is.
func (p *writer) exponent() (exponent int, ok bool) {
	if !p.take('e') && !p.take('E') {
		return 0, true
	}
	negative := p.take('-')
	if !negative {
		p.take('+')
	}
	start := p.at
	for p.at < len(p.in) && p.in[p.at] >= '0' && p.in[p.at] <= '9' {
		if exponent < 1<<40 {
			exponent = exponent*10 + int(p.in[p.at]-'0')
		}
		p.at++
	}
	if negative {
		exponent = -exponent
	}
	return exponent, p.at > start
}

// appendDecimal lays out 0.digits x 10^point; digits has no zero at either end.
func appendDecimal(dst, digits []byte, point int) []byte {
	n := len(digits)
	switch {
	case n <= point && point <= 21:
		return appendZeros(append(dst, digits...), point-n)
	case 0 < point && point <= 21:
		dst = append(append(dst, digits[:point]...), '.')
		return append(dst, digits[point:]...)
	case -6 < point && point <= 0:
		return append(appendZeros(append(dst, "0."...), -point), digits...)
	}
	dst = append(dst, digits[0])
	if n > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	dst = append(dst, 'e')
	if point > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(point-1), 10)
}

func appendZeros(dst []byte, n int) []byte {
	for range n {
		dst = append(dst, '0')
	}
	return dst
}
