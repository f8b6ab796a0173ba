// Command build makes the pixel's two files from its TypeScript: dist/p.js, which
// the tracking service serves, and dist/pixel.mjs, the npm package's module.
//
// It runs in the pixel folder, by `go generate`, and needs no Node.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// output is one built file: its source, its path and how it is bundled.
type output struct {
	entry, file string
	format      api.Format
}

var outputs = [...]output{
	{entry: "src/p.ts", file: "dist/p.js", format: api.FormatIIFE},
	{entry: "src/index.ts", file: "dist/pixel.mjs", format: api.FormatESModule},
}

func main() {
	for _, o := range outputs {
		built, err := bundle(".", o)
		if err == nil {
			err = os.WriteFile(o.file, built, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Printf("%s %d bytes\n", o.file, len(built))
	}
}

// bundle builds one file of the pixel that lies in folder root and returns its bytes.
func bundle(root string, o output) ([]byte, error) {
	abs, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the pixel folder: %w", err)
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     abs,
		EntryPoints:       []string{o.entry},
		Bundle:            true,
		Format:            o.format,
		Target:            api.ES2019,
		Charset:           api.CharsetUTF8,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsNone,
	})
	if len(result.Errors) > 0 {
		messages := api.FormatMessages(result.Errors, api.FormatMessagesOptions{})
		faults := make([]error, len(messages))
		for i, m := range messages {
			faults[i] = errors.New(m)
		}
		return nil, fmt.Errorf("bundle %s: %w", o.entry, errors.Join(faults...))
	}
	return result.OutputFiles[0].Contents, nil
}
