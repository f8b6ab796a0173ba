#!/usr/bin/env bash
# Plays every conformance world against the whole system, in every way that must not
# matter: in order, shuffled five ways, with half of the facts sent twice, while the
# worker is killed with SIGKILL again and again, and with four workers, left alone and
# killed. Before that, straight through the pure packages. The system runs in a folder
# of its own. The last line counts all plays over HTTP.
# $@: further options of run.py.
set -euo pipefail
suite=services/e2e/conformance
dir=.local/e2e
log=.local/e2e.log
passed=0 failed=0 status=0 devstack=
options=("$@")
# A hit that an edge keeps on its disk, as Redis took over a second, is in no books until
# the edge has said so: run.py would take nothing pending for the end.
export TOUCHLINE_REDIS_TIMEOUT=${TOUCHLINE_REDIS_TIMEOUT:-15s}

# start [option …] starts the system, empty.
start() {
	stop
	rm -rf "$dir"
	: >"$log" # before anybody looks into it
	.local/bin/devstack run --no-demo --dir "$dir" "$@" >"$log" 2>&1 </dev/null &
	devstack=$!
	for ((i = 0; ; i++)); do
		grep -q '^Ready' "$log" && break
		if ! kill -0 "$devstack" 2>/dev/null || ((i > 9000)); then
			echo "conformance: the system did not come up:"
			cat "$log"
			exit 1
		fi
		sleep 0.1
	done
}

stop() {
	[ -n "$devstack" ] || return 0
	kill -TERM "$devstack" 2>/dev/null || true
	wait "$devstack" || true
	devstack=
}
trap stop EXIT

# play NAME [option …] plays all worlds and counts them.
play() {
	local name=$1 began=$SECONDS out p f
	shift
	out=$(run "$@") || status=1
	grep -v ' passed, ' <<<"$out" | head -n 60 || true # what failed, and why
	read -r p _ f _ <<<"$(tail -1 <<<"$out")"
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
	echo "conformance: $name: $(tail -1 <<<"$out"), $((SECONDS - began)) s"
}

run() {
	python3 "$suite/run.py" --credentials "$dir/credentials.json" "$@" ${options[@]+"${options[@]}"} "$suite"/worlds/*.json
}

# killing NAME [option …] is play, while the workers are killed in turn, each half a
# second after the last one has come back. It fails unless two or more died meanwhile.
# After eight there is peace: devstack starts what keeps dying ever more slowly.
killing() {
	local before killer deaths
	before=$(deaths)
	kill_workers 8 &
	killer=$!
	play "$@"
	kill "$killer" 2>/dev/null || true
	wait "$killer" 2>/dev/null || true
	deaths=$(($(deaths) - before))
	echo "conformance: meanwhile workers died by SIGKILL $deaths times"
	if [ "$deaths" -lt 2 ]; then
		echo "conformance: fewer than two deaths prove nothing"
		status=1
	fi
}

# kill_workers N kills until N have died.
kill_workers() {
	local victims n back
	trap - EXIT
	victims=("$dir"/worker*.pid)
	for ((n = 0; n < $1; n++)); do
		sleep 0.5
		back=$(returns)
		kill -9 "$(cat "${victims[n % ${#victims[@]}]}")" 2>/dev/null || true
		# Killed before it is ready, it would only be away for longer.
		while kill -0 "$devstack" 2>/dev/null && [ "$(returns)" = "$back" ]; do sleep 0.1; done
	done
}

# deaths and returns count what devstack says of workers: that one died, and why, and
# that one is ready again.
deaths() { grep -cE '^ *worker.* ended by itself \(signal: killed\)' "$log" || true; }
returns() { grep -cE '^ *worker.* is back' "$log" || true; }

pure() {
	local out
	out=$(go test -count=1 -v -run '^TestDerive_WorldsCounted$' ./services/attribution/timeline) || status=1
	if [ "$status" != 0 ]; then grep -v '^=== ' <<<"$out" | head -n 60; fi
	echo "conformance: pure packages, no server: $(sed -n 's/.*go:[0-9]*: \([0-9]* passed\)/\1/p' <<<"$out")"
}

mkdir -p .local
pure
start
play "in order"
for seed in 1 2; do play "--shuffle $seed" --shuffle "$seed"; done
start
for seed in 3 4 5; do play "--shuffle $seed" --shuffle "$seed"; done
start
play "--repeat 0.5" --repeat 0.5
killing "--shuffle 6 --repeat 0.5, the worker killed" --shuffle 6 --repeat 0.5
start --workers 4
play "--shuffle 7, four workers" --shuffle 7
killing "--shuffle 8 --repeat 0.5, four workers, killed in turn" --shuffle 8 --repeat 0.5

if [ "$status" != 0 ]; then
	echo "conformance: the end of the services' logs"
	tail -n 5 "$dir"/logs/*.log
fi
echo "$passed passed, $failed failed"
exit "$status"
