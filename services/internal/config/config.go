// Package config reads the settings of both services from the environment: one
// struct per service, all faults at once, no secret with a default.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Read fills a T from an environment, usually env.ToMap(os.Environ()), by the tags of
// github.com/caarlos0/env. The error names every variable that is missing or wrong.
// It may quote a wrong value: secrets belong into types like [Key] that do not.
func Read[T any](environ map[string]string) (T, error) {
	var cfg T
	err := env.ParseWithOptions(&cfg, env.Options{Environment: environ})
	if err == nil {
		return cfg, nil
	}
	var all env.AggregateError
	if !errors.As(err, &all) {
		return cfg, fmt.Errorf("read the environment: %w", err)
	}
	names := map[string]string{}
	variables(reflect.TypeFor[T](), names)
	faults := make([]error, len(all.Errors))
	for i, fault := range all.Errors {
		faults[i] = fault
		// Of a value that cannot be read env gives the name of the Go field.
		var parse env.ParseError
		if errors.As(fault, &parse) && names[parse.Name] != "" {
			faults[i] = fmt.Errorf("environment variable %q: %w", names[parse.Name], parse.Err)
		}
	}
	return cfg, fmt.Errorf("read the environment: %w", errors.Join(faults...))
}

// variables collects the variable of each field.
func variables(t reflect.Type, names map[string]string) {
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			names[f.Name] = name
		} else {
			variables(f.Type, names)
		}
	}
}

// Key is a secret of 32 bytes, written in base64. It does not print.
type Key struct{ bytes [32]byte }

// Bytes returns a copy of the key.
func (k Key) Bytes() []byte { return append([]byte(nil), k.bytes[:]...) }

// UnmarshalText implements encoding.TextUnmarshaler; the error does not quote the text.
func (k *Key) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return errors.New("not standard base64")
	}
	if len(raw) != len(k.bytes) {
		return fmt.Errorf("%d bytes, not %d", len(raw), len(k.bytes))
	}
	copy(k.bytes[:], raw)
	return nil
}

// String implements fmt.Stringer.
func (k Key) String() string { return "[secret]" }

// GoString implements fmt.GoStringer.
func (k Key) GoString() string { return k.String() }

// MarshalText implements encoding.TextMarshaler, so that no encoder spells it out.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
