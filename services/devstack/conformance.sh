#!/usr/bin/env bash
# Plays every conformance world against the whole system, in every way that must not
# matter: in order, shuffled five ways, with half of the facts sent twice, while the
# worker is killed with SIGKILL again and again, and with four workers, left alone and
# killed. The system is started empty in a folder of its own. The last line counts all
# plays. $@: further options of run.py.
set -euo pipefail
suite=services/e2e/conformance
dir=.local/e2e
log=.local/e2e.log
passed=0 failed=0 status=0 devstack=
options=("$@")

# start [option …] starts the system, or starts it again with other options.
start() {
	stop
	.local/bin/devstack run --no-demo --dir "$dir" "$@" >"$log" 2>&1 </dev/null &
	devstack=$!
	for ((i = 0; ; i++)); do
		grep -q '^Ready' "$log" && break
		if ! kill -0 "$devstack" 2>/dev/null || ((i > 1200)); then
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
	grep -v ' passed, ' <<<"$out" || true # what failed, and why
	read -r p _ f _ <<<"$(tail -1 <<<"$out")"
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0}))
	echo "conformance: $name: $(tail -1 <<<"$out"), $((SECONDS - began)) s"
}

run() {
	python3 "$suite/run.py" --credentials "$dir/credentials.json" "$@" ${options[@]+"${options[@]}"} "$suite"/worlds/*.json
}

# killing NAME [option …] is play, while each of the workers is killed in turn half a
# second after the last one has come back. It fails unless devstack saw two deaths or
# more: it says so of each, and why.
killing() {
	local before player deaths victims
	before=$(deaths)
	(
		trap - EXIT
		while :; do
			for victims in "$dir"/worker*.pid; do
				sleep 0.5
				kill -9 "$(cat "$victims")" 2>/dev/null || true
				back=$(grep -c 'is back' "$log" || true)
				for ((i = 0; i < 100; i++)); do
					[ "$(grep -c 'is back' "$log" || true)" -gt "$back" ] && break
					sleep 0.1
				done
			done
		done
	) &
	player=$!
	play "$@"
	kill "$player"
	wait "$player" 2>/dev/null || true
	deaths=$(($(deaths) - before))
	echo "conformance: meanwhile workers died by SIGKILL $deaths times"
	if [ "$deaths" -lt 2 ]; then
		echo "conformance: fewer than two deaths prove nothing"
		status=1
	fi
}

deaths() {
	grep -cE '^ *worker.* ended by itself \(signal: killed\)' "$log" || true
}

rm -rf "$dir"
mkdir -p .local
start
play "in order"
for seed in 1 2 3 4 5; do play "--shuffle $seed" --shuffle "$seed"; done
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
