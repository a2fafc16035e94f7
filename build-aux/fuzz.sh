#!/bin/sh
# Run fuzz entries under libFuzzer.
#
# usage: build-aux/fuzz.sh BUILD SECONDS [NAME...]
#
# BUILD holds tests/fuzz/fuzz_*, built with clang; NAME is header, milter, ...
# Inputs that it keeps go to BUILD/found/NAME, those that break an entry beside
# it as NAME-crash-..., NAME-leak-... .  Exit code 1 if any was broken.
set -u

build=$1
seconds=$2
shift 2
status=0
for program in "$build"/tests/fuzz/fuzz_*; do
	name=${program##*/fuzz_}
	case $name in *.*) continue ;; esac
	case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
	mkdir -p "$build/found/$name"
	printf '%s: ' "$name"
	if "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
		-artifact_prefix="$build/found/$name-" "$build/found/$name" \
		"tests/data/fuzz/$name" >"$build/found/$name.log" 2>&1; then
		sed -n 's/^stat::number_of_executed_units: */inputs run: /p' "$build/found/$name.log"
	else
		status=1
		echo "BROKEN, see $build/found/$name.log"
	fi
done
exit $status
