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
tty=0
[ -t 1 ] && tty=1
# Package paths and downloads become one line of progress; everything else is shown.
go build -v -o "$bin/" ./services/tracking/cmd/tracking ./services/attribution/cmd/attribution ./services/devstack/cmd/devstack 2>&1 |
	awk -v tty="$tty" '
		function progress(text) {
			n++
			if (tty) { printf "\r\033[K  %d: %s", n, substr(text, 1, 70); open = 1 }
			else if (n % 50 == 1) print "  " n ": " text
			fflush()
		}
		/^go: downloading / { progress("downloading " $3); next }
		/^[A-Za-z0-9._~\/-]+$/ { progress("compiled " $1); next }
		{ if (open) printf "\r\033[K"; open = 0; print; fflush() }
		END { if (open) printf "\r\033[K" }'
