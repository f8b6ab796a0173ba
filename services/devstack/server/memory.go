package server

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/touchline/touchline/services/internal/freeport"
)

// memory is what must be the same at the next start: ports, the password of the
// private servers, and their folder where it is not the usual one.
type memory struct {
	path string

	Password     string `json:"password"`
	PostgresPort int    `json:"postgres_port,omitempty"`
	RedisPort    int    `json:"redis_port,omitempty"`
	Elsewhere    string `json:"elsewhere,omitempty"`
}

// recall reads the memory at path, or begins a new one.
func recall(path string) (*memory, error) {
	m := &memory{path: path}
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, m)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if m.Password != "" {
		return m, nil
	}
	secret := make([]byte, 16)
	_, _ = rand.Read(secret) // never fails since Go 1.24
	m.Password = hex.EncodeToString(secret)
	return m, m.save()
}

// save writes the memory so that a crash leaves the old one or the new one.
func (m *memory) save() error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(m.path+".new", m.path)
}

// port returns the remembered port when it is free, else a free one, and
// remembers it.
func (m *memory) port(remembered *int) (int, error) {
	if *remembered != 0 && freeport.Keep(*remembered) {
		return *remembered, nil
	}
	port, err := freeport.Port()
	if err != nil {
		return 0, err
	}
	*remembered = port
	return port, m.save()
}

// elsewhere is a folder that every user can enter, for data that cannot lie in
// the usual folder. It survives a restart of the machine where /var/tmp does.
func (m *memory) elsewhere() (string, error) {
	if _, err := os.Stat(m.Elsewhere); m.Elsewhere != "" && err == nil {
		return m.Elsewhere, nil
	}
	parent := "/var/tmp"
	if _, err := os.Stat(parent); err != nil {
		parent = os.TempDir()
	}
	dir, err := os.MkdirTemp(parent, "touchline-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		return "", err
	}
	m.Elsewhere = dir
	return dir, m.save()
}

// folder makes a folder below the place for the servers' account alone.
func (p place) folder(name string) (string, error) {
	dir := filepath.Join(p.dir, name)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, p.account.Own(dir)
}
