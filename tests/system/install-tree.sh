#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# install-tree.sh STAMP BUILD-DIRECTORY - install what was built into BUILD-DIRECTORY/bed-root, for bed.sh --root.

set -eu
DESTDIR=$2/bed-root meson install -C "$2" --no-rebuild --quiet
: >"$1"
