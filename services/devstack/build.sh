#!/usr/bin/env bash
# Builds the services and devstack into the folder $1 and shows that it moves: from
# an empty cache this compiles some hundred packages.
set -euo pipefail
bin=$1
mkdir -p "$bin"
if ! command -v go >/dev/null; then
	echo "Go is not installed: see https://go.dev/doc/install (1.26 or later)" >&2
	exit 1
fi
echo "Building (the first time takes a minute or two)"
# Package paths and downloads become one line of progress, written over on a terminal
# and written every five seconds elsewhere; everything else is shown. The ticks keep it
# alive while one large package compiles. (No awk: mawk reads a pipe by 4 KB blocks.)
{
	(while sleep 1 >/dev/null; do echo tick; done) &
	trap 'kill $! 2>/dev/null' EXIT
	go build -v -o "$bin/" ./services/tracking/cmd/tracking ./services/attribution/cmd/attribution ./services/devstack/cmd/devstack 2>&1
} | {
	tty=
	[ -t 1 ] && tty=1
	n=0 doing= shown=$SECONDS began=$SECONDS
	while IFS= read -r line; do
		case $line in
		tick) ;;
		"go: downloading "*) n=$((n + 1)) doing=${line#go: } ;;
		"" | *[!A-Za-z0-9._~/-]*) printf '%s%s\n' "${tty:+$'\r\e[K'}" "$line" && continue ;;
		*) n=$((n + 1)) doing="compiling $line" ;;
		esac
		[ -n "$doing" ] || continue
		text="  $((SECONDS - began)) s, step $n: $doing"
		if [ -n "$tty" ]; then
			printf '\r\e[K%s' "${text:0:78}"
		elif [ $((SECONDS - shown)) -ge 5 ]; then
			shown=$SECONDS
			printf '%s\n' "$text"
		fi
	done
	printf '%s' "${tty:+$'\r\e[K'}"
}
