#!/bin/sh
# Runs a program with a display of its own: sh with-display.sh PROGRAM ...
set -u
dir=$(mktemp -d) || exit 1
mkfifo "$dir/number"
# Without keys that repeat themselves (-r): who plays the keyboard may be held up between pressing one and letting it go.
Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp -noreset -r >"$dir/log" 2>&1 3>"$dir/number" &
server=$!
trap 'kill $server 2>/dev/null; wait $server 2>/dev/null; rm -rf "$dir"' EXIT
# It says its number when it is ready; where it ends instead, the line is empty.
read -r number <"$dir/number" || number=
if [ -z "$number" ]; then
    cat "$dir/log" >&2
    exit 1
fi
# The accessibility bus listens in the runtime directory, by the number of the display: one that still goes down would take
# the place of the next one away, and its launcher the directory.
XDG_RUNTIME_DIR=$dir DISPLAY=:$number "$@"
