#!/bin/sh
# What a compiler does not see: format, layering, and the house rules.
#
# usage: build-aux/lint.sh
#
# Looks at every file that git tracks or does not ignore.  Each finding is one
# line, `file:line: what`; the last line counts the checks:
# `N passed, N failed, N skipped`.
set -u
LC_ALL=C.UTF-8
export LC_ALL

cd "$(dirname "$0")/.." || exit 70
work=$(mktemp -d) || exit 70
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
passed=0
failed=0

# A list of files must not be empty by mistake, and names with blanks would be
# read as two.
all=$work/all
if [ -e .git ]; then
	git -c safe.directory='*' -c core.quotePath=false ls-files -co --exclude-standard
else
	find . \( -name .git -o -name build -o -name __pycache__ \) -prune -o -type f -print |
		sed 's|^\./||'
fi | sort | while IFS= read -r file; do
	[ ! -f "$file" ] || printf '%s\n' "$file"
done >"$all"
if grep -n '[[:space:]]' "$all"; then
	echo "lint: these file names hold blanks" >&2
	exit 65
fi

# files EXTENDED_REGEX: the names that match, test data left out.
files() { grep -E "$1" "$all" | grep -v '^tests/data/'; }

# scripts INTERPRETER_REGEX: files whose first line names that interpreter.
scripts() {
	files . | while IFS= read -r file; do
		head -n 1 "$file" | tr -d '\0' | grep -Eq "^#!.*[/ ]($1)( |\$)" && printf '%s\n' "$file"
	done
}

c_files=$(files '\.[ch]$')
shell_files=$({ files '\.sh$'; scripts 'sh|bash|dash'; } | sort -u)
python_files=$({ files '\.py$'; scripts 'python3?'; } | sort -u)
text_files=$(files . | tr '\n' '\0' | xargs -0 grep -Il '' --)

# check NAME FUNCTION: run one check; what it prints are its findings.
check() {
	"$2" >"$work/findings" 2>&1
	if [ -s "$work/findings" ]; then
		cat "$work/findings"
		echo "failed: $1"
		failed=$((failed + 1))
	else
		echo "passed: $1"
		passed=$((passed + 1))
	fi
}

# search REGEX WHAT FILE...: every line that matches is a finding.
search() {
	regex=$1
	what=$2
	shift 2
	[ $# -gt 0 ] || return 0
	grep -EHnI -e "$regex" -- "$@" | sed "s|^\([^:]*:[0-9]*\):.*|\1: $what|"
}

# C without its comments and the insides of its strings, line for line; the
# names of included files stay.
strip_comments='
{
	line = $0
	out = ""
	if (line ~ /^[ \t]*#[ \t]*include/ && !in_comment) {
		sub(/\/\*.*/, "", line)
		print line
		next
	}
	quote = ""
	n = length(line)
	for (i = 1; i <= n; i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				i++
			}
		} else if (quote != "") {
			if (c == "\\")
				i++
			else if (c == quote)
				quote = ""
		} else if (two == "/*") {
			in_comment = 1
			i++
		} else if (two == "//") {
			break
		} else if (c == "\"" || c == "\047") {
			quote = c
			out = out c
		} else {
			out = out c
		}
	}
	print out
}'

# search_c REGEX WHAT FILE...: as search, in code only.
search_c() {
	regex_c=$1
	what_c=$2
	shift 2
	for file; do
		awk "$strip_comments" "$file" | grep -En -e "$regex_c" |
			sed "s|^\([0-9]*\):.*|$file:\1: $what_c|"
	done
}

check_format() {
	[ -n "$c_files" ] || echo "lint:0: no C file found"
	for file in $c_files; do
		clang-format --dry-run -Werror "$file" >"$work/format" 2>&1 && continue
		sed -n 's|^\([^ :]*:[0-9]*\):[0-9]*: error: .*|\1: not as clang-format writes it|p' \
			"$work/format" | uniq | grep . || sed "s|^|$file:0: |" "$work/format"
	done
}

# Who may include whom: a library folder those before it and itself, a program
# the library and itself, the tests anything but a system library's secrets.
check_layers() {
	for file in $c_files; do
		awk "$strip_comments" "$file" | awk -v file="$file" '
		BEGIN {
			count = split("base mail conversation store net", layers, " ")
			for (i = 1; i <= count; i++)
				rank[layers[i]] = i
			split(file, at, "/")
			top = at[1]
		}
		/^[ \t]*#[ \t]*include[ \t]*"/ {
			name = $0
			sub(/^[^"]*"/, "", name)
			sub(/".*/, "", name)
			split(name, part, "/")
			if (name !~ /\// || name ~ /\.\./)
				what = "includes \"" name "\": name it from the top, by layer"
			else if (top == "tests")
				next
			else if (part[1] == top && top != "lib")
				next
			# It says what the milter would do because the milter says it.
			else if (file ~ /^ctl\/explain/ && part[1] == "milter")
				next
			else if (part[1] != "lib")
				what = top " includes \"" name "\": only lib/ and its own folder are allowed"
			else if (!(part[2] in rank))
				what = "includes \"" name "\": no such layer"
			else if (top == "lib" && !(at[2] in rank))
				what = "lib/" at[2] " is no layer"
			else if (top == "lib" && rank[part[2]] > rank[at[2]])
				what = "lib/" at[2] " includes lib/" part[2] ", which stands above it"
			else
				next
			print file ":" NR ": " what
		}'
	done
}

check_system_libraries() {
	for file in $c_files; do
		case $file in tests/*) continue ;; esac
		awk "$strip_comments" "$file" | awk -v file="$file" '
		function only(pattern, allowed, who) {
			if ($0 ~ "include[ \t]*[<\"]" pattern && file !~ allowed)
				print file ":" NR ": only " who " may include " name
		}
		/^[ \t]*#[ \t]*include/ {
			name = $0
			sub(/^[^<"]*/, "", name)
			only("sqlite3", "^lib/store/", "lib/store")
			only("curl/", "^lib/net/", "lib/net")
			only("libmilter/", "^milter/server\\.c$", "milter/server.c")
			only("openssl/", "^lib/base/(certificate|digest|secret)\\.c$",
				"lib/base/digest.c, secret.c and certificate.c")
		}'
	done
}

# The Makefile compiles a file that includes it again when a directory changes, and
# knows nothing of one that does so by a header.
check_directories() {
	search '^#[[:space:]]*include "lib/base/directories\.h"' 'only .c files include it' \
		$(printf '%s\n' $c_files | grep '\.h$')
	search '(/etc|/var/lib|/var/spool/postfix)/rejoinder([^_]|$)' \
		'lib/base/directories.h knows where things are' \
		$(printf '%s\n' $c_files | grep -v '^tests/')
}

check_guards() {
	for file in $(files '\.h$'); do
		guard=$(printf '%s' "${file#lib/}" |
			sed -E 's|^([^/]+)/(.*/)?([^/]+)\.h$|rejoinder_\1_\3_h|; s/[^A-Za-z0-9]/_/g' |
			tr '[:lower:]' '[:upper:]')
		awk "$strip_comments" "$file" | awk -v file="$file" -v guard="$guard" '
		NF == 0 { next }
		{ seen++; last = $0; last_at = NR }
		seen == 1 && $0 != "#ifndef " guard { bad = NR }
		seen == 2 && $0 != "#define " guard && !bad { bad = NR }
		END {
			if (seen < 3 || bad)
				print file ":" (bad ? bad : 1) ": the header guard is not " guard
			else if (last !~ /^#endif/)
				print file ":" last_at ": the header guard does not end the file"
		}'
	done
}

check_extern() {
	search_c '(^|[^A-Za-z0-9_])extern([^A-Za-z0-9_]|$)' 'extern is not used here' $c_files
}

# The one helper that waits is wait.py; a shim of tests/fault is a delay by
# trade.
check_sleep() {
	search_c '(^|[^A-Za-z0-9_])(u|nano|clock_nano)?sleep *\(' 'a test does not sleep' \
		$(printf '%s\n' $c_files | grep '^tests/' | grep -v '^tests/fault/')
	search '(^|[^A-Za-z0-9_])sleep *\(|import[^#]*[ ,(]sleep|select\(\[\], *\[\], *\[\], *[^)]' \
		'only tests/integration/wait.py sleeps' \
		$(printf '%s\n' $python_files | grep '^tests/' | grep -v '^tests/integration/wait\.py$')
	search '(^|[;&|`(]|do|then)[[:space:]]*sleep +[^ ]' 'a test does not sleep' \
		$(printf '%s\n' $shell_files | grep '^tests/')
}

check_kill_by_name() {
	search '(^|[^A-Za-z0-9_-])(pkil[l]|killal[l])([^A-Za-z0-9_-]|$)' \
		'processes are ended by the id one started' $text_files
}

check_left_over() {
	search '(^|[^A-Za-z0-9_])(TOD[O]|FIXM[E]|XX[X])([^A-Za-z0-9_]|$)' 'unfinished' $text_files
}

check_white_space() {
	search '[[:blank:]]+$' 'white space at the end of the line' \
		$(printf '%s\n' $text_files | grep -v '\.eml$')
	for file in $(printf '%s\n' $text_files | grep -v '\.eml$'); do
		[ -z "$(tail -c 1 "$file" | tr -d '\n')" ] ||
			echo "$file:$(grep -c '' "$file"): no newline at the end of the file"
	done
}

check_man() {
	pages=$(files '^man/.*\.[1-8]$')
	[ -n "$pages" ] || echo "man:0: no manual page found"
	command -v mandoc >/dev/null || echo "lint:0: mandoc is not installed"
	# Pages that are referred to need not be installed here.
	[ -z "$pages" ] || mandoc -T lint $pages 2>&1 |
		grep -v -e 'referenced manual not found' -e 'outdated mandoc.db' |
		sed 's|^mandoc: \([^:]*:[0-9]*\):[0-9]*: |\1: |'
}

check_shell() {
	for file in $shell_files; do
		case $(head -n 1 "$file") in
		*bash*) shell="bash" ;;
		*) shell="sh" ;;
		esac
		"$shell" -n "$file" 2>&1 | sed -E "s#^[^:]*: (line )?([0-9]+): #$file:\2: #"
	done
}

# Compiled in memory: nothing is written.
check_python() {
	[ -z "$python_files" ] || /usr/bin/python3 -B -W error - $python_files <<'PYTHON'
import sys

for path in sys.argv[1:]:
    try:
        with open(path, "rb") as file:
            compile(file.read(), path, "exec")
    except SyntaxError as error:
        print(f"{path}:{error.lineno}: {error.msg}")
    except ValueError as error:
        print(f"{path}:1: {error}")
PYTHON
}

check_fuzz() {
	for file in $(files '^tests/fuzz/fuzz_.*\.c$'); do
		name=${file#tests/fuzz/fuzz_}
		name=${name%.c}
		[ -n "$(find "tests/data/fuzz/$name" -type f -size +0c 2>/dev/null)" ] ||
			echo "$file:1: tests/data/fuzz/$name holds no input to replay"
	done
}

check "C is as clang-format writes it" check_format
check "includes follow the layers" check_layers
check "system libraries are seen by their owners only" check_system_libraries
check "directories have one home" check_directories
check "header guards" check_guards
check "no extern" check_extern
check "nothing in the tests sleeps" check_sleep
check "no process is ended by name" check_kill_by_name
check "nothing unfinished" check_left_over
check "white space" check_white_space
check "manual pages" check_man
check "shell scripts parse" check_shell
check "Python compiles" check_python
check "every fuzz entry has inputs" check_fuzz
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
