package hit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/google/uuid"
)

// The errors of the codec.
var (
	// ErrVersion is a hit encoded by a newer (or no) version of this package. It is
	// to be kept, not dropped: whoever is upgraded next can read it.
	ErrVersion = errors.New("hit: unknown encoding version")
	// ErrMalformed is a hit that no version wrote.
	ErrMalformed = errors.New("hit: malformed encoding")
	// ErrTooLarge is a hit that does not fit into [MaxEncoded].
	ErrTooLarge = errors.New("hit: too large to encode")
)

const (
	// Version is the newest version there is, and the largest first byte of what
	// [Encode] writes. 1 has all but the consent of a fact, which came with 2.
	Version byte = 2

	// MaxEncoded bounds one encoded hit in bytes. The largest webhook body is 3 MB,
	// and a rejection holds one whole; the rest is room.
	MaxEncoded = 8 << 20

	// maxElements bounds each list, so that few bytes cannot make a large one.
	maxElements = 1 << 16

	end byte = 0 // tag that ends a structure
)

// Encode appends h to dst: the oldest version that can hold it, then for each field that is not zero its
// tag and value, then a zero. Structures inside are written alike. See fields.go
// for the tags.
func Encode(dst []byte, h *Hit) ([]byte, error) {
	start := len(dst)
	c := codec{version: h.version(), out: append(dst, h.version()), writing: true}
	h.fields(&c)
	c.out = append(c.out, end)
	if len(c.out)-start > MaxEncoded {
		return dst, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(c.out)-start)
	}
	return c.out, nil
}

// Decode reads what [Encode] wrote. It keeps no reference to b and never uses much
// more memory than b has bytes, whatever they are.
func Decode(b []byte) (Hit, error) {
	if len(b) == 0 {
		return Hit{}, ErrMalformed
	}
	if b[0] == 0 || b[0] > Version {
		return Hit{}, fmt.Errorf("%w: %d", ErrVersion, b[0])
	}
	if len(b) > MaxEncoded {
		return Hit{}, ErrMalformed
	}
	var h Hit
	c := codec{version: b[0], in: string(b[1:])} // one copy, which all texts of the hit share
	read(&c, &h, (*Hit).fields)
	if c.bad || c.in != "" {
		return Hit{}, ErrMalformed
	}
	return h, nil
}

// codec goes through the fields of a structure in either direction, so that writing
// and reading cannot disagree: each type lists its fields once, in fields.go.
// Reading, it goes through the list once per field met and only that whose tag is
// next does anything.
type codec struct {
	out     []byte // writing
	in      string // reading: what is left
	tag     byte   // reading: whose value is next; zero once it was read
	version byte
	writing bool
	bad     bool
}

// read reads one structure up to its end.
func read[T any](c *codec, v *T, fields func(*T, *codec)) {
	for !c.bad {
		tag := c.byte()
		if tag == end {
			return
		}
		c.tag = tag
		fields(v, c)
		if c.tag != 0 { // a tag that this version does not know
			c.bad = true
		}
	}
}

// here says whether the value of tag is next, and takes the tag.
func (c *codec) here(tag byte) bool {
	if c.tag != tag {
		return false
	}
	c.tag = 0
	return true
}

func (c *codec) byte() byte {
	if c.in == "" {
		c.bad = true
		return end
	}
	b := c.in[0]
	c.in = c.in[1:]
	return b
}

func (c *codec) take(n int) string {
	if n > len(c.in) {
		c.bad = true
		return ""
	}
	s := c.in[:n]
	c.in = c.in[n:]
	return s
}

// length reads the length of a text.
func (c *codec) length() int {
	n := c.uvarint()
	if n > uint64(len(c.in)) {
		c.bad = true
		return 0
	}
	return int(n)
}

func (c *codec) uvarint() uint64 {
	var x uint64
	for i := range binary.MaxVarintLen64 {
		b := c.byte()
		if b < 0x80 {
			if i == binary.MaxVarintLen64-1 && b > 1 {
				break // more than 64 bits
			}
			return x | uint64(b)<<(7*i)
		}
		x |= uint64(b&0x7f) << (7 * i)
	}
	c.bad = true
	return 0
}

// integer is a field of any integer type.
func integer[T ~int | ~int64 | ~uint8](c *codec, tag byte, v *T) {
	switch {
	case c.writing:
		if *v != 0 {
			c.out = binary.AppendVarint(append(c.out, tag), int64(*v))
		}
	case c.here(tag):
		u := c.uvarint()
		n := int64(u>>1) ^ -int64(u&1)
		*v = T(n)
		if int64(*v) != n {
			c.bad = true
		}
	}
}

// text is a field of any string type.
func text[T ~string](c *codec, tag byte, v *T) {
	switch {
	case c.writing:
		if *v != "" {
			c.out = binary.AppendUvarint(append(c.out, tag), uint64(len(*v)))
			c.out = append(c.out, *v...)
		}
	case c.here(tag):
		*v = T(c.take(c.length()))
	}
}

// raw is a field of bytes; an empty one is read as nil.
func raw[T ~[]byte](c *codec, tag byte, v *T) {
	switch {
	case c.writing:
		if len(*v) > 0 {
			c.out = binary.AppendUvarint(append(c.out, tag), uint64(len(*v)))
			c.out = append(c.out, *v...)
		}
	case c.here(tag):
		*v = T(c.take(c.length()))
	}
}

func (c *codec) flag(tag byte, v *bool) {
	switch {
	case c.writing:
		if *v {
			c.out = append(c.out, tag)
		}
	case c.here(tag):
		*v = true
	}
}

func (c *codec) id(tag byte, v *uuid.UUID) {
	switch {
	case c.writing:
		if *v != uuid.Nil {
			c.out = append(append(c.out, tag), v[:]...)
		}
	case c.here(tag):
		copy(v[:], c.take(len(v)))
	}
}

// texts is a list of texts: its tag once per element.
func (c *codec) texts(tag byte, v *[]string) {
	if c.writing {
		for i := range *v {
			c.out = binary.AppendUvarint(append(c.out, tag), uint64(len((*v)[i])))
			c.out = append(c.out, (*v)[i]...)
		}
		return
	}
	if c.here(tag) {
		c.bad = c.bad || len(*v) >= maxElements
		*v = append(*v, c.take(c.length()))
	}
}

// inner is a structure within the structure.
func inner[T any](c *codec, tag byte, v *T, fields func(*T, *codec)) {
	switch {
	case c.writing:
		c.out = append(c.out, tag)
		fields(v, c)
		c.out = append(c.out, end)
	case c.here(tag):
		read(c, v, fields)
	}
}

// optional is a structure that may be absent.
func optional[T any](c *codec, tag byte, v **T, fields func(*T, *codec)) {
	switch {
	case c.writing:
		if *v != nil {
			inner(c, tag, *v, fields)
		}
	case c.here(tag):
		*v = new(T)
		read(c, *v, fields)
	}
}

// list is a list of structures: its tag once per element.
func list[T any](c *codec, tag byte, v *[]T, fields func(*T, *codec)) {
	if c.writing {
		for i := range *v {
			inner(c, tag, &(*v)[i], fields)
		}
		return
	}
	if c.here(tag) {
		c.bad = c.bad || len(*v) >= maxElements
		var element T
		read(c, &element, fields)
		*v = append(*v, element)
	}
}
