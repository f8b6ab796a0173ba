//go:build linux

package faults

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// The edge's own disk is full while Redis is away: it refuses, and what it acknowledged
// before is safe.
func TestF22_full(t *testing.T) {
	t.Parallel()
	disk, ok := tmpfs(t, "400k")
	if !ok {
		t.Skip("no tmpfs")
	}
	s := newScene(t, "F22", "the spool's disk is full while Redis is away", options{edgeEnv: []string{"TOUCHLINE_SPOOL_DIR=" + filepath.Join(disk, "spool")}})
	l := s.load(pace{rate: 60, padding: 4000})
	l.more(10)
	s.redis.end(syscall.SIGKILL)
	eventually(t, "the edge refuses", func() bool { return l.refused.Load() > 20 })
	kept := s.spooled()
	s.returns(s.redis)
	s.ended()
	s.fired(int(l.refused.Load()), "requests refused")
	s.fired(kept, "hits spooled")
	l.more(20)
	l.stop()
	for _, one := range l.tries {
		if one.Status >= 500 && (one.Status != 503 || one.Retry == "") {
			t.Fatalf("refused with %d, Retry-After %q: %s", one.Status, one.Retry, one.Error)
		}
	}
	s.check(expected{})
}

// The edge dies while it writes a record: what is torn is left out, all before it is
// kept.
func TestF22_torn(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F22", "the spool ends in a torn record", options{})
	torn := 0
	for _, share := range []int{1, 30, 70, 99} { // per cent of the record that were written
		l := s.load(pace{rate: 60})
		l.more(5)
		s.redis.end(syscall.SIGKILL)
		before := s.spooled()
		eventually(t, "hits are kept on disk", func() bool { return s.spooled() > before+8 })
		l.stop()
		s.edges[0].end(syscall.SIGKILL)
		torn += s.tear(share)
		if err := s.edges[0].start(); err != nil {
			t.Fatal(err)
		}
		s.returns(s.redis)
		if err := s.edges[0].await(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.ended()
	s.fired(torn, "torn records")
	s.check(expected{})
}

// tear puts the beginning of a record behind every log of the spool and returns to how
// many.
func (s *scene) tear(share int) int {
	s.t.Helper()
	n := 0
	err := filepath.Walk(s.spool(0), func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		const header, frame = 16, 8
		if err != nil || !strings.HasPrefix(string(text), "TLSPOOL") || len(text) < header+frame {
			return err
		}
		length := frame + int(text[header])<<24 + int(text[header+1])<<16 + int(text[header+2])<<8 + int(text[header+3])
		f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		defer f.Close()
		n++
		_, err = f.Write(text[header : header+max(1, length*share/100)])
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// The edge may open 64 files and is given 40 MB: it sheds, and lives.
func TestF21(t *testing.T) {
	t.Parallel()
	s := newScene(t, "F21", "the edge has 64 file descriptors and GOMEMLIMIT=40MiB", options{
		wrapEdge: []string{"/bin/sh", "-c", `ulimit -n 64; exec "$0"`}, edgeEnv: []string{"GOMEMLIMIT=40MiB"},
	})
	l := s.load(pace{rate: 60, fresh: true})
	l.more(10)
	var idle []net.Conn
	for range 200 {
		conn, err := net.Dial("tcp", local(s.edgePorts[0]))
		if err != nil {
			break
		}
		idle = append(idle, conn)
	}
	eventually(t, "requests go without an answer", func() bool { return l.silent.Load()+l.refused.Load() > 5 })
	s.fired(int(l.silent.Load()+l.refused.Load()), fmt.Sprintf("requests shed beside %d idle connections", len(idle)))
	for _, conn := range idle {
		_ = conn.Close()
	}
	s.ended()
	l.more(30)
	l.stop()
	if !s.edges[0].alive() || s.edges[0].deaths() > 0 {
		t.Error("the edge died")
	}
	s.check(expected{})
}
