#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# with-debian.sh IMAGE COMMAND [ARGUMENT]... - runs COMMAND when the complete Debian is in IMAGE, which takes a minute or
# two the first time. Only the test that wants it waits for that: what a test depends on, meson builds with everything else.

set -eu
"$(dirname "$0")/../lib/guest/make-debian.sh" "$1" >&2
shift
exec "$@"
