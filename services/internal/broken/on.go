//go:build broken

package broken

import "os"

// Is tells whether the promise of that name is broken.
func Is(name string) bool { return os.Getenv("TOUCHLINE_BROKEN") == name }
