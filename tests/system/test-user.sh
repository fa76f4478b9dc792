#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-user.sh - alice's own VMs: berthd --user, on her session bus and in her systemd, with nobody's leave. Runs as root
# in a bed.

# shellcheck source=tests/system/scene.sh
. "$(dirname "$0")/scene.sh"

home=$(getent passwd alice | cut -d : -f 6)
state=$home/.local/state/berth
runtime=/run/user/$(id -u alice)

# As pam_systemd would have it; her manager is there.
as_alice() {
	setpriv --reuid=alice --regid=alice --init-groups env --chdir="$home" HOME="$home" USER=alice LOGNAME=alice \
		XDG_RUNTIME_DIR="$runtime" DBUS_SESSION_BUS_ADDRESS="unix:path=$runtime/bus" "$@"
}

ctl() {
	as_alice berthctl --user "$@"
}

prepare() {
	systemctl start "user@$(id -u alice).service"
	as_alice mkdir -p "$home/.config/berth"
	printf '[QEMU]\nAccelerator=tcg\n' >"$home/.config/berth/berth.conf"
}

property() {
	ctl status --json mine | python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"
}

# What a property of a unit of hers is.
unit_says() {
	as_alice systemctl --user show --value -p "$2" "$1" | grep -x -e "$3"
}

is_hers() {
	find "$1" -maxdepth 0 -user alice | grep .
}

runs_as_alice() {
	ps -o user= -p "$(property PID)" | grep -x alice
}

# Of files, sockets, units and processes.
has_nothing_left() {
	! find "$state" "$runtime" /var/lib/berth /run/berth -name "*$id*" | grep . &&
		! as_alice systemctl --user list-units --all --plain --no-legend "berth-$id.scope" | grep . &&
		! pgrep -a -f "$id"
}

is_root_without() {
	ends 0 berthctl list --json && [ "$(tr -d ' \n' <"$scratch/out")" = '[]' ]
}

prepare
check "a call brings her daemon" is_json "v == []" ctl list --json
check "as a service of hers" unit_says berthd.service ActiveState active
check "import" says "Imported guest." ctl import guest --kernel "$BERTH_GUEST/vmlinuz" \
	--initrd "$BERTH_GUEST/initrd.img" --cmdline "console=ttyS0 quiet no_timer_check"
check "create" says "Created mine." ctl create mine --image guest -m 192M -d 16M
id=$(property Id)
check "its state is at her home" is_hers "$state/vms/$id"
check "start" ends 0 ctl start mine
check "its scope is her manager's" unit_says "berth-$id.scope" ActiveState active
check "its process is hers" runs_as_alice
check "its sockets are hers" is_hers "$runtime/berth/$id"
check "the guest boots" await_guest as_alice timeout 300 berthctl --user log --follow mine
check "console on a terminal" as_alice python3 "$(dirname "$0")/type-on-console.py" berthctl --user console mine
check "root's daemon knows nothing of it" is_root_without
check "her audit finds nothing" says "Nothing is left over" ctl audit
check "root's neither" says "Nothing is left over" berthctl audit

was=$(property PID)
check "her daemon starts anew" as_alice systemctl --user restart berthd.service
check "her guest does not" test "$(property PID)" = "$was"
check "shutdown" ends 0 ctl shutdown mine
check "wait for the end" is_json "v['ExitReason'] == 'host-stop' and v['ExitStatus'] == 0" \
	ctl wait --json --timeout=300 mine stopped
check "remove" says "removed" ctl remove --wait mine
check "nothing is left" has_nothing_left
check "image-remove" ends 0 ctl image-remove guest
check "no image is left" is_json "v == []" ctl images --json
finish
