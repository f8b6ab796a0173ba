package stock

import (
	"bytes"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// row is what a test keeps at a place.
func row(place, size int) [][]byte {
	return [][]byte{fmt.Append(nil, place), {}, bytes.Repeat([]byte{byte(place)}, size)}
}

// filled has a row of some bytes at each of so many places.
func filled(room *Room, places, size int) *Rows {
	s := room.Rows(places)
	for place := range places {
		s.Add(int32(place), row(place, size))
	}
	s.End()
	return s
}

// all reads every place and returns how many have a row.
func all(t *testing.T, s *Rows, places, size int) int {
	t.Helper()
	list := make([]int32, places)
	for i := range list {
		list[i] = int32(places - 1 - i)
	}
	there := 0
	missing := s.Read(list, func(i int, columns [][]byte) {
		there++
		if !slices.EqualFunc(columns, row(int(list[i]), size), bytes.Equal) {
			t.Errorf("another row at %d", list[i])
		}
	})
	if there+len(missing) != places || !slices.IsSorted(missing) {
		t.Fatalf("%d rows, and %v are missing", there, missing)
	}
	return there
}

// What was kept is read as it came, whatever is asked for and wherever it lies; nothing is
// missing that came and had room.
func TestRows_areAsTheyCame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		cfg := Config{
			Memory: rapid.Int64Range(1, 600).Draw(t, "memory"), Disk: 1 << 30, Dir: dir, Piece: rapid.IntRange(20, 200).Draw(t, "piece"),
			Log: slog.New(slog.DiscardHandler),
		}
		places := rapid.IntRange(0, 60).Draw(t, "places")
		s, came := NewRoom(cfg).Rows(places), make(map[int32][][]byte)
		defer s.Close()
		for _, place := range rapid.SliceOfDistinct(rapid.Int32Range(-1, 60), rapid.ID).Draw(t, "came") {
			fresh := row(int(place), rapid.IntRange(0, 250).Draw(t, "size"))
			if s.Add(place, fresh); place >= 0 && int(place) < places && 12+len(fresh[0])+len(fresh[2]) <= cfg.Piece {
				came[place] = fresh
			}
		}
		s.End()
		for range 2 {
			list := rapid.SliceOf(rapid.Int32Range(-1, 61)).Draw(t, "asked for")
			told := make([]bool, len(list))
			missing := s.Read(list, func(i int, columns [][]byte) {
				if told[i] || !slices.EqualFunc(columns, came[list[i]], bytes.Equal) {
					t.Fatalf("place %d: %v, want %v", list[i], columns, came[list[i]])
				}
				told[i] = true
			})
			for i, place := range list {
				if _, there := came[place]; told[i] != there || slices.Contains(missing, i) == there {
					t.Fatalf("place %d: read: %t, it came: %t, missing: %v", place, told[i], there, missing)
				}
			}
			if !slices.IsSorted(missing) {
				t.Fatalf("missing: %v", missing)
			}
		}
	})
}

// open lists the files of a folder that the process has open, by the names they had.
func open(t *testing.T, dir string) (names []string) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if name, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil && strings.HasPrefix(name, dir) {
			names = append(names, name)
		}
	}
	return names
}

// A file has no name and only its owner's rights, is made when memory does not suffice, and is
// gone, with the room it took, when it is closed; and nothing can be read then.
func TestRows_leaveNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	room := NewRoom(Config{Memory: 200, Disk: 1 << 20, Dir: dir, Piece: 100})
	small := filled(room, 10, 1)
	if names := open(t, dir); len(names) != 0 || small.taken != 0 {
		t.Errorf("%v for what memory holds", names)
	}
	small.Close()
	s := filled(room, 100, 50)
	if found, err := s.file.Stat(); err != nil || found.Mode().Perm() != 0o600 || found.Size() < 90*50 {
		t.Errorf("%v, %v", found, err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 0 || len(open(t, dir)) != 1 || all(t, s, 100, 50) != 100 {
		t.Errorf("names %v, open %v, %v", names, open(t, dir), err)
	}
	for range 2 {
		s.Close()
	}
	if left := open(t, dir); len(left) != 0 || room.taken.Load() != 0 || all(t, s, 100, 50) != 0 {
		t.Errorf("%v is open, %d bytes are taken", left, room.taken.Load())
	}
}

// All files of a process together take what they may, and what is given back can be taken
// again; what finds no room is missing, and is told of once. Where nothing may be taken nothing is told.
func TestRows_haveBounds(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	room := NewRoom(Config{Memory: 100, Disk: 1000, Dir: t.TempDir(), Piece: 100, Log: slog.New(slog.NewTextHandler(&log, nil))})
	first := filled(room, 8, 80)
	if all(t, first, 8, 80) != 8 || log.Len() > 0 {
		t.Errorf("what has room is missing: %s", &log)
	}
	second := filled(room, 50, 80)
	if n := all(t, second, 50, 80); n != 4 || strings.Count(log.String(), "find no room") != 1 || room.taken.Load() > 1000 {
		t.Errorf("%d rows, %d bytes, told: %s", n, room.taken.Load(), &log)
	}
	if found, err := second.file.Stat(); err != nil || found.Size() > 300 {
		t.Errorf("%d bytes in the file, %v", found.Size(), err)
	}
	first.Close()
	if n := all(t, filled(room, 50, 80), 50, 80); n != 8 {
		t.Errorf("%d rows in the room that was given back", n)
	}
	log.Reset()
	off := NewRoom(Config{Memory: 100, Dir: t.TempDir(), Piece: 100, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if n := all(t, filled(off, 50, 80), 50, 80); n != 1 || log.Len() > 0 {
		t.Errorf("%d rows without a file, told: %s", n, &log)
	}
}

// What cannot be written or read is missing, and is told of once.
func TestRows_doWithoutADisk(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	cfg := Config{Memory: 100, Disk: 1 << 20, Dir: filepath.Join(t.TempDir(), "none"), Piece: 100, Log: slog.New(slog.NewTextHandler(&log, nil))}
	if n := all(t, filled(NewRoom(cfg), 50, 80), 50, 80); n != 1 || strings.Count(log.String(), "no such file") != 1 {
		t.Errorf("%d rows without a folder, told: %s", n, &log)
	}

	log.Reset()
	cfg.Dir = t.TempDir()
	room := NewRoom(cfg)
	s := room.Rows(50)
	for place := range 10 {
		s.Add(int32(place), row(place, 80))
	}
	full, err := os.OpenFile("/dev/full", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs /dev/full")
	}
	written := s.file
	s.file = full
	for place := 10; place < 50; place++ {
		s.Add(int32(place), row(place, 80))
	}
	s.End()
	s.file = written
	_ = full.Close()
	if n := all(t, s, 50, 80); n != 9 || strings.Count(log.String(), "no space left") != 1 { // that of the tenth was still in memory
		t.Errorf("%d rows of a full disk, told: %s", n, &log)
	}

	log.Reset()
	s = filled(room, 50, 80)
	if err := s.file.Truncate(1000); err != nil {
		t.Fatal(err)
	}
	if n := all(t, s, 50, 80); n != 1 || all(t, s, 50, 80) != n || strings.Count(log.String(), "EOF") != 1 { // all that is read with it
		t.Errorf("%d rows of a file that was cut, told: %s", n, &log)
	}
}

// A row as long as its position can say is read as it came, a longer one is missing.
func TestRows_areAsLongAsCanBeSaid(t *testing.T) {
	t.Parallel()
	s := NewRoom(Config{Piece: 1 << 30}).Rows(3)
	defer s.Close()
	for place, size := range []int{1<<24 - 1, 1 << 24, 100} {
		s.Add(int32(place), [][]byte{bytes.Repeat([]byte{byte(place)}, size-4)})
	}
	s.End()
	lengths := make(map[int]int)
	missing := s.Read([]int32{0, 1, 2}, func(i int, columns [][]byte) {
		lengths[i] = len(columns[0])
		if columns[0][0] != byte(i) || columns[0][len(columns[0])-1] != byte(i) {
			t.Errorf("another row at %d", i)
		}
	})
	if !slices.Equal(missing, []int{1}) || lengths[0] != 1<<24-5 || lengths[2] != 96 {
		t.Errorf("lengths %v, %v are missing", lengths, missing)
	}
}

// Rows are kept as far as positions reach: a terabyte, of which here all but the end is a hole.
func TestRows_areAsManyAsCanBeSaid(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := NewRoom(Config{Memory: 1, Disk: 1 << 20, Dir: t.TempDir(), Piece: 100, Log: slog.New(slog.NewTextHandler(&log, nil))}).Rows(5)
	defer s.Close()
	s.kept = 1<<40 - 250 // two more pieces
	for place := range 5 {
		s.Add(int32(place), row(place, 80))
	}
	s.End()
	missing := s.Read([]int32{0, 1, 2, 3, 4}, func(i int, columns [][]byte) {
		if !slices.EqualFunc(columns, row(i, 80), bytes.Equal) {
			t.Errorf("another row at %d", i)
		}
	})
	if !slices.Equal(missing, []int{2, 3, 4}) || strings.Count(log.String(), "a terabyte is kept") != 1 {
		t.Errorf("%v are missing, told: %s", missing, &log)
	}
}

// What is not kept is told of, and what cannot be read, too.
func TestRows_tellBoth(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	s := filled(NewRoom(Config{Memory: 1, Disk: 300, Dir: t.TempDir(), Piece: 100, Log: slog.New(slog.NewTextHandler(&log, nil))}), 10, 80)
	defer s.Close()
	if err := s.file.Truncate(150); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all(t, s, 10, 80)
	}
	if told := log.String(); strings.Count(told, "find no room") != 1 || strings.Count(told, "cannot be read") != 1 {
		t.Errorf("told: %s", told)
	}
}

// Rows are closed under the hands of those who read: each has all that it asked for or nothing.
func TestRows_areClosedWhileRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for range 20 {
		s := filled(NewRoom(Config{Memory: 300, Disk: 1 << 20, Dir: dir, Piece: 100}), 60, 50)
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for range 5 {
					if n := all(t, s, 60, 50); n != 0 && n != 60 {
						t.Errorf("%d rows", n)
					}
				}
			})
		}
		s.Close()
		readers.Wait()
	}
	if left := open(t, dir); len(left) != 0 {
		t.Errorf("%v is open", left)
	}
}

// Rows read as a build does: 4,096 at a time that lie anywhere among 400,000.
func BenchmarkRows_Read(b *testing.B) {
	for _, c := range []struct {
		name   string
		memory int64
	}{{"in memory", 1 << 30}, {"in a file", 1}} {
		b.Run(c.name, func(b *testing.B) {
			const places, most = 400_000, 4096
			s := filled(NewRoom(Config{Memory: c.memory, Disk: 1 << 30, Dir: b.TempDir()}), places, 300)
			defer s.Close()
			order := make([]int32, places)
			for i, place := range rand.New(rand.NewPCG(1, 2)).Perm(places) {
				order[i] = int32(place)
			}
			bytes := 0
			for i := 0; b.Loop(); i++ {
				begin := i * most % (places - most)
				if missing := s.Read(order[begin:begin+most], func(_ int, columns [][]byte) { bytes += len(columns[2]) }); len(missing) > 0 {
					b.Fatal(len(missing))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*most), "ns/row")
		})
	}
}

// Rows kept as they come.
func BenchmarkRows_Add(b *testing.B) {
	for _, c := range []struct {
		name   string
		memory int64
	}{{"in memory", 1 << 30}, {"in a file", 1}} {
		b.Run(c.name, func(b *testing.B) {
			const places = 100_000
			room, columns := NewRoom(Config{Memory: c.memory, Disk: 1 << 30, Dir: b.TempDir()}), row(1, 300)
			for b.Loop() {
				s := room.Rows(places)
				for place := range places {
					s.Add(int32(place), columns)
				}
				s.End()
				s.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*places), "ns/row")
		})
	}
}
