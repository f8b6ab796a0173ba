#!/bin/sh
# Mutates the pure packages, each tried by its own tests: who is not noticed is listed,
# with a table at the end. Some five minutes of a processor; see services/docs/mutation.md.
# Arguments go to .tools/mutate; packages among them (./services/...) replace the list below.
set -eu
cd "$(dirname "$0")/.."
(cd .tools/mutate && GOWORK=off go test . && GOWORK=off go build -o ../bin/mutate .)

packages=
for argument in "$@"; do
    case $argument in ./*) packages=named ;; esac
done
# The tests of timeline that go through whole histories and worlds take seconds a mutant.
long='^(TestDependencies|Benchmark|TestReference_|TestExplain_Histories|TestChange_EffectHoldsAllThatMoves|TestDerive_Worlds|TestDerive_AnyTimeZone|FuzzDerive)'
set -- -skip "$long" "$@"
if [ -z "$packages" ]; then
    a=./services/attribution
    set -- -least 90 "$@" \
        $a/credit $a/conversion $a/identity $a/touch $a/keyword $a/channel $a/policy $a/fact $a/timeline \
        ./services/internal/hit ./services/internal/hit/canonical ./services/tracking/intake
fi
exec nice .tools/bin/mutate "$@"
