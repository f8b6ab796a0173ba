// Package pixel holds the built browser script and its modules, for the service that
// serves them. Their source is TypeScript in src; `go generate` rebuilds them.
package pixel

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"embed"
	"encoding/base64"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/touchline/touchline/pixel/internal/program"
)

//go:generate go run ./build

//go:embed dist/core.js dist/modules
var dist embed.FS

// File is a script as it is served: UTF-8 JavaScript, minified. Read only.
type File struct {
	Script []byte
	Gzip   []byte // Script compressed as far as gzip goes, for clients that accept it
	// Hash is the subresource integrity of Script, for a script tag's integrity
	// attribute. It also serves as a strong entity tag.
	Hash string
}

// Modules are the names of the optional modules, sorted. Read only.
var Modules = moduleNames()

// core is the script without modules, which is what nearly everybody loads.
var core = newFile(nil)

// Script, ScriptGzip and Hash are the parts of the script without modules, as served
// at /p.js. Read only.
var (
	Script     = core.Script
	ScriptGzip = core.Gzip
	Hash       = core.Hash
)

// files remembers what was put together, by the names with commas between: at most
// two to the number of modules.
var files sync.Map

// Use returns the script with the modules of these names in one file, as served at
// /p.js?use=NAME,NAME. Order and repetition of names make no difference. Names that
// are no module come back as missing, in their order, and are left out.
func Use(names []string) (file File, missing []string) {
	for _, name := range names {
		if !slices.Contains(Modules, name) {
			missing = append(missing, name)
		}
	}
	var use []string
	for _, name := range Modules {
		if slices.Contains(names, name) {
			use = append(use, name)
		}
	}
	if use == nil {
		return core, missing
	}
	key := strings.Join(use, ",")
	if known, found := files.Load(key); found {
		file, _ = known.(File)
		return file, missing
	}
	file = newFile(use)
	files.Store(key, file)
	return file, missing
}

func moduleNames() []string {
	entries, err := fs.ReadDir(dist, "dist/modules")
	if err != nil {
		panic(fmt.Sprintf("list the pixel's modules: %v", err)) // unreachable: they are embedded
	}
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = strings.TrimSuffix(entry.Name(), path.Ext(entry.Name()))
	}
	return names
}

// newFile puts the script with modules together.
func newFile(use []string) File {
	modules := make([][]byte, len(use))
	for i, name := range use {
		modules[i] = embedded("dist/modules/" + name + ".js")
	}
	script := program.Join(embedded("dist/core.js"), modules...)
	return File{Script: script, Gzip: compress(script), Hash: integrity(script)}
}

func embedded(name string) []byte {
	text, err := dist.ReadFile(name)
	if err != nil {
		panic(fmt.Sprintf("read the pixel's %s: %v", name, err)) // unreachable: it is embedded
	}
	return text
}

func compress(script []byte) []byte {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err == nil {
		_, err = w.Write(script)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		// Unreachable: the level is a constant and a bytes.Buffer refuses nothing.
		panic(fmt.Sprintf("compress the pixel: %v", err))
	}
	return out.Bytes()
}

func integrity(script []byte) string {
	sum := sha512.Sum384(script)
	return "sha384-" + base64.StdEncoding.EncodeToString(sum[:])
}
