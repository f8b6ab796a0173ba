// Command build makes the pixel's files from its TypeScript, prints their sizes and
// the subresource integrity of what pages load, and fails when a script is too big.
//
//	dist/core.js          the script without the list of its modules (package program)
//	dist/modules/NAME.js  one module, an expression
//	dist/p.js             the script without modules, for who serves files
//	dist/p-all.js         the script with all modules, likewise
//	dist/pixel.mjs        the npm package's module
//
// It runs in the pixel folder, by `go generate`, and needs no Node.
package main

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"

	"github.com/touchline/touchline/pixel/internal/program"
)

// What pages load may weigh so much on the wire, in bytes of gzip -9.
const (
	maxCore = 4096
	maxAll  = 6144
)

// limits are the built files that have one.
var limits = map[string]int{"dist/p.js": maxCore, "dist/p-all.js": maxAll}

func main() {
	files, err := build(".")
	if err == nil {
		err = write(files)
	}
	if err == nil {
		err = judge(files)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// file is one built file: its path in the pixel folder and its bytes.
type file struct {
	path string
	text []byte
}

// build builds every file of the pixel that lies in folder root.
func build(root string) ([]file, error) {
	core, err := bundle(root, "src/p.ts")
	if err != nil {
		return nil, err
	}
	module, err := bundle(root, "src/index.ts")
	if err != nil {
		return nil, err
	}
	sources, err := filepath.Glob(filepath.Join(root, "src/modules/*.ts"))
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	slices.Sort(sources)
	var files []file
	var all [][]byte
	for _, source := range sources {
		name := strings.TrimSuffix(filepath.Base(source), ".ts")
		built, err := bundle(root, "src/modules/"+name+".ts")
		if err == nil {
			built, err = expression(built, name)
		}
		if err != nil {
			return nil, err
		}
		files = append(files, file{"dist/modules/" + name + ".js", built})
		all = append(all, built)
	}
	return append(files,
		file{"dist/core.js", core},
		file{"dist/p.js", program.Join(core)},
		file{"dist/p-all.js", program.Join(core, all...)},
		file{"dist/pixel.mjs", module},
	), nil
}

// exported is how a bundle of one export ends.
var exported = regexp.MustCompile(`export\{(\w+) as (\w+)\};\s*$`)

// expression makes of an ES module, whose only export is name, an expression of that export.
func expression(module []byte, name string) ([]byte, error) {
	found := exported.FindSubmatchIndex(module)
	if found == nil || string(module[found[4]:found[5]]) != name {
		return nil, fmt.Errorf("src/modules/%s.ts must export one function, %s", name, name)
	}
	body, export := module[:found[0]], module[found[2]:found[3]]
	return fmt.Appendf(nil, "(()=>{%sreturn %s})()", body, export), nil
}

// bundle builds one entry of the pixel that lies in folder root, as an ES module.
func bundle(root, entry string) ([]byte, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the pixel folder: %w", err)
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     abs,
		EntryPoints:       []string{entry},
		Bundle:            true,
		Format:            api.FormatESModule,
		Target:            api.ES2021,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		MangleProps:       `_$`,
		LegalComments:     api.LegalCommentsNone,
	})
	if len(result.Errors) > 0 {
		messages := api.FormatMessages(result.Errors, api.FormatMessagesOptions{})
		faults := make([]error, len(messages))
		for i, m := range messages {
			faults[i] = errors.New(m)
		}
		return nil, fmt.Errorf("bundle %s: %w", entry, errors.Join(faults...))
	}
	return result.OutputFiles[0].Contents, nil
}

func write(files []file) error {
	for _, f := range files {
		if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
			return fmt.Errorf("make room for %s: %w", f.path, err)
		}
		if err := os.WriteFile(f.path, f.text, 0o644); err != nil {
			return fmt.Errorf("write %s: %w", f.path, err)
		}
	}
	return nil
}

// judge prints what the files weigh, and returns an error when one is too heavy.
func judge(files []file) error {
	var faults []error
	for _, f := range files {
		size, err := compressed(f.text)
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%-24s %6d bytes %6d gzip", f.path, len(f.text), size)
		if most, found := limits[f.path]; found {
			sum := sha512.Sum384(f.text)
			line += fmt.Sprintf(" of %d  sha384-%s", most, base64.StdEncoding.EncodeToString(sum[:]))
			if size > most {
				faults = append(faults, fmt.Errorf("%s is %d bytes in gzip, at most %d are allowed", f.path, size, most))
			}
		}
		fmt.Println(line)
	}
	return errors.Join(faults...)
}

// compressed returns the size of text in gzip -9.
func compressed(text []byte) (int, error) {
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return 0, fmt.Errorf("compress: %w", err)
	}
	if _, err := w.Write(text); err != nil {
		return 0, fmt.Errorf("compress: %w", err)
	}
	if err := w.Close(); err != nil {
		return 0, fmt.Errorf("compress: %w", err)
	}
	return out.Len(), nil
}
