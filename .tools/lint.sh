#!/bin/sh
# Everything that reads the code and judges it: format, vet, golangci-lint, sizes,
# types of the pixel. Runs all of it, then fails if anything failed.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
failed=

# Runs a check under its name; a failure is remembered, not final.
check() {
    name=$1
    shift
    echo "lint: $name"
    "$@" || failed="$failed
  $name"
}

modules() {
    go list -m -f '{{.Dir}}'
}

format() {
    # Generated files are formatted by their generators.
    found=$(git ls-files -co --exclude-standard '*.go' ':!:**/dbsqlc/**' ':!:**/gen/**' | while read -r file; do
        [ -f "$file" ] && echo "$file"
    done | xargs .tools/bin/gofumpt -l -modpath github.com/touchline/touchline)
    [ -z "$found" ] || { echo "not formatted (run .tools/bin/gofumpt -w):"; echo "$found"; return 1; }
}

in_module() {
    (cd "$1" && shift && "$@")
}

sizes() {
    (cd .tools/sizes && GOWORK=off go test . && GOWORK=off go run . -root "$root")
}

mutate() {
    (cd .tools/mutate && GOWORK=off go vet . && GOWORK=off go test .)
}

types() {
    if ! command -v npm >/dev/null; then
        echo "skipped: the type check of the pixel needs npm, which is not installed"
        return 0
    fi
    (cd pixel && { [ node_modules/.package-lock.json -nt package-lock.json ] || npm ci --silent --no-audit --no-fund; } &&
        npm run --silent check)
}

.tools/install.sh gofumpt golangci-lint || exit 1
check "format (gofumpt)" format
check "sizes (style, numbers)" sizes
check "tests of the mutation tool" mutate
check "types (tsc)" types
for module in $(modules); do
    check "go vet ${module#"$root"/}" in_module "$module" go vet ./...
    check "golangci-lint ${module#"$root"/}" in_module "$module" "$root/.tools/bin/golangci-lint" run --config "$root/.golangci.yml" ./...
done

if [ -n "$failed" ]; then
    echo "lint: these failed:$failed"
    exit 1
fi
echo "lint: all good"
