#!/bin/sh
# Imports run one way: berthd → bus → vm → host → core; berthctl, the keeper and the desktop manager stand beside them. Prints TAP.
set -u
cd "$1" || exit 1

# may FOLDER PATTERN: every #include "..." in FOLDER is of a file beside it, of the build's config.h, or matches PATTERN.
n=0
may() {
    n=$((n + 1))
    bad=$(grep -Hn '^ *# *include "' "$1"/*.c "$1"/*.h 2>/dev/null |
        sed -n 's/^\([^:]*:[0-9]*\):.*"\(.*\)".*/\1 \2/p' |
        grep -Ev " ([a-z0-9-]+\.h|$2)\$")
    if [ -z "$bad" ]; then
        echo "ok $n /includes/${1#src/}"
    else
        echo "not ok $n /includes/${1#src/}"
        echo "$bad" | sed 's/^/# /'
    fi
}

echo 1..17
may src/core 'config\.h'
may src/host '\.\./core/[a-z0-9-]+\.h'
may src/vm '\.\./(core|host)/[a-z0-9-]+\.h'
may src/bus '\.\./(core|host|vm)/[a-z0-9-]+\.h'
may src/berthd '\.\./(core|host|vm|bus)/[a-z0-9-]+\.h'
may src/berthctl '\.\./(core/[a-z0-9-]+|host/bus-variant)\.h'
may src/berth-keeper '\.\./core/keeper-protocol\.h'
may ui-gtk/model '(contract|src/core/[a-z0-9-]+)\.h'
may ui-gtk/widgets '(src/core|ui-gtk/model)/[a-z0-9-]+\.h'
for view in console display form images journal list overview; do
    may ui-gtk/$view '(src/core|ui-gtk/model|ui-gtk/widgets)/[a-z0-9-]+\.h'
done
may ui-gtk '(config|(src/core|ui-gtk/[a-z]+)/[a-z0-9-]+)\.h'
