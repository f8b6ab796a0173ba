package stock

import (
	"cmp"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"sync"
)

// Rows are rows that came in any order, each to be read by its place: one of so many that were
// known before. Whoever fills them calls Add and then End; after that they are safe for
// concurrent use.
type Rows struct {
	room   *Room
	at     []position // by place
	memory [][]byte   // pieces, the first ones
	piece  []byte     // being filled
	kept   int64      // offset of the end of all pieces that were kept
	full   bool

	use   sync.RWMutex // against closing
	file  *os.File     // pieces behind those in memory; nil: none
	taken int64        // of the room on disk
	shut  bool

	unkept, unread sync.Once // told of
}

// position is where a row begins, counted over all pieces, and its length; 0: it did not come.
type position uint64

// lengthBits leave 40 for the offset: a terabyte.
const (
	lengthBits = 24
	maxLength  = 1<<lengthBits - 1
	maxKept    = 1 << (64 - lengthBits) // bytes of all pieces
)

func (p position) offset() int64 { return int64(p >> lengthBits) }
func (p position) end() int64    { return p.offset() + int64(p&maxLength) }

// Rows returns none yet, of so many places.
func (r *Room) Rows(places int) *Rows { return &Rows{room: r, at: make([]position, places)} }

// Add keeps a row, if there is room. Places that there are not are passed over.
func (s *Rows) Add(place int32, columns [][]byte) {
	size := 0
	for _, column := range columns {
		size += 4 + len(column)
	}
	if s.full || size > s.room.cfg.Piece || place < 0 || int(place) >= len(s.at) {
		return
	}
	if len(s.piece)+size > s.room.cfg.Piece && !s.put() {
		return
	}
	if s.piece == nil {
		s.piece = make([]byte, 0, s.room.cfg.Piece)
	}
	s.at[place] = position(s.kept+int64(len(s.piece)))<<lengthBits | position(size)
	for _, column := range columns {
		s.piece = binary.BigEndian.AppendUint32(s.piece, uint32(len(column)))
		s.piece = append(s.piece, column...)
	}
}

// End keeps what came last.
func (s *Rows) End() {
	if len(s.piece) > 0 && !s.full {
		s.put()
	}
	s.piece = nil
}

// put lays the piece beside the others and says whether there may be another. Where there is no
// room, neither what is in it nor what comes later is kept.
func (s *Rows) put() bool {
	size := int64(s.room.cfg.Piece)
	if s.inMemory()+size <= s.room.cfg.Memory {
		s.memory, s.piece = append(s.memory, s.piece), nil
	} else {
		if err := s.write(size); err != nil {
			s.full = true
			if s.room.cfg.Disk > 0 {
				s.tell(&s.unkept, "facts of a build find no room and are read one by one", err)
			}
			return false
		}
		s.piece = s.piece[:0]
	}
	if s.kept += size; s.kept+size > maxKept { // no position says where a row of the next one begins
		s.full = true
		s.tell(&s.unkept, "facts of a build find no room and are read one by one", errMost)
	}
	return !s.full
}

// inMemory is how many bytes pieces in memory have.
func (s *Rows) inMemory() int64 { return int64(len(s.memory)) * int64(s.room.cfg.Piece) }

// errRoom says that all files together are as large as they may be.
var errRoom = errors.New("the room on disk is taken")

// errMost says that no more can be kept, however much room there is.
var errMost = errors.New("a terabyte is kept")

// write puts the piece at the end of the file.
func (s *Rows) write(size int64) (err error) {
	if !s.room.take(size) {
		return errRoom
	}
	s.taken += size
	if s.file == nil {
		if s.file, err = s.room.file(); err != nil {
			return err
		}
	}
	_, err = s.file.WriteAt(s.piece, s.kept-s.inMemory())
	return err
}

// tell says once what goes wrong.
func (s *Rows) tell(once *sync.Once, what string, err error) {
	once.Do(func() { s.room.cfg.Log.Warn(what, "error", err, "limit", s.room.cfg.Disk) })
}

// asked is a row that is in the file.
type asked struct {
	position
	which int
}

// Read calls each for those of places of which there is a row, in any order, with its columns,
// which are valid until each returns. It returns which of places, ascending, have none.
func (s *Rows) Read(places []int32, each func(which int, columns [][]byte)) (missing []int) {
	s.use.RLock()
	defer s.use.RUnlock()
	var columns [][]byte
	var filed []asked
	for i, place := range places {
		switch at := s.find(place); {
		case at == 0:
			missing = append(missing, i)
		case at.offset() < s.inMemory():
			piece := s.memory[at.offset()/int64(s.room.cfg.Piece)]
			begin := at.offset() % int64(s.room.cfg.Piece)
			columns = split(columns[:0], piece[begin:begin+at.end()-at.offset()])
			each(i, columns)
		default:
			filed = append(filed, asked{at, i})
		}
	}
	if len(filed) == 0 {
		return missing
	}
	missing = append(missing, s.readFile(filed, each)...)
	slices.Sort(missing)
	return missing
}

// find is where a row is; 0: nowhere.
func (s *Rows) find(place int32) position {
	if s.shut || place < 0 || int(place) >= len(s.at) || s.at[place].offset() >= s.kept {
		return 0
	}
	return s.at[place]
}

const (
	readGap  = 4 << 10  // bytes nobody asked for that are read rather than to read once more
	readMost = 64 << 10 // bytes read at once, unless one row is longer
)

// readFile reads rows forwards and returns those that cannot be read.
func (s *Rows) readFile(filed []asked, each func(which int, columns [][]byte)) (missing []int) {
	slices.SortFunc(filed, func(a, b asked) int { return cmp.Compare(a.position, b.position) })
	var buffer []byte
	var columns [][]byte
	for len(filed) > 0 {
		begin, end, n := filed[0].offset(), filed[0].end(), 1
		for n < len(filed) && filed[n].offset() <= end+readGap && filed[n].end()-begin <= readMost {
			end = filed[n].end()
			n++
		}
		buffer = slices.Grow(buffer[:0], int(end-begin))[:end-begin]
		_, err := s.file.ReadAt(buffer, begin-s.inMemory())
		if err != nil {
			s.tell(&s.unread, "facts of a build cannot be read from the file and are read one by one", err)
		}
		for _, a := range filed[:n] {
			if err != nil {
				missing = append(missing, a.which)
				continue
			}
			columns = split(columns[:0], buffer[a.offset()-begin:a.end()-begin])
			each(a.which, columns)
		}
		filed = filed[n:]
	}
	return missing
}

// split appends the columns of a row, each of which stands behind its length.
func split(columns [][]byte, row []byte) [][]byte {
	for len(row) > 0 {
		end := 4 + binary.BigEndian.Uint32(row)
		columns, row = append(columns, row[4:end]), row[end:]
	}
	return columns
}

// Close gives the room back, once those who are reading have read. There are no rows any more
// then. It may be called again.
func (s *Rows) Close() {
	s.use.Lock()
	defer s.use.Unlock()
	s.shut, s.memory, s.piece, s.at = true, nil, nil, nil
	if s.file != nil {
		_ = s.file.Close() // nothing of it is wanted
	}
	s.room.give(s.taken)
	s.file, s.taken = nil, 0
}
