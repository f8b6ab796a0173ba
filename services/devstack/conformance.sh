#!/usr/bin/env bash
# Plays the conformance worlds against the whole system: starts it empty in a folder
# of its own, plays services/e2e/conformance/first.txt in order and shuffled three
# ways, stops it. The last line counts all of them. $@: further options of run.py.
set -euo pipefail
suite=services/e2e/conformance
dir=.local/e2e
log=.local/e2e.log
rm -rf "$dir"
mkdir -p .local

.local/bin/devstack run --no-demo --dir "$dir" >"$log" 2>&1 </dev/null &
devstack=$!
finish() {
	kill -TERM "$devstack" 2>/dev/null || true
	wait "$devstack" || true
}
trap finish EXIT
for ((i = 0; ; i++)); do
	grep -q '^Ready' "$log" && break
	if ! kill -0 "$devstack" 2>/dev/null || ((i > 1200)); then
		echo "conformance: the system did not come up:"
		cat "$log"
		exit 1
	fi
	sleep 0.1
done

worlds=()
while read -r world; do worlds+=("$suite/worlds/$world.json"); done <"$suite/first.txt"
passed=0 failed=0 status=0
for order in "" "--shuffle 1" "--shuffle 2" "--shuffle 3"; do
	echo "conformance: ${#worlds[@]} worlds ${order:-in order}"
	# shellcheck disable=SC2086 # order is words
	out=$(python3 "$suite/run.py" --credentials "$dir/credentials.json" $order "$@" "${worlds[@]}") || status=1
	echo "$out"
	read -r p _ f _ <<<"$(tail -1 <<<"$out")"
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
done
if [ "$status" != 0 ]; then
	echo "conformance: the end of the services' logs"
	tail -n 5 "$dir"/logs/*.log
fi
echo "$passed passed, $failed failed"
exit "$status"
