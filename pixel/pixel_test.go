package pixel_test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"regexp"
	"testing"

	"github.com/touchline/touchline/pixel"
)

// maxGzip is the most the script may weigh on the wire, in bytes of gzip -9.
const maxGzip = 2047

func TestScript_StaysUnderTwoKilobytes(t *testing.T) {
	t.Parallel()
	if n := len(pixel.ScriptGzip); n > maxGzip {
		t.Errorf("p.js is %d bytes in gzip, at most %d are allowed: size is a feature", n, maxGzip)
	}
	t.Logf("p.js: %d bytes, %d in gzip", len(pixel.Script), len(pixel.ScriptGzip))
}

// The README boasts of the size, so it has to be right.
func TestReadme_TellsTheSize(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		thousands(len(pixel.ScriptGzip)) + " bytes in gzip",
		thousands(len(pixel.Script)) + " bytes minified",
	} {
		if !bytes.Contains(readme, []byte(want)) {
			t.Errorf("README.md does not say %q", want)
		}
	}
}

// thousands writes n, which is below a million, with a comma.
func thousands(n int) string {
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
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
	for _, forbidden := range []string{`\beval\(`, `new Function`, `\.innerHTML`, `document\.write`, `createElement`} {
		if regexp.MustCompile(forbidden).Match(pixel.Script) {
			t.Errorf("p.js contains %s, which a content security policy may refuse", forbidden)
		}
	}
}
