#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# soak.sh SEED [SECONDS [BUILD_DIR]] - random operations of several clients on VMs with a real QEMU, for half an hour unless
# SECONDS says otherwise, while the daemon, its VMs and systemd meet with what befalls a host; see soak/soak.h. Runs in a bed of
# its own (lib/bed.sh), as root. Ends with 0 where nothing was wrong and nothing is left.

set -eu

if [ $# -lt 1 ] || [ $# -gt 3 ]; then
	sed -n '/^# soak.sh/,/^$/s/^# \{0,1\}//p' "$0"
	exit 2
fi
tests=$(cd "$(dirname "$0")" && pwd)
seed=$1
seconds=${2-1800}
build=${3-$tests/../build}

[ -e "$build/build.ninja" ] || meson setup "$build" "$tests/.." --prefix=/usr --sysconfdir=/etc --localstatedir=/var
cd "$build"
# A bed has all of it installed.
ninja all tests/system/bed-root.stamp tests/system/initrd.img

echo "# seed $seed, $seconds seconds"
status=0
BERTH_GUEST=$PWD/tests/system sh "$tests/lib/in-bed.sh" "$PWD/bed-root" "$PWD/tests/soak/soak" "$seed" "$seconds" || status=$?
[ "$status" -eq 0 ] || echo "# to be repeated by: sh tests/soak.sh $seed $seconds" >&2
exit "$status"
