#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# test-cli.sh - berthctl, as people and scripts use it, on the real daemon and a real guest. Runs as root in a bed.

here=$(dirname "$0")
# shellcheck source=tests/system/scene.sh
. "$here/scene.sh"

as_alice() {
	setpriv --reuid=alice --regid=alice --clear-groups "$@"
}

# Both ways to say how far it is: none where nobody looks, but the image in the end.
test_images() {
	truncate --size=8M "$scratch/disk.img"
	check "import says what it did" says "Imported guest." berthctl import guest --kernel "$BERTH_GUEST/vmlinuz" \
		--initrd "$BERTH_GUEST/initrd.img" --cmdline "console=ttyS0 quiet no_timer_check" --description "The small guest"
	check "import --json shows the image" is_json "v['Name'] == 'disk' and len(v['SHA256']) == 64" \
		berthctl --json import disk "$scratch/disk.img" --format raw --version 7
	check "import of no file" ends 1 berthctl import other "$scratch/none"
	check "import of another file than was meant" ends 2 berthctl import other "$scratch/disk.img" --format raw \
		--sha256 0000000000000000000000000000000000000000000000000000000000000000
	check "import under a taken name" ends 1 berthctl import disk "$scratch/disk.img" --format raw
	check "images" says "The small guest" berthctl images
	check "images counts them" says "2 images listed." berthctl images
	check "images --json" is_json "sorted(i['Name'] for i in v) == ['disk', 'guest']" berthctl images --json
	check "image-remove" ends 0 berthctl image-remove disk
	check "image-remove of none" ends 3 berthctl image-remove disk
}

has_same_config() {
	for vm in "$@"; do
		berthctl status --json "$vm" | python3 -c 'import json, sys; print(json.load(sys.stdin)["Config"])'
	done | uniq | wc -l | grep -x 1
}

test_definitions() {
	check "create" says "Created cli." berthctl create cli --image guest -c 2 -m 256M -d 64M -n none \
		-l team=a --description "By hand"
	check "create shows what it made" is_json "v['Name'] == 'made' and v['State'] == 'stopped'" \
		berthctl create made --json -m 128M
	berthctl status --json cli >"$scratch/status.json"
	python3 -c 'import json, sys; json.dump(json.load(open(sys.argv[1]))["Config"], open(sys.argv[2], "w"))' \
		"$scratch/status.json" "$scratch/config.json"
	check "create --file" ends 0 berthctl create copy --file "$scratch/config.json"
	check "a definition goes round" has_same_config cli copy
	check "create --file with an option" is_json "v['VCPUs'] == 1 and v['MemoryBytes'] == 256 << 20" \
		berthctl create --json other --file "$scratch/config.json" -c 1
	echo '{"memory": "256M", "colour": "red"}' >"$scratch/wrong.json"
	check "create --file with an unknown key" ends 2 berthctl create wrong --file "$scratch/wrong.json"
	check "that names the key" grep colour "$scratch/err"
	check "create under a taken name" ends 1 berthctl create cli
	check "create with too little memory" ends 2 berthctl create wrong -m 1K
	check "create with an image that is not there" ends 2 berthctl create wrong --image none
	check "image-remove of one in use" ends 1 berthctl image-remove guest

	check "set" ends 0 berthctl set cli vcpus=1 memory=192M 'labels={"team": "b"}'
	check "set is seen" is_json "v['VCPUs'] == 1 and v['Config']['labels'] == {'team': 'b'}" \
		berthctl status --json cli
	check "set of an unknown key" ends 2 berthctl set cli colour=red
	check "set of no VM" ends 3 berthctl set nobody vcpus=1
}

test_looking() {
	check "list" says "cli" berthctl list
	check "list counts them" says "4 VMs listed." berthctl list
	check "list --no-legend is rows alone" rows 4
	check "list --json" is_json "sorted(m['Name'] for m in v) == ['cli', 'copy', 'made', 'other']" berthctl list --json
	check "status" says "By hand" berthctl status cli
	check "status of two, in JSON" is_json "[m['Name'] for m in v] == ['cli', 'made']" berthctl status --json cli made
	check "status goes on after a failure" ends 3 berthctl status nobody cli
	check "and shows the rest" grep "By hand" "$scratch/out"
	check "version" is_json "'0.1.0' in v.values()" berthctl version --json
	check "audit finds nothing" says "Nothing is left over" berthctl audit
	check "audit --json" is_json "v == []" berthctl audit --json
	check "capabilities" is_json "'tcg' in v" berthctl capabilities --json
}

rows() {
	ends 0 berthctl list --no-legend && [ "$(wc -l <"$scratch/out")" -eq "$1" ]
}

test_failures() {
	check "no command" ends 2 berthctl
	check "an unknown command" ends 2 berthctl fly
	check "an unknown option" ends 2 berthctl list --fly
	check "an unknown state" ends 2 berthctl wait cli flying
	check "start of no VM" ends 3 berthctl start nobody
	check "shutdown of what does not run" ends 1 berthctl shutdown cli
	check "remove of no VM" ends 3 berthctl remove nobody
	check "remove --wait of no VM" ends 3 berthctl remove --wait nobody
	check "wait in vain" ends 5 berthctl wait --timeout=100ms cli running
	check "alice may look" as_alice berthctl status cli
	check "alice may not start" ends 4 as_alice berthctl --no-ask-password start cli
	check "alice may not remove" ends 4 as_alice berthctl --no-ask-password remove cli
	check "alice may not see the console" ends 4 as_alice berthctl --no-ask-password console cli
	check "nor audit" ends 4 as_alice berthctl --no-ask-password audit
	check "nor the log" ends 4 as_alice berthctl --no-ask-password log cli
}

# Something to watch, again and again until the watcher has seen some of it: then it sees all that follows.
await_watcher() {
	until [ -s "$1" ]; do
		berthctl remove --grace=3600 cli >/dev/null
		berthctl cancel-removal cli
		kill -0 "$watcher"
	done
}

watched() {
	python3 - "$scratch/watched" "$@" <<-'END'
		import json, sys
		lines = [json.loads(line) for line in open(sys.argv[1])]
		states = [line["State"] for line in lines if line["State"] != line["OldState"]]
		print(states, lines[-1])
		assert states[-len(sys.argv) + 2:] == sys.argv[2:] and lines[-1]["Event"] == "gone"
	END
}

test_running() {
	berthctl watch --json cli >"$scratch/watched" &
	watcher=$!
	await_watcher "$scratch/watched"
	check "start" ends 0 berthctl start cli
	check "it runs when start returns" is_json "v['State'] == 'running' and v['PID'] > 0" berthctl status --json cli
	check "start of what runs" ends 1 berthctl start cli
	check "wait for what is" ends 0 berthctl wait cli running
	check "log --follow" await_guest timeout 300 berthctl log --follow cli
	check "console on a terminal" python3 "$here/type-on-console.py" berthctl console cli
	check "log has it" says "typed here" berthctl log cli
	check "pause" ends 0 berthctl pause cli
	check "wait for paused" ends 0 berthctl wait --timeout=300 cli paused
	check "resume" ends 0 berthctl resume cli
	test_shutdown
}

# The guest ends when it was seen to be on its way: else a daemon that stands still has both to tell at once.
test_shutdown() {
	mkfifo "$scratch/typed" "$scratch/shown"
	berthctl console cli <"$scratch/typed" >"$scratch/shown" &
	console=$!
	exec 6>"$scratch/typed" 5<"$scratch/shown"
	echo hang >&6
	check "console of no terminal" await_line "*berth-guest: hanging*"
	check "shutdown" ends 0 berthctl shutdown cli
	check "wait for what is under way" ends 0 berthctl wait --timeout=300 cli stopping
	echo poweroff >&6
	check "wait for the end" is_json "v['State'] == 'stopped' and v['ExitReason'] == 'host-stop'" \
		berthctl wait --json --timeout=300 cli stopped
	check "the console ends with its run" wait "$console"
	exec 5<&- 6>&-
	check "list --json has no process" is_json "[m['PID'] for m in v if m['Name'] == 'cli'] == [0]" berthctl list --json
}

is_there() {
	busctl call org.berth.Berth1 "$path" org.freedesktop.DBus.Properties GetAll s org.berth.Berth1.VM
}

is_gone() {
	! is_there >"$scratch/out" 2>&1 && grep "Unknown object" "$scratch/out"
}

# Of what was said last.
lacks() {
	! grep -F -e "$1" "$scratch/out"
}

# With something in the way, the moment between "removing" and "removed" is as long as one likes.
test_removing() {
	id=$(berthctl status --json cli | sed -n 's/^ *"Id" *: *"\(.*\)".*/\1/p')
	path=$(busctl call org.berth.Berth1 /org/berth/Berth1 \
		org.berth.Berth1.Manager GetVM s cli | cut -d '"' -f 2)
	mkdir "/var/lib/berth/vms/$id/disks/mnt"
	mount -t tmpfs none "/var/lib/berth/vms/$id/disks/mnt"

	check "remove returns" ends 0 berthctl remove cli
	check "and does not say that it is done" lacks removed
	check "since it is not" is_there
	mkfifo "$scratch/removal"
	timeout 300 berthctl remove --wait cli >"$scratch/removal" &
	remover=$!
	exec 5<"$scratch/removal"
	check "remove --wait says what is in the way" await_line "*mount point*"
	check "and the VM is there" is_there
	umount --lazy /var/lib/berth/removing/*/disks/mnt
	berthctl remove cli >/dev/null # tries at once
	check "it says removed" await_line "*removed"
	check "when there is none any more" is_gone
	exec 5<&-
	check "and ends well" wait "$remover"
	check "watch ends with its VM" wait "$watcher"
	check "watch has seen it all" watched starting running paused running stopping stopped \
		removing ""
	check "remove of what is gone" ends 3 berthctl remove cli
	check "wait for what is gone" ends 0 berthctl wait cli gone
	check "remove of several, in JSON" is_json "[m['State'] for m in v] == ['gone'] * 3" \
		berthctl remove --json --wait copy made other
	check "an empty list" says "No VMs." berthctl list
	check "an empty list, in JSON" is_json "v == []" berthctl list --json
}

configure_daemon
systemctl start berthd.service
test_images
test_definitions
test_looking
test_failures
test_running
test_removing
finish
