package pixel_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"testing"

	"github.com/touchline/touchline/pixel"
)

// The most that a page may have to load, in bytes of gzip -9.
const (
	maxCore = 4096
	maxAll  = 6144
)

func all() pixel.File {
	file, _ := pixel.Use(pixel.Modules)
	return file
}

func TestScript_StaysSmall(t *testing.T) {
	t.Parallel()
	if n := len(pixel.ScriptGzip); n > maxCore {
		t.Errorf("p.js is %d bytes in gzip, at most %d are allowed: size is a feature", n, maxCore)
	}
	if n := len(all().Gzip); n > maxAll {
		t.Errorf("p.js with all modules is %d bytes in gzip, at most %d are allowed", n, maxAll)
	}
	t.Logf("p.js: %d bytes, %d in gzip; with all modules %d", len(pixel.Script), len(pixel.ScriptGzip), len(all().Gzip))
}

// The README boasts of the size, so it has to be right.
func TestReadme_TellsTheSize(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{
		thousands(len(pixel.ScriptGzip)) + " bytes in gzip",
		thousands(len(pixel.Script)) + " bytes minified",
		thousands(len(all().Gzip)) + " with all modules",
	}
	if core, whole, known := brotli(t); known {
		wants = append(wants, thousands(core)+" in brotli", thousands(whole)+" with all modules in brotli")
	}
	for _, want := range wants {
		if !bytes.Contains(readme, []byte(want)) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}

// brotli returns the sizes of p.js and p-all.js in brotli of the highest quality. Node
// can do that, Go's library can't; known is false where Node is not installed.
func brotli(t *testing.T) (core, whole int, known bool) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Log("the figures of brotli were not checked: node is not installed")
		return 0, 0, false
	}
	const program = `for (const file of ["dist/p.js", "dist/p-all.js"])
		console.log(require("zlib").brotliCompressSync(require("fs").readFileSync(file)).length)`
	out, err := exec.CommandContext(t.Context(), node, "-e", program).Output()
	if err == nil {
		_, err = fmt.Sscan(string(out), &core, &whole)
	}
	if err != nil {
		t.Fatal(err)
	}
	return core, whole, true
}

// thousands writes n, which is below a million, with a comma.
func thousands(n int) string {
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// Who serves files has the same as who runs the service.
func TestUse_IsWhatIsBuilt(t *testing.T) {
	t.Parallel()
	for name, want := range map[string][]byte{"dist/p.js": pixel.Script, "dist/p-all.js": all().Script} {
		got, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s differs from what is served", name)
		}
	}
}

func TestUse(t *testing.T) {
	t.Parallel()
	if want := []string{"domains", "forms", "ga4", "gcm", "links", "tcf"}; !slices.Equal(pixel.Modules, want) {
		t.Errorf("modules %v, want %v", pixel.Modules, want)
	}
	file, missing := pixel.Use([]string{"tcf", "no such", "forms", "tcf", "../core"})
	if want := []string{"no such", "../core"}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	again, _ := pixel.Use([]string{"forms", "tcf"})
	if file.Hash != again.Hash || !bytes.Contains(file.Script, []byte("__tcfapi")) || bytes.Contains(file.Script, []byte("transaction_id")) {
		t.Error("the file must hold the modules asked for and no other, in whatever order they are named")
	}
	if plain, missing := pixel.Use([]string{"x"}); plain.Hash != pixel.Hash || len(missing) != 1 {
		t.Errorf("without a known module: %d missing, hash %s", len(missing), plain.Hash)
	}
}

func TestScriptGzip_IsTheScript(t *testing.T) {
	t.Parallel()
	r, err := gzip.NewReader(bytes.NewReader(pixel.ScriptGzip))
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, pixel.Script) {
		t.Error("ScriptGzip does not unpack to Script")
	}
}

func TestHash_IsSubresourceIntegrity(t *testing.T) {
	t.Parallel()
	if !regexp.MustCompile(`^sha384-[A-Za-z0-9+/]{64}$`).MatchString(pixel.Hash) {
		t.Errorf("Hash = %q, want the form of an integrity attribute", pixel.Hash)
	}
}

// A site's content security policy that allows the script's origin must be enough.
func TestScript_NeedsNoUnsafePolicy(t *testing.T) {
	t.Parallel()
	for _, forbidden := range []string{`\beval\(`, `new Function`, `\.innerHTML`, `document\.write`, `createElement`, `setAttribute`, `insertAdjacent`} {
		if regexp.MustCompile(forbidden).Match(all().Script) {
			t.Errorf("p.js contains %s, which a content security policy may refuse", forbidden)
		}
	}
}
