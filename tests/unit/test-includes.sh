#!/bin/sh
# Imports run one way: berthd → bus → vm → host → core, and only berthctl and the keeper stand beside them. Prints TAP.
set -u
cd "$1" || exit 1

# may FOLDER PATTERN: every #include "..." in src/FOLDER is of a file beside it, of the build's config.h, or matches PATTERN.
n=0
may() {
    n=$((n + 1))
    bad=$(grep -Hn '^ *# *include "' "src/$1"/*.c "src/$1"/*.h 2>/dev/null |
        sed -n 's/^\([^:]*:[0-9]*\):.*"\(.*\)".*/\1 \2/p' |
        grep -Ev " ([a-z0-9-]+\.h|$2)\$")
    if [ -z "$bad" ]; then
        echo "ok $n /includes/$1"
    else
        echo "not ok $n /includes/$1"
        echo "$bad" | sed 's/^/# /'
    fi
}

echo 1..7
may core 'config\.h'
may host '\.\./core/[a-z0-9-]+\.h'
may vm '\.\./(core|host)/[a-z0-9-]+\.h'
may bus '\.\./(core|host|vm)/[a-z0-9-]+\.h'
may berthd '\.\./(core|host|vm|bus)/[a-z0-9-]+\.h'
may berthctl '\.\./(core/[a-z0-9-]+|host/bus-variant)\.h'
may berth-keeper '\.\./core/keeper-protocol\.h'
