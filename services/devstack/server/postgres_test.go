package server

import (
	"os"
	"path/filepath"
	"testing"
)

func TestParseVersion(t *testing.T) {
	t.Parallel()
	for out, want := range map[string]struct {
		version string
		major   int
	}{
		"postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n": {"15.18", 15},
		"postgres (PostgreSQL) 18.4\n":                           {"18.4", 18},
		"postgres (PostgreSQL) 19beta2\n":                        {"19beta2", 19},
	} {
		version, major, err := parseVersion(out)
		if err != nil || version != want.version || major != want.major {
			t.Errorf("parseVersion(%q) = %q, %d, %v, want %+v", out, version, major, err, want)
		}
	}
	if _, _, err := parseVersion("zsh: command not found"); err == nil {
		t.Error("parseVersion took a line without a version")
	}
}

func TestChoose_ExistingDataBeforeNewerProgram(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	found := []programs{{major: 18}, {major: 15}}
	if pg, _ := choose(found, dir); pg.major != 18 {
		t.Errorf("without data: major %d, want the newest", pg.major)
	}
	if err := os.Mkdir(filepath.Join(dir, "postgres-15"), 0o700); err != nil {
		t.Fatal(err)
	}
	if pg, _ := choose(found, dir); pg.major != 15 {
		t.Errorf("with data of 15: major %d, want 15", pg.major)
	}
	if _, ok := choose(nil, dir); ok {
		t.Error("chose from nothing")
	}
}

func TestRecall_KeepsAndSurvives(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "servers.json")
	first, err := recall(path)
	if err != nil {
		t.Fatal(err)
	}
	port, err := first.port(&first.RedisPort)
	if err != nil {
		t.Fatal(err)
	}
	second, err := recall(path)
	if err != nil {
		t.Fatal(err)
	}
	if second.Password != first.Password || second.RedisPort != port || len(second.Password) != 32 {
		t.Errorf("recalled %+v, want password and port of %+v", second, first)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v: a password must be for its owner alone", info.Mode(), err)
	}
}
