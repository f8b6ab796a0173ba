// Package pixel holds the built browser script, for the service that serves it.
// The script's source is TypeScript in src; `go generate` rebuilds it.
package pixel

import (
	"bytes"
	"compress/gzip"
	"crypto/sha512"
	_ "embed"
	"encoding/base64"
	"fmt"
)

//go:generate go run ./build

// Script is the pixel as served at /p.js: UTF-8 JavaScript, minified. Read only.
//
//go:embed dist/p.js
var Script []byte

// ScriptGzip is Script compressed as far as gzip goes, for clients that accept it. Read only.
var ScriptGzip = compress(Script)

// Hash is the subresource integrity of Script, for a script tag's integrity
// attribute. It also serves as a strong entity tag.
var Hash = integrity(Script)

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
