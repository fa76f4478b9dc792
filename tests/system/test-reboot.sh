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
echo 1..48
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
	there berthctl wait --timeout=300 "$1" "$2"
}

# What a VM's part of this boot's journal comes to say.
says() {
	there timeout 300 sh -c \
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
		printf "[Manager]\nMaxConcurrentStarts=1\n[QEMU]\nAccelerator=tcg\n[VM]\nPowerOffTimeoutSec=1h\n" \
			>/etc/berth/berth.conf.d/test.conf'
	there systemctl --quiet enable --now berthd.service
	there berthctl import guest --kernel "$BERTH_GUEST/vmlinuz" --initrd "$BERTH_GUEST/initrd.img" \
		--cmdline "console=ttyS0 quiet no_timer_check" >/dev/null
	for vm in wanted unwanted deleted stopping regretted; do
		there berthctl create "$vm" --image guest --memory 192M >/dev/null
	done
	# The one that needs the other has the name that comes first.
	there berthctl create basis --image guest --memory 192M --set boot-order=1 --set restart=always >/dev/null
	there berthctl create app --image guest --memory 192M --set boot-order=2 >/dev/null
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

# Ten VMs with something to delete, some of them running, of which the power leaves whatever it has come to.
started_of() {
	there berthctl status --json "$1" | sed -n 's/^ *"StartedTimestamp" *: *\([1-9][0-9]*\).*/\1/p'
}

# One started when the other ran.
is_in_order() {
	[ "$(started_of "$1")" -lt "$(started_of "$2")" ]
}

# Its console's last words in the boot before.
was_powered_down() {
	there sh -c "journalctl --quiet --boot=-1 --output=cat BERTH_VM=$1 | grep 'berth-guest: power button'"
}

run_again_in_order() {
	for vm in basis app wanted; do
		check "$vm is started again" reaches "$vm" running
	done
	check "and the guests boot" says wanted 'berth-guest: ready'
	check "first what has the lowest number" is_in_order basis app
	check "last what has none" is_in_order app wanted
	check "what did not run is left alone again" shows unwanted State '"stopped"'
}

# Those that do not just run when the host goes down: one is paused, one waits for its restart, one for its removal.
begin_others() {
	for vm in paused leaving; do
		there berthctl create "$vm" --image guest --memory 192M >/dev/null
	done
	there berthctl create crashed --memory 64M --set restart=always --set restart-delay=1h \
		--set restart-max-delay=1h >/dev/null
	there berthctl start paused leaving crashed
	says paused 'berth-guest: ready' && says leaving 'berth-guest: ready'
	there berthctl pause paused
	there berthctl remove --grace=3600 leaving >/dev/null
	there pkill -KILL --full "qemu-system.*$(id_of crashed)"
	reaches crashed exited
}

others_are_as_wanted() {
	check "a paused guest was shut down with the host" was_powered_down paused
	check "and runs again" reaches paused running
	check "its guest boots" says paused 'berth-guest: ready'
	check "a guest in its grace time was shut down too" was_powered_down leaving
	check "and is still to go" shows leaving RemovalPhase '"grace"'
	check "its guest is not started" said_nothing_of leaving starting
	check "what waited for its restart has waited long enough" reaches crashed running
	there berthctl poweroff paused crashed
	there berthctl remove leaving >/dev/null
	check "the removal finishes" reaches leaving gone
}

begin_many() {
	there sh -c 'for i in 0 1 2 3 4 5 6 7 8 9; do berthctl create "cut-$i" --memory 64M >/dev/null; done
		berthctl start cut-7 cut-8 cut-9
		for dir in $(grep -l "\"cut-" /var/lib/berth/vms/*/vm.json); do
			seq -f "${dir%/*}/disks/%g" 300 | xargs touch; done
		berthctl remove cut-0 cut-1 cut-2 cut-3 cut-4 cut-5 cut-6 cut-7 cut-8 cut-9 >/dev/null'
}

all_are_gone() {
	for i in 0 1 2 3 4 5 6 7 8 9; do
		reaches "cut-$i" gone || return 1
	done
	there sh -c '! grep -l "\"cut-" /var/lib/berth/*/*/vm.json && test -z "$(ls /var/lib/berth/removing)"' &&
		there berthctl audit
}

boot
prepare
deleted=$(id_of deleted)
stopping=$(id_of stopping)
begin_removals
check "/removal/M27/deleting-when-the-power-goes" says deleted 'removal: waiting'
check "/removal/M27/stopping-when-the-power-goes" shows stopping RemovalPhase '"stopping"'
check "/removal/M27/in-its-grace-time-when-the-power-goes" shows regretted RemovalPhase '"grace"'

"$lib/bed.sh" kill "$bed"
boot
check "/removal/M27/deleting-finishes-after-the-boot" reaches deleted gone
check "/removal/M27/deleting-leaves-nothing" has_nothing_left "$deleted"
check "/removal/M27/stopping-finishes-after-the-boot" reaches stopping gone
check "/removal/M27/stopping-leaves-nothing" has_nothing_left "$stopping"
check "/removal/M04/its-guest-is-not-started-again" said_nothing_of stopping starting
check "/removal/M27/the-grace-time-goes-on" shows regretted RemovalPhase '"grace"'
check "/removal/M27/and-the-removal-can-be-taken-back" there berthctl cancel-removal regretted
check "/removal/M27/which-makes-the-vm-what-it-was" shows regretted State '"stopped"'
check "what ran is started again" reaches wanted running
check "and its guest boots" says wanted 'berth-guest: ready'
check "what did not run is left alone" shows unwanted State '"stopped"'

# An administrator stops a scope: that holds as long as the host is up, over another daemon, and whatever the policy.
there berthctl start basis app
says basis 'berth-guest: ready' && says app 'berth-guest: ready'
there systemctl stop "berth-$(id_of basis).scope"
check "whose scope is stopped powers down" reaches basis stopped
check "its guest heard of it" says basis 'berth-guest: power button'
there systemctl restart berthd.service
check "another daemon does not start it" shows basis State '"stopped"'
check "though it is wanted" shows basis WantRunning true

# The clean way: systemd stops the scopes, and so the guests.
begin_others
"$lib/bed.sh" stop "$bed"
boot
check "the guest was shut down with the host" was_powered_down wanted
run_again_in_order
others_are_as_wanted

# Down again while they are being started. A guest that has not come far does not hear its power button.
there sh -c 'printf "[VM]\nShutdownTimeoutSec=5s\n" >/etc/berth/berth.conf.d/patience.conf'
"$lib/bed.sh" stop "$bed"
boot
says basis 'stopped → starting'
"$lib/bed.sh" stop "$bed"
boot
there rm /etc/berth/berth.conf.d/patience.conf
for vm in basis app wanted; do
	check "$vm is started though the host went down when it was to be" reaches "$vm" running
done
check "what did not run is left alone still" shows unwanted State '"stopped"'
there systemctl reload berthd.service
there berthctl poweroff basis app wanted
there berthctl start basis app wanted

# The same without a daemon: the keepers do it.
says basis 'berth-guest: ready' && says app 'berth-guest: ready' && says wanted 'berth-guest: ready'
there systemctl kill --signal=KILL berthd.service
there systemctl stop berthd.service
"$lib/bed.sh" stop "$bed"
boot
for vm in wanted basis app; do
	check "the guest of $vm was shut down by its keeper alone" was_powered_down "$vm"
done
check "and started again" reaches wanted running
check "as its guest says" says wanted 'berth-guest: ready'
check "nothing else is" shows unwanted State '"stopped"'
there berthctl poweroff basis app

# As soon as the removals were promised, and when one is through whose QEMU had to end first.
for moment in "" cut-9; do
	begin_many
	[ -z "$moment" ] || reaches "$moment" gone
	"$lib/bed.sh" kill "$bed"
	boot
	check "/removal/M27/ten-at-once-finish-after-the-boot${moment:+-once-$moment-was-gone}" all_are_gone
done
check "/removal/M27/and-what-was-not-asked-to-go-stays" reaches wanted running
check "/removal/M27/as-it-was" shows unwanted State '"stopped"'
