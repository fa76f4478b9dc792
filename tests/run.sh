#!/bin/sh
# Installs what is needed, builds, and runs every suite: unit and bus also under ASan and UBSan, faults (each call of berthd's
# that can go wrong goes wrong once), gui (the desktop manager on a display of its own), system in containers with the real
# systemd, D-Bus, polkit and QEMU. The last line counts: "N passed, N failed, N skipped".
set -eu
cd "$(dirname "$0")/.."
. data/packages.sh

# shellcheck disable=SC2086
install_packages $PACKAGES_BUILD $PACKAGES_UI $PACKAGES_RUN $PACKAGES_GUEST $PACKAGES_TEST $PACKAGES_TEST_UI

[ -d build ] || meson setup build --prefix=/usr --sysconfdir=/etc --localstatedir=/var --werror -Dui=enabled
[ -d build-asan ] || meson setup build-asan -Db_sanitize=address,undefined -Db_lundef=false -Dui=disabled
meson compile -C build
meson compile -C build-asan

# Each suite runs whatever became of the one before it; the count at the end tells. Tests with fakes wait as much as they work.
failed=0
one_more=$(($(nproc) + 1))
meson test -C build --no-rebuild --print-errorlogs --suite unit --suite bus --num-processes $one_more --logbase fast || failed=1
ASAN_OPTIONS=detect_leaks=1:abort_on_error=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    meson test -C build-asan --no-rebuild --print-errorlogs --suite unit --suite bus --timeout-multiplier 4 \
    --num-processes $one_more --logbase asan || failed=1
meson test -C build --no-rebuild --print-errorlogs --suite gui --num-processes 2 --logbase gui || failed=1
meson test -C build --no-rebuild --print-errorlogs --suite faults --num-processes $one_more --logbase faults || failed=1
meson test -C build --print-errorlogs --suite system --num-processes 2 --logbase system || failed=1

python3 tests/lib/count.py build/meson-logs/fast.json build-asan/meson-logs/asan.json build/meson-logs/gui.json \
    build/meson-logs/faults.json build/meson-logs/system.json || failed=1
exit $failed
