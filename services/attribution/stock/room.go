// Package stock keeps the rows of facts that a build reads together, until it derives them: in
// memory up to a bound, and beyond that in a file without a name.
package stock

import (
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
)

// Config says where a process keeps rows. The zero value of a field stands for its default.
type Config struct {
	Memory int64        // bytes that each [Rows] has in memory; 32 MiB. Less than Piece: none
	Disk   int64        // bytes of all files together; 0: no file is made
	Dir    string       // where files are made; [os.TempDir]
	Piece  int          // bytes written at once, less than 16 MiB; 1 MiB, a guess. No larger row is kept
	Log    *slog.Logger // slog.Default
}

// Room is what a process has for rows. Safe for concurrent use.
type Room struct {
	cfg   Config
	taken atomic.Int64 // of Config.Disk
}

// NewRoom returns room as cfg says.
func NewRoom(cfg Config) *Room {
	if cfg.Memory == 0 {
		cfg.Memory = 32 << 20
	}
	if cfg.Piece == 0 {
		cfg.Piece = 1 << 20
	}
	cfg.Piece = min(cfg.Piece, maxLength)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	return &Room{cfg: cfg}
}

// take reserves bytes on disk.
func (r *Room) take(bytes int64) bool {
	if r.taken.Add(bytes) > r.cfg.Disk {
		r.give(bytes)
		return false
	}
	return true
}

func (r *Room) give(bytes int64) { r.taken.Add(-bytes) }

// file makes a file that nobody else can open and that takes no room once it is closed,
// however the process ends.
func (r *Room) file() (*os.File, error) {
	file, err := os.CreateTemp(r.cfg.Dir, "touchline-build-*") // mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(file.Name()); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("take away the name of a file: %w", err)
	}
	return file, nil
}
