#!/bin/sh
# What the desktop is told of the desktop manager, held against the desktop's own checkers. Prints TAP.
# sh test-desktop.sh BUILT SOURCE: where the merged files lie, and where the rest does
set -u
id=org.berth.Berth
n=0
picture=$(mktemp) || exit 1
trap 'rm -f "$picture"' EXIT

# holds NAME COMMAND...: it succeeds; what it says otherwise is told.
holds() {
    n=$((n + 1))
    name=$1
    shift
    if output=$("$@" 2>&1); then
        echo "ok $n /gui/desktop/$name"
    else
        echo "not ok $n /gui/desktop/$name"
        echo "$output" | sed 's/^/# /'
    fi
}

echo 1..5
holds entry desktop-file-validate "$1/$id.desktop"
holds metainfo appstreamcli validate --no-net --strict "$1/$id.metainfo.xml"
holds schema glib-compile-schemas --strict --dry-run "$2"
holds icon gdk-pixbuf-thumbnailer -s 64 "$2/icons/hicolor/scalable/apps/$id.svg" "$picture"
holds symbolic-icon gdk-pixbuf-thumbnailer -s 16 "$2/icons/hicolor/symbolic/apps/$id-symbolic.svg" "$picture"
