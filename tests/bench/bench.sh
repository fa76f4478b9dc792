#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bench.sh BUILD_DIR PROGRAM [ARGUMENT]... - install the build aside, and run PROGRAM as root in a bed that has it (see
# ../lib/bed.sh), with berthd running there.

set -eu

in_bed=$(realpath "$(dirname "$0")/../lib/in-bed.sh")
build=$(realpath "$1")
shift
meson install -C "$build" --quiet --no-rebuild --destdir "$build/bench-root" >/dev/null
cd "$build"
# shellcheck disable=SC2016 # expanded by the inner shell
exec sh "$in_bed" "$build/bench-root" sh -c 'systemctl start berthd && exec "$@"' bench "$@"
