#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# in-bed.sh [--freezer] INSTALL_TREE COMMAND [ARGUMENT]... - run a test as root in a bed of its own
# (see bed.sh), in which INSTALL_TREE is installed and the working directory, meson's
# build directory, is the host's. Output and exit status are COMMAND's. Where it fails,
# the end of what Berth logged there goes to standard error.

set -eu

freezer=''
if [ "${1-}" = --freezer ]; then
	freezer=yes
	shift
fi
if [ $# -lt 2 ]; then
	sed -n '/^# in-bed.sh/,/^$/s/^# \{0,1\}//p' "$0"
	exit 2
fi

bed=$(dirname "$0")/bed.sh
name=in-bed-$$
tree=$1
shift

# What a run that was killed has left: it could not take its bed along.
"$bed" list | while read -r other _; do
	pid=${other#in-bed-}
	[ "$pid" = "$other" ] || kill -0 "$pid" 2>/dev/null || "$bed" kill "$other" || : # somebody else may do that, too
done

# Nobody needs what this bed would save when it powers off.
trap '"$bed" kill "$name"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

"$bed" start --root "$tree" --bind "$PWD" --freezer "$freezer" "$name" >/dev/null
status=0
"$bed" run "$name" "$@" || status=$?
if [ "$status" -ne 0 ]; then
	"$bed" run "$name" journalctl --no-pager --quiet --lines=200 --output=short-precise \
		--unit=berthd.service --unit='berth-*.scope' >&2 || :
fi
exit "$status"
