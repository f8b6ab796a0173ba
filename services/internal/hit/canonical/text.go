package canonical

import (
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string, its opening quote next, and writes what it spells without
// quotes.
func (p *writer) text() bool {
	p.at++
	for p.at < len(p.in) {
		switch c := p.in[p.at]; {
		case c == '"':
			p.at++
			return true
		case c == '\\':
			if !p.escape() {
				return false
			}
		case c < ' ':
			return false
		case c < utf8.RuneSelf:
			p.plain()
		default:
			r, size := utf8.DecodeRune(p.in[p.at:])
			p.out = utf8.AppendRune(p.out, r) // U+FFFD for a byte that is no UTF-8
			p.at += size
		}
	}
	return false
}

// plain copies the run of bytes that stand for themselves.
func (p *writer) plain() {
	end := p.at
	for end < len(p.in) {
		if c := p.in[end]; c < ' ' || c >= utf8.RuneSelf || c == '"' || c == '\\' {
			break
		}
		end++
	}
	p.out = append(p.out, p.in[p.at:end]...)
	p.at = end
}

// escape reads one escape sequence.
func (p *writer) escape() bool {
	if p.at+1 >= len(p.in) {
		return false
	}
	c := p.in[p.at+1]
	p.at += 2
	switch c {
	case '"', '\\', '/':
		p.character(rune(c))
	case 'b':
		p.character('\b')
	case 't':
		p.character('\t')
	case 'n':
		p.character('\n')
	case 'f':
		p.character('\f')
	case 'r':
		p.character('\r')
	case 'u':
		return p.unicodeEscape()
	default:
		return false
	}
	return true
}

// unicodeEscape reads the digits of a \u escape, and the escape after it when the
// two are a surrogate pair.
func (p *writer) unicodeEscape() bool {
	r, ok := p.hex4(p.at)
	if !ok {
		return false
	}
	p.at += 4
	if utf16.IsSurrogate(r) {
		second := rune(-1)
		if p.at+1 < len(p.in) && p.in[p.at] == '\\' && p.in[p.at+1] == 'u' {
			second, _ = p.hex4(p.at + 2)
		}
		r = utf16.DecodeRune(r, second) // U+FFFD for a lone one; what follows it is read next
		if r != utf8.RuneError {
			p.at += 6
		}
	}
	p.character(r)
	return true
}

func (p *writer) hex4(at int) (rune, bool) {
	if at+4 > len(p.in) {
		return -1, false
	}
	var r rune
	for _, c := range p.in[at : at+4] {
		digit, ok := hexDigit(c)
		if !ok {
			return -1, false
		}
		r = r<<4 | rune(digit)
	}
	return r, true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// character writes one character as RFC 8785 section 3.2.2.2 spells it.
func (p *writer) character(r rune) { p.out = appendCharacter(p.out, r) }

func appendCharacter(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, `\b`...)
	case '\t':
		return append(dst, `\t`...)
	case '\n':
		return append(dst, `\n`...)
	case '\f':
		return append(dst, `\f`...)
	case '\r':
		return append(dst, `\r`...)
	case 0:
		r = utf8.RuneError
	}
	if r < ' ' {
		return append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}
