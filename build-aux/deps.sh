#!/bin/sh
# Install the Debian packages that building and testing Rejoinder needs.
#
# usage: build-aux/deps.sh [--list | --bench | --fuzz]
#
# --bench: also the programs that `make bench-fetch` compares with; --fuzz: also what
# `make fuzz` compiles with.
#
# Nothing happens when nothing is missing.  A mail system that is already on
# the machine is not touched: packages that are installed are not upgraded, and
# if apt would remove anything (another MTA, say) this refuses and says so.  No
# service is started, now or at the next boot, and no file under /etc that
# exists is changed.
set -eu

build='gcc make pkg-config libc6-dev libmilter-dev libsqlite3-dev libssl-dev libinih-dev libjansson-dev libcurl4-openssl-dev'
tests='libcmocka-dev python3 postfix libsasl2-modules dovecot-core dovecot-pop3d opendkim opendkim-tools openssl sqlite3 tzdata'
lint='clang-format mandoc git'
bench='mpop fetchmail'
fuzz='clang libclang-rt-14-dev'
wanted="$build $tests $lint"
# For systemd-analyze, not as an init: it starts nothing and makes no /sbin/init.  Where it
# would push out another session manager it is left, and the tests that want it are skipped.
optional='systemd'

if [ "${1-}" = --bench ]; then
	wanted="$wanted $bench"
fi
if [ "${1-}" = --fuzz ]; then
	wanted="$wanted $fuzz"
fi
if [ "${1-}" = --list ]; then
	printf '%s\n' $wanted $optional
	exit 0
fi

say() { printf 'make deps: %s\n' "$*" >&2; }

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null; then
	say "this is not a Debian system (no dpkg-query); install these yourself: $wanted"
	exit 1
fi
missing=
for package in $wanted; do
	is_installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null; then
		say "these packages are missing:$missing; asking sudo to install them"
		exec sudo -- "$0" "$@"
	fi
	say "these packages are missing:$missing; run 'make deps' as root to install them"
	exit 1
fi

# One at a time: two runs must not save and restore policy-rc.d across each
# other.
exec 9>/run/lock/rejoinder-deps.lock
flock 9

export DEBIAN_FRONTEND=noninteractive
apt_get() { apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" 9>&-; }
apt_get update >/dev/null || say "'apt-get update' failed; going on with the package lists there are"

simulate() { apt-get -s -q --no-install-recommends --no-upgrade install "$@"; }
for package in $optional; do
	if ! is_installed "$package" && plan=$(simulate $missing "$package" 2>/dev/null) &&
		! printf '%s\n' "$plan" | grep -q '^Remv '; then
		missing="$missing $package"
	fi
done
say "installing:$missing"
plan=$(simulate $missing) || {
	say "apt-get cannot install:$missing"
	exit 1
}
removed=$(printf '%s\n' "$plan" | sed -n 's/^Remv \([^ ]*\).*/\1/p' | tr '\n' ' ')
if [ -n "$removed" ]; then
	say "refusing: installing$missing would remove ${removed}from this machine; remove it yourself if it is not needed, or use another machine"
	exit 1
fi

# invoke-rc.d asks policy-rc.d before it starts a service; 101 forbids it.
policy=/usr/sbin/policy-rc.d
saved=$(mktemp -d)
restore() {
	rm -f "$policy"
	[ ! -e "$saved/policy-rc.d" ] && [ ! -L "$saved/policy-rc.d" ] || mv "$saved/policy-rc.d" "$policy"
	rm -rf "$saved"
}
if [ -e "$policy" ] || [ -L "$policy" ]; then mv "$policy" "$saved/policy-rc.d"; fi
trap restore EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
printf '#!/bin/sh\nexit 101\n' >"$policy"
chmod 755 "$policy"

# Postfix is wanted for its programs only: leave /etc/postfix without a main.cf
# of our making.
is_installed postfix || is_new_postfix=yes
if [ "${is_new_postfix-}" = yes ] && command -v debconf-set-selections >/dev/null; then
	echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
fi
is_installed dovecot-core || is_new_dovecot=yes
is_installed opendkim || is_new_opendkim=yes

apt_get -o Dpkg::Options::=--force-confold --no-install-recommends --no-upgrade install $missing

# What was installed for tests must not start at the next boot either.  The
# helper wants to know for which package it is called.
disable() {
	DPKG_MAINTSCRIPT_PACKAGE=$1 deb-systemd-helper --quiet disable "$1.service"
}
if command -v deb-systemd-helper >/dev/null; then
	[ "${is_new_postfix-}" != yes ] || disable postfix
	[ "${is_new_dovecot-}" != yes ] || disable dovecot
	[ "${is_new_opendkim-}" != yes ] || disable opendkim
fi
say "done"
