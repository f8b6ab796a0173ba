package spool

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	suffix   = ".seg"
	markFile = "mark" // how far the log has been dropped: segment, offset, checksum
)

// Position is a place between two records of a log. The zero position is its
// beginning.
type Position struct {
	segment, offset int64
}

// Log is one append-only sequence of records. It is safe for concurrent use.
type Log struct {
	spool *Spool
	name  string
	dir   string

	// write is held while a record goes to disk, mu never: reading does not wait for a
	// disk at work. Who needs both takes write first.
	write  sync.Mutex
	file   *os.File // of the last segment; nil: none is open for writing
	broken error

	mu       sync.Mutex
	segments []segment // ascending; the last is written to
	mark     Position  // everything before it has been dropped
	reader   *os.File  // of segment reading
	reading  int64

	// What stats tells, without waiting for a disk at work: set under mu.
	bytes  atomic.Int64
	oldest atomic.Int64 // microseconds since 1970; 0: nothing is held
}

// openLog finds the segments of a log and cuts off what a crash tore.
func (s *Spool) openLog(name string) (*Log, error) {
	if name == "" || name[0] == '.' || strings.ContainsRune(name, filepath.Separator) {
		return nil, fmt.Errorf("log %q: not a name", name)
	}
	l := &Log{spool: s, name: name, dir: filepath.Join(s.dir, name)}
	entries, err := os.ReadDir(l.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	var numbers []int64
	for _, e := range entries {
		digits, isSegment := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseInt(digits, 16, 64); isSegment && err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	for i, n := range numbers {
		if err := l.find(n, i == len(numbers)-1); err != nil {
			return nil, err
		}
	}
	l.mark = l.readMark()
	err = l.forgetDropped(false)
	l.count()
	return l, err
}

func (l *Log) find(number int64, last bool) error {
	one, err := openSegment(l.path(number), number, last)
	if err != nil {
		return err
	}
	info, err := os.Stat(one.path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	if torn := info.Size() - one.size; torn > 0 {
		l.spool.cfg.Logger.Warn("cut off a torn record", "log", l.name, "segment", number, "bytes", torn)
		if err := os.Truncate(one.path, one.size); err != nil {
			return fmt.Errorf("cut off a torn record: %w", err)
		}
	}
	l.segments = append(l.segments, one)
	return nil
}

func (l *Log) path(number int64) string {
	return filepath.Join(l.dir, fmt.Sprintf("%016x%s", number, suffix))
}

// Name is the log's name in its spool.
func (l *Log) Name() string { return l.name }

// Append keeps a record and returns once it is on disk. After an error the record is
// not kept, unless it is [ErrBroken]: then it may be found when the log is opened
// again.
func (l *Log) Append(payload []byte) error {
	framed := frame(payload)
	if err := l.spool.admit(int64(len(framed))); err != nil {
		return err
	}
	l.write.Lock()
	defer l.write.Unlock()
	if l.broken != nil {
		return l.broken
	}
	last, err := l.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFull, err)
	}
	_, err = l.file.WriteAt(framed, last.size)
	if err == nil {
		err = l.file.Sync()
	}
	if err == nil {
		l.grow(int64(len(framed)))
		return nil
	}
	// What reached the disk is taken back. A disk that fails in this too is not to be
	// trusted with anything.
	if back := errors.Join(l.file.Truncate(last.size), l.file.Sync()); back != nil {
		l.broken = fmt.Errorf("%w: %w", ErrBroken, errors.Join(err, back))
		return l.broken
	}
	return fmt.Errorf("%w: %w", ErrFull, err)
}

// grow makes a record seen that is on disk.
func (l *Log) grow(size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[len(l.segments)-1].size += size
	l.count()
}

// open returns the segment to write to. Only Append and the removal of a segment,
// which hold write, change which one is the last.
func (l *Log) open() (segment, error) {
	l.mu.Lock()
	var last segment
	if n := len(l.segments); n > 0 {
		last = l.segments[n-1]
	}
	l.mu.Unlock()
	if l.file == nil && last.size >= headerSize {
		file, err := os.OpenFile(last.path, os.O_RDWR, 0o600)
		if err != nil {
			return last, err
		}
		l.file = file
	}
	if l.file != nil && last.size < l.spool.cfg.Segment {
		return last, nil
	}
	return l.roll(last.number)
}

// roll begins the segment after the last one.
func (l *Log) roll(last int64) (segment, error) {
	number := max(last, l.Start().segment) + 1
	next := segment{number: number, path: l.path(number), begun: l.spool.cfg.Now(), size: headerSize}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return next, err
	}
	file, err := os.OpenFile(next.path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return next, err
	}
	_, err = file.Write(header(next.begun))
	if err = errors.Join(err, file.Sync(), syncDir(l.dir), syncDir(l.spool.dir)); err != nil {
		return next, errors.Join(err, file.Close(), os.Remove(next.path))
	}
	l.closeFile()
	l.file = file
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments = append(l.segments, next)
	return next, nil
}

// closeFile closes what is written to. Every record in it has been synced.
func (l *Log) closeFile() {
	if l.file == nil {
		return
	}
	if err := l.file.Close(); err != nil {
		l.spool.cfg.Logger.Warn("close a segment", "log", l.name, "error", err)
	}
	l.file = nil
}

// Start is the position of the oldest record that was not dropped.
func (l *Log) Start() Position {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mark
}

// Empty reports whether every record has been dropped.
func (l *Log) Empty() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.empty()
}

func (l *Log) empty() bool {
	for _, s := range l.segments {
		if s.number > l.mark.segment && s.size > headerSize || s.number == l.mark.segment && s.size > l.mark.offset {
			return false
		}
	}
	return true
}

// Read returns the record at or after a position and the position behind it. It
// returns io.EOF and the position of the end when there is none (yet). A segment that the disk damaged is read
// up to the damage, and an error is logged: the rest of it is lost.
func (l *Log) Read(at Position) (payload []byte, next Position, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at.before(l.mark) {
		at = l.mark
	}
	for _, s := range l.segments {
		switch {
		case s.number < at.segment:
			continue
		case s.number > at.segment:
			at = Position{s.number, headerSize}
		}
		if at.offset >= s.size {
			continue
		}
		payload, err := l.readAt(s, at.offset)
		if err == nil {
			return payload, Position{s.number, at.offset + frameSize + int64(len(payload))}, nil
		}
		if !errors.Is(err, errTorn) && !errors.Is(err, io.EOF) {
			return nil, at, fmt.Errorf("read log %s: %w", l.name, err)
		}
		l.spool.cfg.Logger.Error("a segment of the spool is damaged, what follows in it is lost", "log", l.name, "segment", s.number, "offset", at.offset, "bytes", s.size-at.offset)
	}
	if n := len(l.segments); n > 0 {
		at = Position{l.segments[n-1].number, l.segments[n-1].size}
	}
	return nil, at, io.EOF
}

// readAt reads a record of a segment, and keeps the file open for the next one.
func (l *Log) readAt(s segment, at int64) ([]byte, error) {
	if l.reader == nil || l.reading != s.number {
		file, err := os.Open(s.path)
		if err != nil {
			return nil, err
		}
		if l.reader != nil {
			_ = l.reader.Close() // it was only read
		}
		l.reader, l.reading = file, s.number
	}
	return readRecord(l.reader, at)
}

func (p Position) before(q Position) bool {
	return cmp.Or(cmp.Compare(p.segment, q.segment), cmp.Compare(p.offset, q.offset)) < 0
}

// Drop forgets everything before a position. After a crash some of it may come back:
// the mark is written, but not synced.
func (l *Log) Drop(until Position) error {
	// Without it the last segment stays: it is growing, or the next drop gets it.
	writing := !l.write.TryLock()
	if !writing {
		defer l.write.Unlock()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.mark.before(until) {
		return nil
	}
	l.mark = until
	err := l.forgetDropped(writing)
	l.count()
	return errors.Join(err, l.writeMark())
}

// forgetDropped deletes the segments that hold nothing any more, but for the last
// while it is written to.
func (l *Log) forgetDropped(writing bool) error {
	for len(l.segments) > 0 {
		s := l.segments[0]
		gone := s.number < l.mark.segment || s.number == l.mark.segment && s.size <= l.mark.offset || s.size <= headerSize
		if !gone || len(l.segments) == 1 && writing {
			return nil
		}
		if len(l.segments) == 1 {
			l.closeFile()
		}
		if err := os.Remove(s.path); err != nil {
			return fmt.Errorf("delete a drained segment: %w", err)
		}
		if end := (Position{s.number, s.size}); l.mark.before(end) {
			l.mark = end
		}
		l.segments = l.segments[1:]
	}
	return nil
}

func (l *Log) writeMark() error {
	raw := binary.BigEndian.AppendUint64(nil, uint64(l.mark.segment))
	raw = binary.BigEndian.AppendUint64(raw, uint64(l.mark.offset))
	if err := os.WriteFile(filepath.Join(l.dir, markFile), frame(raw), 0o600); err != nil {
		return fmt.Errorf("note how far log %s is drained: %w", l.name, err)
	}
	return nil
}

// readMark returns the zero position when there is no mark or a torn one: then
// records come again, which their readers must bear anyway.
func (l *Log) readMark() Position {
	file, err := os.Open(filepath.Join(l.dir, markFile))
	if err != nil {
		return Position{}
	}
	defer file.Close()
	raw, err := readRecord(file, 0)
	if err != nil || len(raw) != 16 {
		return Position{}
	}
	return Position{int64(binary.BigEndian.Uint64(raw)), int64(binary.BigEndian.Uint64(raw[8:]))}
}

// count notes what the log holds.
func (l *Log) count() {
	var bytes, oldest int64
	if !l.empty() {
		oldest = l.segments[0].begun.UnixMicro()
		for _, s := range l.segments {
			bytes += s.size
		}
	}
	l.bytes.Store(bytes)
	l.oldest.Store(oldest)
}

func (l *Log) stats() Stats {
	has := Stats{Bytes: l.bytes.Load()}
	if oldest := l.oldest.Load(); oldest != 0 {
		has.Oldest = time.UnixMicro(oldest)
	}
	return has
}

func (l *Log) close() {
	l.write.Lock()
	defer l.write.Unlock()
	l.closeFile()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reader != nil {
		_ = l.reader.Close() // it was only read
		l.reader = nil
	}
}

func (l *Log) remove() error {
	l.close()
	if err := os.RemoveAll(l.dir); err != nil {
		return fmt.Errorf("remove log: %w", err)
	}
	return nil
}
