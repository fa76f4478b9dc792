# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# For test programs in shell that run as root in a bed (see scene.h), which source this. TAP goes to standard output.
# BERTH_GUEST is the directory of the small test guest; $scratch a directory of the program's own.

set -eu

number=0
failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 1' HUP INT TERM

# check WHAT COMMAND...: a case of the test, which COMMAND passes by ending well.
check() {
	what=$1
	shift
	number=$((number + 1))
	if "$@" >"$scratch/case" 2>&1; then
		echo "ok $number - $what"
	else
		failed=1
		sed 's/^/# /' "$scratch/case"
		echo "not ok $number - $what"
	fi
}

finish() {
	echo "1..$number"
	exit "$failed"
}

# ends STATUS COMMAND...: whether that is how it ends. What it wrote is then in $scratch/out and $scratch/err.
ends() {
	expected=$1
	shift
	status=0
	"$@" >"$scratch/out" 2>"$scratch/err" || status=$?
	cat "$scratch/out" "$scratch/err"
	[ "$status" -eq "$expected" ] || {
		echo "'$*' ended with status $status, not $expected"
		return 1
	}
}

# says WORDS COMMAND...: whether it ends well and has WORDS in its standard output.
says() {
	words=$1
	shift
	ends 0 "$@" && grep -qF -e "$words" "$scratch/out"
}

# is_json CONDITION COMMAND...: whether what it writes is JSON, and CONDITION, in Python, is true of that value v.
is_json() {
	condition=$1
	shift
	ends 0 "$@" &&
		python3 -c 'import json, sys; v = json.load(open(sys.argv[1])); assert eval(sys.argv[2]), sys.argv[2]' \
			"$scratch/out" "$condition"
}

# await_line PATTERN: reads descriptor 5 up to a line that matches.
await_line() {
	while read -r line <&5; do
		echo "$line"
		# shellcheck disable=SC2254 # a pattern
		case $line in
		$1) return 0 ;;
		esac
	done
	echo "It ended without '$1'"
	return 1
}

# await_guest COMMAND...: until the log that this follows says that the guest can take commands.
await_guest() {
	"$@" | sed '/berth-guest: ready/q' | grep 'berth-guest: ready'
}

configure_daemon() {
	mkdir -p /etc/berth/berth.conf.d
	printf '[QEMU]\nAccelerator=tcg\n' >/etc/berth/berth.conf.d/10-scene.conf
}
