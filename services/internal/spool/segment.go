package spool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"
)

const (
	magic      = "TLSPOOL1"
	headerSize = int64(len(magic) + 8)
	frameSize  = 8 // length and checksum of a record
	// maxRecord bounds what a damaged length can make us read.
	maxRecord = 256 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errTorn says that bytes at an offset are no whole record.
var errTorn = errors.New("torn record")

// segment is one file of a log.
type segment struct {
	number int64
	path   string
	begun  time.Time
	size   int64 // of header and whole records
}

// frame puts length and checksum before a payload.
func frame(payload []byte) []byte {
	framed := make([]byte, frameSize+len(payload))
	binary.BigEndian.PutUint32(framed, uint32(len(payload)))
	copy(framed[frameSize:], payload)
	binary.BigEndian.PutUint32(framed[4:], checksum(framed[:4], payload))
	return framed
}

func checksum(length, payload []byte) uint32 {
	return crc32.Update(crc32.Checksum(length, castagnoli), castagnoli, payload)
}

// readRecord reads the record at an offset. It returns io.EOF at the end and errTorn
// when what is there is no whole record.
func readRecord(file io.ReaderAt, at int64) ([]byte, error) {
	var head [frameSize]byte
	n, err := file.ReadAt(head[:], at)
	if n == 0 && errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if n < frameSize {
		return nil, tornOr(err)
	}
	length := binary.BigEndian.Uint32(head[:4])
	if length > maxRecord {
		return nil, errTorn
	}
	payload := make([]byte, length)
	if n, err := file.ReadAt(payload, at+frameSize); n < len(payload) {
		return nil, tornOr(err)
	}
	if checksum(head[:4], payload) != binary.BigEndian.Uint32(head[4:]) {
		return nil, errTorn
	}
	return payload, nil
}

func tornOr(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return err
}

// header is what a segment begins with.
func header(begun time.Time) []byte {
	return binary.BigEndian.AppendUint64([]byte(magic), uint64(begun.UnixMicro()))
}

// openSegment looks at a segment: at its header alone, or (last) at all its records,
// to find where they end.
func openSegment(path string, number int64, last bool) (segment, error) {
	s := segment{number: number, path: path}
	file, err := os.Open(path)
	if err != nil {
		return s, fmt.Errorf("open segment: %w", err)
	}
	defer file.Close()
	head := make([]byte, headerSize)
	if n, err := file.ReadAt(head, 0); int64(n) < headerSize || string(head[:len(magic)]) != magic {
		if err = tornOr(err); !errors.Is(err, errTorn) {
			return s, fmt.Errorf("read segment %s: %w", path, err)
		}
		return s, nil // torn in its header: it holds nothing
	}
	s.begun = time.UnixMicro(int64(binary.BigEndian.Uint64(head[len(magic):])))
	s.size = headerSize
	if !last {
		info, err := file.Stat()
		if err != nil {
			return s, fmt.Errorf("read segment: %w", err)
		}
		s.size = info.Size()
		return s, nil
	}
	for {
		payload, err := readRecord(file, s.size)
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errTorn):
			return s, nil
		case err != nil:
			return s, fmt.Errorf("read segment %s: %w", path, err)
		}
		s.size += frameSize + int64(len(payload))
	}
}

// syncDir makes the entries of a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
