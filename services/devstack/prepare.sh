#!/usr/bin/env bash
# Finds what the tests need and installs what is missing, where that is allowed: on a
# Debian or Ubuntu machine, as root or by sudo without a password. It says what it
# does. What cannot be had is left out and said: the embedded servers stand in for
# PostgreSQL and Redis, and browser tests skip. TOUCHLINE_NO_INSTALL=1 installs nothing.
set -euo pipefail

have() { command -v "$1" >/dev/null 2>&1; }
have_postgres() { compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || have postgres; }
have_redis() { have redis-server || have valkey-server; }
have_chromium() { [ -n "${TOUCHLINE_CHROMIUM:-}" ] || have chromium || have chromium-browser || have google-chrome; }
have_firefox() { [ -n "${TOUCHLINE_FIREFOX:-}" ] || have firefox-esr || have firefox; }
have_webkit() { { [ -n "${TOUCHLINE_WEBKIT_DRIVER:-}" ] || have WebKitWebDriver; } && have Xvfb; }
have_nginx() { [ -n "${TOUCHLINE_NGINX:-}" ] || have nginx || [ -x /usr/sbin/nginx ]; }
have_caddy() { [ -n "${TOUCHLINE_CADDY:-}" ] || have caddy; }

have go || { echo "prepare: Go is not installed: see https://go.dev/doc/install (1.26 or later)" >&2; exit 1; }

missing=()
have_postgres || missing+=(postgresql)
have_redis || missing+=(redis-server)
have_chromium || missing+=(chromium)
have_firefox || missing+=(firefox-esr)
have_webkit || missing+=(webkit2gtk-driver xvfb)
have_nginx || missing+=(nginx-light)
have_caddy || missing+=(caddy)
have php || missing+=(php-cli)
have node || missing+=(nodejs npm)
have python3 || missing+=(python3)
if [ -n "${RACE:-}" ] && ! have gcc; then missing+=(gcc libc6-dev); fi

as_root=
if [ "$(id -u)" != 0 ]; then
	if have sudo && sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi
fi
if [ ${#missing[@]} -gt 0 ] && have apt-get && [ "$as_root" != no ] && [ -z "${TOUCHLINE_NO_INSTALL:-}" ]; then
	echo "prepare: installing ${missing[*]} with apt-get"
	log=$(mktemp)
	export DEBIAN_FRONTEND=noninteractive
	# What a distribution does not have must not keep the others away: Ubuntu's Firefox is
	# no package of this name.
	known=()
	# shellcheck disable=SC2086 # as_root is words
	if ! { $as_root apt-get update -q &&
		for one in "${missing[@]}"; do apt-cache show "$one" >/dev/null 2>&1 && known+=("$one") || echo "apt knows no $one"; done &&
		{ $as_root apt-get install -q -y --no-install-recommends "${known[@]}" ||
			# One that can't be installed must not keep the others away either.
			for one in "${known[@]}"; do $as_root apt-get install -q -y --no-install-recommends "$one" || failed=1; done; } &&
		[ -z "${failed:-}" ]; } >"$log" 2>&1; then
		echo "prepare: apt-get did not install all of them:"
		tail -5 "$log"
	fi
	rm -f "$log"
	# Their packages start a web server for everybody; the tests start their own.
	for one in nginx:nginx-light caddy:caddy; do
		if [[ " ${missing[*]} " == *" ${one#*:} "* ]] && have systemctl; then
			$as_root systemctl disable --now "${one%:*}" >/dev/null 2>&1 || true
		fi
	done
fi
have_postgres || echo "prepare: no PostgreSQL on this machine: the tests use the embedded one, from npm"
have_redis || echo "prepare: no Redis on this machine: the tests use the embedded one; those of durability are skipped"
have_chromium || echo "prepare: no Chromium on this machine: browser tests are skipped"
have_firefox || echo "prepare: no Firefox on this machine: its tests of the pixel are skipped"
have_webkit || echo "prepare: no WebKitWebDriver and Xvfb on this machine: their tests of the pixel are skipped"
have_nginx || echo "prepare: no nginx on this machine: the test of the proxy before the edge is skipped"
have_caddy || echo "prepare: no Caddy on this machine: the test of the pixel's Caddyfile is skipped"
have php || echo "prepare: no PHP on this machine: the test of the pixel's WooCommerce snippet is skipped"
if ! have npm; then
	echo "prepare: no npm on this machine: tests in JavaScript are skipped"
	exit 0
fi

# npm packages of the tests, wherever a lock file is.
git ls-files '*package-lock.json' | while read -r lock; do
	folder=$(dirname "$lock")
	if [ ! -e "$folder/node_modules/.package-lock.json" ] || [ "$lock" -nt "$folder/node_modules/.package-lock.json" ]; then
		echo "prepare: npm ci in $folder"
		(cd "$folder" && PUPPETEER_SKIP_DOWNLOAD=1 npm ci --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.package-lock.json)
	fi
done
