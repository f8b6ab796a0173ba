package app

import (
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/touchline/touchline/services/devstack/demo"
)

func TestLoadSecrets_MadeOnceForTheOwnerAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "secrets.json")
	first, err := loadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadSecrets(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("the second start has other secrets:\n%s", diff)
	}
	for _, key := range []string{first.RegistryKey, first.IdentityKey, first.JWTKey} {
		if b, err := base64.StdEncoding.DecodeString(key); err != nil || len(b) != 32 {
			t.Errorf("key of %d bytes, %v; want 32", len(b), err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
}

func TestPorts_TakenOnesAreReplaced(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := taken.Addr().(*net.TCPAddr).Port
	p := ports{API: busy}
	if err := p.choose(2); err != nil {
		t.Fatal(err)
	}
	if p.API == busy || p.API == 0 || p.Shop == 0 || len(p.Workers) != 2 || p.Workers[0] == p.Workers[1] {
		t.Errorf("chose %+v while %d is taken", p, busy)
	}
	kept := p
	if err := p.choose(1); err != nil {
		t.Fatal(err)
	}
	if p.Tracking != kept.Tracking || len(p.Workers) != 1 || p.Workers[0] != kept.Workers[0] {
		t.Errorf("free ports were not kept: %+v, then %+v", kept, p)
	}
}

func TestSplit_ByTime(t *testing.T) {
	t.Parallel()
	now := time.Now()
	hits := []demo.Hit{{At: now.Add(time.Second)}, {At: now}, {At: now.Add(-time.Second)}}
	due, waiting := split(hits, now)
	if len(due) != 2 || len(waiting) != 1 || !waiting[0].At.After(now) {
		t.Errorf("due %v, waiting %v", due, waiting)
	}
}
