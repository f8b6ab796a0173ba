package app

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/touchline/touchline/services/devstack/demo"
	"github.com/touchline/touchline/services/internal/freeport"
)

// secrets are made once. Losing them makes stored identifiers unreadable.
type secrets struct {
	RegistryKey   string `json:"registry_key"` // base64, 32 bytes
	IdentityKey   string `json:"identity_key"` // base64, 32 bytes
	JWTKey        string `json:"jwt_key"`      // base64, 32 bytes
	AppSecret     string `json:"app_secret"`   // of the demo's WhatsApp source
	VerifyToken   string `json:"verify_token"` // of the same
	WebhookSecret string `json:"webhook_secret"`
}

// state is what the next start goes on from.
type state struct {
	Ports     ports     `json:"ports"`
	Workspace workspace `json:"workspace"`
	// WeekEnds is when the made-up week ends; it is written before the first hit
	// of it is sent, so that a start after a crash sends the same hits again.
	WeekEnds   time.Time `json:"week_ends"`
	WeekPlayed bool      `json:"week_played"`
}

// ports are loopback TCP ports.
type ports struct {
	Tracking, TrackingAdmin, API, APIAdmin, Shop int

	Workers []int // the admin port of each worker
}

// workspace is the demo workspace and what its sources sign in with.
type workspace struct {
	ID   string    `json:"id"`
	Keys demo.Keys `json:"keys"`
}

// load reads JSON from path into v; a file that is not there leaves v as it is.
func load(path string, v any) error {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}

// save writes v as JSON for the owner alone, so that a crash leaves the old file
// or the new one.
func save(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.WriteFile(path+".new", append(b, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// loadSecrets reads the secrets, making those that are not there yet.
func loadSecrets(path string) (secrets, error) {
	var s secrets
	if err := load(path, &s); err != nil {
		return s, err
	}
	before := s
	for _, key := range []*string{&s.RegistryKey, &s.IdentityKey, &s.JWTKey} {
		if *key == "" {
			*key = base64.StdEncoding.EncodeToString(random(32))
		}
	}
	for _, word := range []*string{&s.AppSecret, &s.VerifyToken, &s.WebhookSecret} {
		if *word == "" {
			*word = hex.EncodeToString(random(16))
		}
	}
	if s == before {
		return s, nil
	}
	return s, save(path, s)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// choose keeps the ports that are free and replaces the others; each of so many
// workers has one.
func (p *ports) choose(workers int) error {
	all := []*int{&p.Tracking, &p.TrackingAdmin, &p.API, &p.APIAdmin, &p.Shop}
	p.Workers = append(p.Workers, make([]int, workers)...)[:workers]
	for i := range p.Workers {
		all = append(all, &p.Workers[i])
	}
	for _, port := range all { // before any is looked for: what is kept is not found
		if *port != 0 && !freeport.Keep(*port) {
			*port = 0
		}
	}
	for _, port := range all {
		if *port != 0 {
			continue
		}
		free, err := freeport.Port()
		if err != nil {
			return err
		}
		*port = free
	}
	return nil
}

func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func origin(port int) string { return "http://" + address(port) }
