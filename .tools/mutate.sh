#!/bin/sh
# Mutates the pure packages and runs their tests: who is not noticed is listed, with a
# table at the end. Some ten minutes; see services/docs/mutation.md. Arguments go to
# .tools/mutate; packages among them (./services/...) replace the list below.
set -eu
cd "$(dirname "$0")/.."
(cd .tools/mutate && GOWORK=off go test . && GOWORK=off go build -o ../bin/mutate .)

packages=
for argument in "$@"; do
    case $argument in ./*) packages=named ;; esac
done
if [ -z "$packages" ]; then
    # What these leave alive is tried on the worlds and histories of timeline too.
    export TOUCHLINE_HISTORIES="${TOUCHLINE_HISTORIES:-200}"
    a=./services/attribution
    set -- -least 90 -users $a/timeline "$@" \
        $a/credit $a/conversion $a/identity $a/touch $a/keyword $a/channel $a/policy $a/fact $a/timeline \
        ./services/internal/hit ./services/internal/hit/canonical ./services/tracking/intake
fi
exec nice .tools/bin/mutate "$@"
