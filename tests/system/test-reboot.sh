#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-reboot.sh INSTALL_TREE - the host goes down, by a power cut and by a clean shutdown, and comes back: removals
# finish, what was wanted runs again, and what was not does not. TAP, from outside of the bed; BERTH_GUEST in the
# environment is the directory with the small test guest, below the working directory, which the bed sees.

set -eu

lib=$(dirname "$0")/../lib
tree=$1
bed=in-bed-$$ # by a name like this, in-bed.sh finds what was left behind
number=0

echo TAP version 14
echo 1..18
state=$(mktemp -d "$PWD/reboot-XXXXXX")
trap '"$lib/bed.sh" kill "$bed"; rm -rf "$state"' EXIT
trap 'exit 1' HUP INT TERM

boot() {
	"$lib/bed.sh" start --root "$tree" --bind "$PWD" --state "$state/machine" "$bed" >/dev/null
}

there() {
	"$lib/bed.sh" run "$bed" "$@" </dev/null
}

# check WHAT COMMAND...: one test point
check() {
	what=$1
	shift
	number=$((number + 1))
	if "$@" >"$state/output" 2>&1; then
		echo "ok $number - $what"
	else
		echo "not ok $number - $what"
		sed 's/^/# /' "$state/output"
		there journalctl --no-pager --quiet --lines=100 --unit=berthd.service --unit='berth-*.scope' >&2
	fi
}

# An emulated guest on a busy machine takes its time.
reaches() {
	there berthctl wait --timeout=120 "$1" "$2"
}

# What a VM's part of this boot's journal comes to say.
says() {
	there timeout 120 sh -c \
		"journalctl --quiet --boot --follow --lines=all --output=cat BERTH_VM=$1 | grep -q '$2'"
}

said_nothing_of() {
	there sh -c "! journalctl --quiet --boot --output=cat BERTH_VM=$1 | grep '$2'"
}

# Reads the definition, too: a VM of which the daemon knows nothing is not in a phase.
shows() {
	there berthctl status --json "$1" | grep "\"$2\" *: *$3"
}

has_nothing_left() {
	there sh -c "! ls -d /var/lib/berth/*/$1* /run/berth/$1 2>/dev/null | grep ."
}

id_of() {
	there berthctl status --json "$1" | sed -n 's/^ *"Id" *: *"\(.*\)".*/\1/p'
}

# QEMU is given so long to quit that a removal stays at it.
prepare() {
	there sh -c 'mkdir -p /etc/berth/berth.conf.d &&
		printf "[QEMU]\nAccelerator=tcg\n[VM]\nPowerOffTimeoutSec=1h\n" >/etc/berth/berth.conf.d/test.conf'
	there systemctl --quiet enable --now berthd.service
	there berthctl import guest --kernel "$BERTH_GUEST/vmlinuz" --initrd "$BERTH_GUEST/initrd.img" \
		--cmdline "console=ttyS0 quiet" >/dev/null
	for vm in wanted unwanted deleted stopping regretted; do
		there berthctl create "$vm" --image guest --memory 192M >/dev/null
	done
	there berthctl start wanted stopping
	says wanted 'berth-guest: ready'
}

# A mount point in the one's directory and the other's QEMU, which is stopped, hold their removals up half way.
begin_removals() {
	there sh -c "mkdir /var/lib/berth/vms/$deleted/disks/mnt &&
		mount -t tmpfs none /var/lib/berth/vms/$deleted/disks/mnt"
	there pkill -STOP --full "qemu-system.*$stopping"
	there berthctl remove deleted stopping >/dev/null
	there berthctl remove --grace=3600 regretted >/dev/null
}

boot
prepare
deleted=$(id_of deleted)
stopping=$(id_of stopping)
begin_removals
check "a removal is deleting when the power goes" says deleted 'removal: waiting'
check "another is stopping a guest" shows stopping RemovalPhase '"stopping"'
check "a third is in its grace time" shows regretted RemovalPhase '"grace"'

"$lib/bed.sh" kill "$bed"
boot
check "the first removal finishes after the boot" reaches deleted gone
check "nothing of it is left" has_nothing_left "$deleted"
check "the second finishes too" reaches stopping gone
check "nothing of it is left either" has_nothing_left "$stopping"
check "its guest was not started again" said_nothing_of stopping starting
check "the grace time goes on" shows regretted RemovalPhase '"grace"'
check "and the removal can be taken back" there berthctl cancel-removal regretted
check "which makes the VM what it was" shows regretted State '"stopped"'
check "what ran is started again" reaches wanted running
check "and its guest boots" says wanted 'berth-guest: ready'
check "what did not run is left alone" shows unwanted State '"stopped"'

# The clean way: systemd stops the scopes, and so the guests.
"$lib/bed.sh" stop "$bed"
boot
check "the guest was shut down with the host" there sh -c \
	"journalctl --quiet --boot=-1 --output=cat BERTH_VM=wanted | grep 'berth-guest: power button'"
check "and is started again" reaches wanted running
check "and boots" says wanted 'berth-guest: ready'
check "nothing else is" shows unwanted State '"stopped"'
