#!/bin/sh
# Put Rejoinder where the Makefile's directories say, or take it away again.
#
# usage: build-aux/install.sh install|uninstall PROGRAM...
#
# The directories come by the environment, see Makefile; PURGE=1 has uninstall remove
# configuration, store, keys and user too, FORCE=1 has it go on though Postfix or systemd
# still use it.  With an empty DESTDIR and as root, install also makes the user and the
# directories that the daemons need.  Nothing is started or stopped, and nothing of
# Postfix is touched.
set -eu
umask 022
cd "$(dirname "$0")/.."

verb=$1
shift
programs=$*
config_dir=$SYSCONFDIR/rejoinder
state_dir=$LOCALSTATEDIR/lib/rejoinder
man_dir=$PREFIX/share/man
doc_dir=$PREFIX/share/doc/rejoinder
made=$doc_dir/directories

say() { printf 'make %s: %s\n' "$verb" "$*"; }
fail() {
	say "$*" >&2
	exit 1
}

for directory in "$PREFIX" "$SYSCONFDIR" "$LOCALSTATEDIR" "$SOCKETDIR" "$UNITDIR" \
	"$SYSUSERSDIR" "$TMPFILESDIR"; do
	case $directory in
	*[!A-Za-z0-9/._+-]*) fail "found the directory \"$directory\", expected only letters, digits and / . _ + -" ;;
	/*) ;;
	*) fail "found the directory \"$directory\", expected an absolute path" ;;
	esac
done

# Is this the machine itself, not a tree for a package or a test?
is_machine() { [ -z "$DESTDIR" ] && [ "$(id -u)" -eq 0 ]; }
has_systemd() { [ -d /run/systemd/system ]; }

# Units name their directories between @, all other files those of a default build.
fill() {
	sed -e 's|/var/spool/postfix/rejoinder|@SOCKETDIR@|g' \
		-e 's|/var/lib/rejoinder|@LOCALSTATEDIR@/lib/rejoinder|g' \
		-e 's|/etc/rejoinder|@SYSCONFDIR@/rejoinder|g' -- "$1" |
		sed -e "s|@SBINDIR@|$PREFIX/sbin|g" -e "s|@SYSCONFDIR@|$SYSCONFDIR|g" \
			-e "s|@LOCALSTATEDIR@|$LOCALSTATEDIR|g" -e "s|@SOCKETDIR@|$SOCKETDIR|g"
}

# Make a directory; those that were not there are noted, for uninstall to remove.
make_directory() {
	missing=''
	directory=$1
	until [ -z "$directory" ] || [ -d "$DESTDIR$directory" ]; do
		missing="$directory $missing"
		directory=${directory%/*}
	done
	[ -n "$missing" ] || return 0
	mkdir -p "$DESTDIR$1" "$DESTDIR$doc_dir"
	for directory in $missing; do echo "$directory" >>"$DESTDIR$made"; done
}

# put program|text SOURCE TARGET.  A program that runs keeps its old file.
put() {
	make_directory "${3%/*}"
	if [ "$1" = program ]; then
		install -m 0755 "$2" "$DESTDIR$3.new"
	else
		fill "$2" >"$DESTDIR$3.new"
		chmod 0644 "$DESTDIR$3.new"
	fi
	mv -f "$DESTDIR$3.new" "$DESTDIR$3"
}

remove() { rm -f "$DESTDIR$3"; }

# Call put or remove for each file: the one list of what is installed.
each() {
	for program in $programs; do
		"$1" program "$program" "$PREFIX/sbin/${program##*/}"
	done
	for page in man/*.[1-9]; do
		"$1" text "$page" "$man_dir/man${page##*.}/${page##*/}"
	done
	for unit in contrib/systemd/*.service contrib/systemd/*.target; do
		"$1" text "$unit" "$UNITDIR/${unit##*/}"
	done
	"$1" text contrib/systemd/rejoinder.sysusers.conf "$SYSUSERSDIR/rejoinder.conf"
	"$1" text contrib/systemd/rejoinder.tmpfiles.conf "$TMPFILESDIR/rejoinder.conf"
	for file in contrib/postfix/* contrib/supervise/*; do
		"$1" text "$file" "$doc_dir/${file#contrib/}"
	done
	"$1" text contrib/rejoinder.conf "$doc_dir/examples/rejoinder.conf"
	"$1" text README.md "$doc_dir/README.md"
	"$1" text LICENSE "$doc_dir/LICENSE"
}

has_group() { getent group "$1" >/dev/null; }

make_user() {
	if command -v systemd-sysusers >/dev/null; then
		systemd-sysusers "$SYSUSERSDIR/rejoinder.conf"
		return
	fi
	has_group rejoinder || groupadd --system rejoinder
	getent passwd rejoinder >/dev/null ||
		useradd --system --gid rejoinder --home-dir "$state_dir" --no-create-home \
			--shell /usr/sbin/nologin rejoinder
}

# As the tmpfiles do at each boot.
make_directories() {
	install -d -o root -g rejoinder -m 2750 "$config_dir"
	install -d -o rejoinder -g rejoinder -m 0750 "$state_dir"
	if has_group postfix; then
		install -d -o rejoinder -g postfix -m 2710 "$SOCKETDIR"
	else
		say "there is no group postfix: install Postfix, then run this again for $SOCKETDIR"
	fi
}

say_next() {
	is_machine || return 0
	say "done. Nothing was started. Next:"
	[ -e "$config_dir/rejoinder.conf" ] ||
		echo "	rejoinder init --domain YOUR.DOMAIN	and edit $config_dir/rejoinder.conf"
	[ -e "$state_dir/keys" ] || echo "	rejoinder keys add"
	if ! has_systemd; then
		echo "	start the daemons, see $doc_dir/supervise/README.md"
	elif systemctl -q is-active rejoinder.target; then
		echo "	systemctl daemon-reload && systemctl restart rejoinder.target"
	else
		echo "	systemctl daemon-reload && systemctl enable --now rejoinder.target"
	fi
	echo "	rejoinder setup	wires Postfix, after asking"
}

do_install() {
	make_directory "$doc_dir"
	each put
	if is_machine; then
		make_user
		make_directories
	elif [ -z "$DESTDIR" ]; then
		say "not root: no user and no directories were made"
	fi
	say_next
}

# While Postfix names the milter it would put off all mail, and `rejoinder setup --undo` be gone.
check_unwired() {
	command -v postconf >/dev/null || return 0
	postfix_dir=$(postconf -dh config_directory 2>/dev/null) || postfix_dir=/etc/postfix
	for directory in "$postfix_dir" $(postconf -h multi_instance_directories 2>/dev/null | tr ',' ' '); do
		for file in "$directory/main.cf" "$directory/master.cf"; do
			if [ -e "$file" ] && grep -q '^[^#]*rejoinder[_/]milter' "$file"; then
				fail "$file names the milter. First: rejoinder setup --undo --config-dir $directory; FORCE=1 goes on all the same"
			fi
		done
	done
}

check_unused() {
	is_machine && [ "${FORCE-}" != 1 ] || return 0
	check_unwired
	if getent passwd rejoinder >/dev/null && [ -n "$(ps -u rejoinder -o pid= 2>/dev/null)" ]; then
		fail "programs of user rejoinder run. Stop them first; FORCE=1 goes on all the same"
	fi
	has_systemd || return 0
	if systemctl -q is-active rejoinder.target ||
		systemctl -q is-enabled rejoinder.target 2>/dev/null; then
		fail "in use. First: rejoinder setup --undo; systemctl disable --now rejoinder.target"
	fi
}

# Those that hold nothing any more, of ours and of those that install made, the innermost first.
remove_empty() {
	for directory in "$doc_dir/examples" "$doc_dir/postfix" "$doc_dir/supervise" "$doc_dir" \
		"$SOCKETDIR" "$config_dir" "$state_dir" $(echo "$1" | sort -r); do
		[ ! -d "$DESTDIR$directory" ] ||
			rmdir --ignore-fail-on-non-empty "$DESTDIR$directory"
	done
}

# Only what bears our name: SOCKETDIR may be anything.
purge() {
	for directory in "$config_dir" "$state_dir" "$SOCKETDIR"; do
		[ "${directory##*/}" != rejoinder ] || rm -rf "$DESTDIR$directory"
	done
	is_machine || return 0
	if getent passwd rejoinder >/dev/null; then userdel rejoinder; fi
	if has_group rejoinder; then groupdel rejoinder; fi
}

do_uninstall() {
	check_unused
	directories=''
	[ ! -e "$DESTDIR$made" ] || directories=$(cat "$DESTDIR$made")
	each remove
	# What a milter that ran as root leaves, or one that was killed.
	rm -f "$DESTDIR$SOCKETDIR/milter.sock" "$DESTDIR$SOCKETDIR/password.sock"
	if [ "${PURGE-}" = 1 ]; then purge; fi
	rm -f "$DESTDIR$made" # last, for who must run it again
	remove_empty "$directories"
	for kept in "$config_dir" "$state_dir"; do
		[ ! -d "$DESTDIR$kept" ] || say "left $DESTDIR$kept; PURGE=1 removes it too"
	done
}

case $verb in
install) do_install ;;
uninstall) do_uninstall ;;
*) fail "usage: build-aux/install.sh install|uninstall PROGRAM..." ;;
esac
