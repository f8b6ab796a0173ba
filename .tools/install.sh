#!/bin/sh
# Builds the named tools (all without a name) into .tools/bin, each at the version
# that .tools/<tool>/go.mod pins, and skips those that are there at that version.
# Each tool has a go.mod of its own, so that one tool's libraries never move another's.
set -eu
cd "$(dirname "$0")"
mkdir -p bin

# The version as far as rebuilding is concerned: everything that is pinned, and the compiler.
pinned() {
    { cat "$1/go.mod" "$1/go.sum"; go env GOVERSION; } | sha256sum | cut -d ' ' -f 1
}

install_tool() {
    tool=$1
    want=$(pinned "$tool")
    if [ -x "bin/$tool" ] && [ "$(cat "bin/$tool.pinned" 2>/dev/null)" = "$want" ]; then
        return
    fi
    package=$(sed -n 's/^tool //p' "$tool/go.mod")
    echo "tools: building $tool ($package)"
    (cd "$tool" && GOWORK=off GOFLAGS= go build -o "../bin/$tool" "$package")
    echo "$want" >"bin/$tool.pinned"
}

if [ $# -eq 0 ]; then
    set -- gofumpt golangci-lint sqlc oapi-codegen
fi
for tool in "$@"; do
    install_tool "$tool"
done
