#!/bin/sh
# Everything that compares what is committed with what it is made from, and each
# module with the promise that it builds alone. Runs all of it, then fails if anything failed.
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root" || exit 1
failed=

check() {
    name=$1
    shift
    echo "verify: $name"
    "$@" || failed="$failed
  $name"
}

# sqlc and oapi-codegen: by checksum of inputs and outputs, so that nobody has to
# build sqlc (five minutes) to be told that nothing changed.
generated() {
    now=$(mktemp)
    .tools/generated.sh sums >"$now"
    if ! diff -u .tools/generated.sum "$now"; then
        rm -f "$now"
        echo "an input or output of a generator changed: run \`make generate\` and commit the result"
        return 1
    fi
    rm -f "$now"
}

pixel() {
    (cd pixel && go test -count=1 -run TestDistIsCurrent ./build)
}

# Without the workspace: what somebody gets who builds one module, as an image does.
alone() {
    (cd "$1" && GOWORK=off GOFLAGS=-mod=mod go mod tidy -diff &&
        GOWORK=off GOFLAGS=-mod=readonly go build ./... &&
        GOWORK=off GOFLAGS=-mod=readonly go vet ./...)
}

# A path of somebody's machine in a committed file works nowhere else.
paths() {
    # Licences and lock files aside, no file may name a home or a build machine's folder.
    # The pattern is written so that this file does not match itself.
    if git grep -nIE '(^|[^A-Za-z0-9_.-])/(home|Users|work|root)/[a-z]' -- . ':!:**/testdata/**' ':!:services/e2e/conformance/run.py'; then
        echo "the files above name a path of one machine"
        return 1
    fi
}

# The go command caches a passed test although other modules changed.
house() {
    (cd services/e2e && go test -count=1 ./house)
}

check "generated code is current" generated
check "pixel/dist is current" pixel
check "no file names a machine's path" paths
check "imports, vocabulary" house
check "chart" .tools/chart.sh
for module in $(go list -m -f '{{.Dir}}'); do
    check "module alone: ${module#"$root"/}" alone "$module"
done

if [ -n "$failed" ]; then
    echo "verify: these failed:$failed"
    exit 1
fi
echo "verify: all good"
