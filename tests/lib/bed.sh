#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# bed.sh - a whole systemd to test in: PID 1, D-Bus, journal, logind, polkit and
# machined, booted as a container over a throw-away overlay of this machine's
# own root. Whatever PID 1 of this machine is, and whatever is done in the bed,
# this machine stays as it is. Needs root.
#
#   bed.sh start [OPTION]... NAME     boot it, wait until it is up, print its init's PID
#       --root TREE     install TREE (what `meson install --destdir` wrote) over it first
#       --state DIR     keep what the bed writes in DIR: starting a bed on the same DIR
#                       again is the next boot of the same machine. Without it, all that
#                       was written goes when the bed does.
#       --bind DIR      show the host's own DIR in the bed, writable (may be repeated);
#                       not a directory of the system's, nor one right below /
#       --freezer yes   where the kernel has the old freezer, which holds a process even against
#                       SIGKILL (that of the unified hierarchy lets it die), show a group of it
#                       as /run/berth-bed-freezer
#   bed.sh run [--user USER] NAME COMMAND [ARGUMENT]...
#                       run COMMAND there, in a scope of its own, with this environment,
#                       working directory, input and output; exit with its status.
#                       --user: as USER, with a `systemd --user` and a session bus.
#   bed.sh shell [--user USER] NAME
#   bed.sh stop NAME    power it off cleanly, by force if that takes longer than five minutes
#   bed.sh kill NAME    kill everything in it at once: a power cut, as processes see it
#   bed.sh list         name and PID of init, of every bed that is up
#
# NAME is made of a-z, 0-9 and -. Beds run side by side. In every bed there are two
# ordinary users, alice and bob. Start refuses where a bed of that NAME is up.

set -eu

die() {
	echo "bed.sh: $*" >&2
	exit 1
}

usage() {
	sed -n '/^# bed.sh/,/^$/s/^# \{0,1\}//p' "$0"
}

set_name() {
	case ${1-} in
	'' | *[!a-z0-9-]*) die "a name of a-z, 0-9 and - is wanted, not '${1-}'" ;;
	esac
	name=$1
	dir=/run/berth-bed/$name
}

# A bed is up as long as its supervisor holds this lock: no PID file can go stale. Who looks holds it
# for a moment, too, but with others who look. A supervisor that ends takes the file along, and who was
# about to open it can't.
is_up() {
	[ -e "$dir/lock" ] && ! flock --shared --nonblock "$dir/lock" true 2>/dev/null && [ -e "$dir/lock" ]
}

wait_for_end() {
	[ ! -e "$dir/lock" ] || flock --timeout "$1" "$dir/lock" true 2>/dev/null || [ ! -e "$dir/lock" ]
}

# Looked up afresh each time, since a reboot inside gives the bed a new init.
find_leader() {
	is_up || die "no bed '$name' is up"
	read -r nspawn <"$dir/nspawn"
	leader=$(cut -d ' ' -f 1 "/proc/$nspawn/task/$nspawn/children")
	[ -n "$leader" ] || die "bed '$name' has no init"
}

# ---- The supervisor: one process per bed, in a mount namespace of its own, so that the
# ---- kernel takes all mounts back when it ends, however it ends.

mount_root() {
	# overlayfs wants upper and lower apart. A tmpfs is apart from the host's root;
	# a directory may lie in it, and is then kept apart by a second, read-only overlay.
	mount -t tmpfs -o mode=0755,size=80% berth-bed "$dir/mnt"
	mkdir "$dir/mnt/root" "$dir/mnt/none" "$dir/mnt/host"
	lower=/
	layers=${state:-$dir/mnt}
	if [ -n "$state" ]; then
		lower=$dir/mnt/host
		mount -t overlay -o "lowerdir=/:$dir/mnt/none" berth-bed "$lower"
	fi
	mkdir -p "$layers/upper" "$layers/work"
	root=$dir/mnt/root
	mount -t overlay -o "lowerdir=$lower,upperdir=$layers/upper,workdir=$layers/work" \
		berth-bed "$root"
}

# Once per state: what would make the host's copy take itself for the host.
make_new_machine() {
	# Nothing that this host's owner enabled or mounts; of the distribution's own
	# units only those that a test can want. PID 1's API mounts are nspawn's business.
	rm -rf "$root"/etc/systemd/system/*.wants "$root"/etc/rc?.d
	: >"$root/etc/fstab"
	# Whatever bus this host has, a bed begins with dbus-daemon.
	rm -f "$root/etc/systemd/system/dbus.service" "$root/etc/systemd/user/dbus.service"
	for unit in systemd-udevd.service systemd-udevd-kernel.socket \
		systemd-udevd-control.socket systemd-udev-trigger.service \
		getty.target console-getty.service timers.target \
		systemd-binfmt.service proc-sys-fs-binfmt_misc.automount \
		systemd-networkd.service systemd-networkd.socket systemd-resolved.service \
		systemd-firstboot.service systemd-hwdb-update.service ldconfig.service \
		systemd-journal-catalog-update.service systemd-update-done.service \
		dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount \
		sys-kernel-tracing.mount sys-kernel-config.mount sys-fs-fuse-connections.mount; do
		ln -sf /dev/null "$root/etc/systemd/system/$unit"
	done

	systemd-id128 new >"$root/etc/machine-id"
	echo "$name" >"$root/etc/hostname"
	printf '127.0.0.1 localhost %s\n::1 localhost\n' "$name" >"$root/etc/hosts"

	# Tests look for what was logged: all of it is kept, and over a power cut too.
	mkdir -p "$root/var/log/journal" "$root/etc/systemd/journald.conf.d"
	printf '[Journal]\nRateLimitBurst=0\nAudit=no\n' \
		>"$root/etc/systemd/journald.conf.d/berth-bed.conf"

	mkdir -p "$root/etc/sysusers.d" "$root/etc/tmpfiles.d"
	# What empties /tmp and /var/tmp at a boot must not meet a directory of the host's there.
	for rules in tmp.conf systemd-tmp.conf x11.conf; do
		ln -sf /dev/null "$root/etc/tmpfiles.d/$rules"
	done
	for user in alice:60101 bob:60102; do
		echo "u ${user%:*} ${user#*:} - /home/${user%:*} /bin/sh"
	done >"$root/etc/sysusers.d/berth-bed.conf"
	for user in alice bob; do
		echo "d /home/$user 0700 $user $user"
	done >"$root/etc/tmpfiles.d/berth-bed.conf"

	# The end of the boot is told by a fifo. Opened for both, it never blocks a
	# later boot, of which nobody waits for the end.
	cat >"$root/etc/systemd/system/berth-bed.service" <<-'END'
		[Unit]
		Description=Tell bed.sh that the boot is over
		After=multi-user.target
		[Service]
		Type=oneshot
		ExecStart=/bin/sh -c 'echo ready 1<>/run/berth-bed-ready'
	END
	cat >"$root/etc/systemd/system/berth-bed.target" <<-'END'
		[Unit]
		Requires=multi-user.target
		Wants=berth-bed.service
		AllowIsolate=yes
	END
	ln -sf berth-bed.target "$root/etc/systemd/system/default.target"
	mkdir "$root/var/lib/berth-bed"
}

install_tree() {
	# Unlike cp, tar goes through /lib where that is a link, and unlike an overlay's
	# layer, it gives root what a developer's build wrote.
	tar -C "$1" -c . |
		tar -C "$root" -x --keep-directory-symlink --no-overwrite-dir --no-same-owner
}

# Where systemd is PID 1, nspawn asks it for a scope; elsewhere it stays in the group
# that it was started in, and makes two groups in it, supervisor and payload. Should
# nspawn be killed, its container lives on: then it is still in there.
enter_own_cgroup() {
	if [ -d /run/systemd/system ]; then
		if systemctl --quiet is-active "berth-bed-$name.scope"; then
			systemctl kill --signal=KILL "berth-bed-$name.scope"
			systemctl stop "berth-bed-$name.scope"
		fi
	else
		mount -t cgroup2 cgroup2 /sys/fs/cgroup
		cgroup=/sys/fs/cgroup/berth-bed-$name
		remove_cgroup
		mkdir "$cgroup"
	fi
}

remove_cgroup() {
	[ -d "$cgroup" ] || return 0
	echo 1 >"$cgroup/cgroup.kill"
	remove_groups "$cgroup"
}

# A group is busy until the last of its dead processes has been reaped.
remove_groups() {
	tries=600
	until find "$1" -depth -type d -exec rmdir {} + 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || die "can't remove $1"
		sleep 0.1
	done
}

# A group of the bed's own in the old hierarchy, which a bed sees as a directory.
make_freezer() {
	mkdir "$dir/mnt/freezer"
	mount -t cgroup -o freezer berth-bed "$dir/mnt/freezer" 2>/dev/null || return 0
	freezer=$dir/mnt/freezer/berth-bed-$name
	mkdir -p "$freezer"
}

run_container() {
	set -- "--bind=$dir/ready:/run/berth-bed-ready" "$@"
	[ -z "$freezer" ] || set -- "--bind=$freezer:/run/berth-bed-freezer" "$@"
	# Of loop devices those of the host: what a bed mounts by them goes with its mount namespace.
	for device in /dev/kvm /dev/net/tun /dev/vhost-net /dev/vhost-vsock /dev/fuse /dev/loop*; do
		[ ! -e "$device" ] || set -- "--bind=$device" "$@"
	done
	[ -z "$cgroup" ] || set -- --keep-unit "$@"

	status=133 # nspawn's way of saying, with --keep-unit, that a reboot is wanted
	while [ "$status" -eq 133 ]; do
		# shellcheck disable=SC2016 # expanded by the inner shell
		setpriv --pdeathsig KILL \
			sh -c '[ -z "$0" ] || echo $$ >"$0/cgroup.procs"; exec "$@"' "$cgroup" \
			systemd-nspawn --quiet --directory="$root" --boot \
			--machine="berth-bed-$name" --hostname="$name" --register=no \
			--private-network --link-journal=no --console=pipe \
			--resolv-conf=off --timezone=off "$@" &
		echo $! >"$dir/nspawn"
		status=0
		wait $! || status=$?
	done
}

clean_up() {
	[ -z "$freezer" ] || (remove_groups "$freezer") || :
	umount -R "$dir/mnt" || :
	[ -z "$cgroup" ] || remove_cgroup
	# Should something still be mounted there, it is not ours to empty.
	rm -rf --one-file-system "$dir"
}

supervise() {
	set_name "$1"
	state=$2 tree=$3 want_freezer=$4 cgroup='' freezer=''
	shift 4
	trap clean_up EXIT
	mount_root
	[ -d "$root/var/lib/berth-bed" ] || make_new_machine
	[ -z "$tree" ] || install_tree "$tree"
	systemd-sysusers --root="$root"
	enter_own_cgroup
	[ -z "$want_freezer" ] || make_freezer
	run_container "$@"
}

# ---- Commands

# Leaves the lock on descriptor 8, for the supervisor to inherit. Whoever only looks has let go of it soon.
take_lock() {
	while :; do
		mkdir -p "$dir"
		exec 8>>"$dir/lock"
		flock --timeout 10 8 || die "a bed '$name' is up already"
		# A supervisor that ends meanwhile removes the file that we wait for.
		[ "$(stat -Lc %i /dev/fd/8)" != "$(stat -c %i "$dir/lock" 2>&1)" ] || return 0
	done
}

# Mount options and nspawn's --bind give these characters a meaning of their own.
directory() {
	path=$(realpath -e -- "$1")
	case $path in
	*[,:\\\ ]*) die "can't take '$path': it has a comma, colon, backslash or blank" ;;
	esac
	echo "$path"
}

# A bed writes to what it shares with the host, and its boot takes some places for its own:
# with /tmp shared, systemd-tmpfiles in the bed empties the host's.
shared_directory() {
	path=$(directory "$1")
	case $path in
	/tmp/?* | /var/tmp/?*) ;;
	/bin/* | /boot/* | /dev/* | /etc/* | /lib*/* | /proc/* | /run/* | /sbin/* | /sys/* | \
		/usr/* | /var/*) die "won't share '$path' with a bed: it belongs to the system" ;;
	/?*/?*) ;;
	*) die "won't share '$path' with a bed: only a directory further down" ;;
	esac
	echo "$path"
}

start() {
	state='' tree='' want_freezer='' binds=''
	while [ $# -gt 1 ]; do
		case $1 in
		--root) tree=$(directory "$2") ;;
		--state) mkdir -p "$2" && state=$(directory "$2") ;;
		--freezer) want_freezer=$2 ;;
		--bind) binds="$binds --bind=$(shared_directory "$2")" ;;
		*) die "unknown option '$1'" ;;
		esac
		shift 2
	done
	set_name "${1-}"
	take_lock
	rm -rf --one-file-system "${dir:?}/mnt" "$dir/ready" "$dir/nspawn"
	mkdir "$dir/mnt"
	mkfifo "$dir/ready"
	: >"$dir/console"
	exec 7<"$dir/console" # to be read when the supervisor has removed it

	# It holds nothing of the caller's, or a pipe that the caller reads would never
	# end. It holds the fifo, so that its own end is the end of the wait, too.
	# shellcheck disable=SC2086 # paths without blanks
	setsid unshare --mount "$0" supervise "$name" "$state" "$tree" "$want_freezer" $binds \
		</dev/null >"$dir/console" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 9<>"$dir/ready" &
	echo $! >"$dir/supervisor"
	exec 8>&-
	trap 'kill_bed; exit 1' HUP INT TERM

	if [ "$(timeout 300 head -n 1 "$dir/ready")" != ready ]; then
		tail -n 40 <&7 >&2
		kill_bed
		die "bed '$name' did not come up; above is the end of its console"
	fi
	find_leader
	echo "$leader"
}

# nsenter changes namespaces, not the control group: systemd in the bed would meet a
# process from nowhere, and may not move it where the kernel takes cgroup namespaces for
# boundaries (nsdelegate). So the subshell, the first process within the bed's PID
# namespace, goes to the group of the bed's PID 1 by a file that was opened out here, and
# systemd-run moves it on, into a scope. The shell around it stays out: a foreign process
# in the bed's groups is PID 0 to systemd there.
# shellcheck disable=SC2016
enter='
(
	echo 0 >&8
	exec 8>&-
	exec setpriv --pdeathsig TERM nsenter --cgroup=/proc/1/ns/cgroup \
		sh -c "$0" bed "$@"
)
exit $?
'

# Runs in the bed, as root: DIRECTORY USER COMMAND...
# shellcheck disable=SC2016
settle='
set -eu
cd "$1" 2>/dev/null || cd /
user=$2
shift 2
HOME=$(getent passwd "$user" | cut -d: -f6)
export HOME USER="$user" LOGNAME="$user"
[ "$user" != root ] || exec systemd-run --quiet --scope --collect -- "$@"

uid=$(id -u "$user")
systemctl start "user@$uid.service"
export XDG_RUNTIME_DIR="/run/user/$uid"
export DBUS_SESSION_BUS_ADDRESS="unix:path=$XDG_RUNTIME_DIR/bus"
exec setpriv --reuid="$uid" --regid="$(id -g "$user")" --init-groups --pdeathsig TERM \
	systemd-run --user --quiet --scope --collect -- "$@"
'

run() {
	user=root
	if [ "${1-}" = --user ]; then
		user=${2-}
		shift 2
	fi
	set_name "${1-}"
	shift
	[ $# -gt 0 ] || die "what is to be run in '$name'?"
	find_leader
	group=$(sed -n 's/^0:://p' "/proc/$leader/cgroup")
	exec 8>"/proc/$nspawn/root/sys/fs/cgroup$group/cgroup.procs"

	unset DBUS_SESSION_BUS_ADDRESS DBUS_SYSTEM_BUS_ADDRESS DISPLAY WAYLAND_DISPLAY \
		XDG_RUNTIME_DIR XDG_SESSION_ID XDG_CONFIG_HOME XDG_DATA_HOME XDG_STATE_HOME \
		XDG_CACHE_HOME NOTIFY_SOCKET INVOCATION_ID JOURNAL_STREAM TMPDIR
	export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
	# The command does not outlive its caller: see --pdeathsig.
	exec nsenter --target "$leader" --mount --uts --ipc --net --pid --no-fork \
		sh -c "$enter" "$settle" "$PWD" "$user" "$@"
}

# What is frozen, or waits for a file system that is, can't even be killed.
thaw() {
	inside=/proc/$leader/root
	[ ! -e "$inside/run/berth-bed-freezer" ] ||
		echo THAWED >"$inside/run/berth-bed-freezer/freezer.state"
	sed -n 's,^/dev/loop[0-9]* \([^ ]*\) .*,\1,p' "/proc/$leader/mounts" | while read -r where; do
		fsfreeze --unfreeze "$inside$where" 2>/dev/null || :
	done
}

kill_bed() {
	is_up || return 0
	# As soon as there is one, init: with it the kernel kills all its PID namespace.
	read -r victim <"$dir/supervisor"
	if [ -s "$dir/nspawn" ]; then
		read -r victim <"$dir/nspawn"
		leader=$(cut -d ' ' -f 1 "/proc/$victim/task/$victim/children")
		[ -z "$leader" ] || thaw || :
		victim=${leader:-$victim}
	fi
	kill -KILL "$victim" 2>/dev/null || :
	wait_for_end 60 || die "bed '$name' survived being killed"
	rm -rf --one-file-system "$dir"
}

stop() {
	is_up || return 0
	find_leader
	kill -38 "$leader" || : # SIGRTMIN+4, to systemd: power off. dash has no name for it
	wait_for_end 300 || kill_bed
}

list() {
	for dir in /run/berth-bed/*; do
		! is_up || (name=${dir##*/} && find_leader && echo "$name $leader") 2>/dev/null || : # it comes, or goes
	done
}

command=${1---help}
[ $# -eq 0 ] || shift
case $command in
--help | -h)
	usage
	exit
	;;
start | run | shell | stop | kill | list | supervise) ;;
*) die "unknown command '$command'; see bed.sh --help" ;;
esac
[ "$(id -u)" -eq 0 ] || die "needs root"
for tool in systemd-nspawn dbus-daemon; do
	command -v "$tool" >/dev/null || die "needs $tool (Debian: systemd-container, dbus)"
done

case $command in
shell) run "$@" /bin/bash ;;
stop) set_name "${1-}" && stop ;;
kill) set_name "${1-}" && kill_bed ;;
*) "$command" "$@" ;;
esac
