#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make-debian.sh OUT.qcow2 - make a disk with a whole, small Debian 12 that boots by BIOS to
# a login on the first serial port: systemd, networking by DHCP, QEMU's guest agent; root's
# password is `berth`. It powers off when the power button is pressed.
#
# The packages come from the Debian sources of this machine's apt, where it has bookworm's,
# else from deb.debian.org. Needs root, mounts and installs nothing on this machine. An
# OUT.qcow2 that is newer than this script is kept.
#
# Needs these Debian packages: mmdebstrap apt debian-archive-keyring e2fsprogs fdisk
# grub-common grub-pc-bin qemu-utils

set -eu

die() {
	echo "make-debian.sh: $*" >&2
	exit 1
}

PATH=$PATH:/usr/sbin:/sbin
filesystem=6d7d3f6e-6265-4274-a87f-64656269616e # the UUID by which GRUB's Linux finds its root
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
grub=/usr/lib/grub/i386-pc

# Runs when the packages are unpacked in $1: finish them, and put the tree into the file
# system $disk.
customize() {
	root=$1
	echo root:berth | chroot "$root" chpasswd
	echo debian >"$root/etc/hostname"
	printf '127.0.0.1 localhost debian\n::1 localhost\n' >"$root/etc/hosts"
	echo "nameserver 10.0.2.3" >"$root/etc/resolv.conf" # of QEMU's user network
	echo "UUID=$filesystem / ext4 rw,relatime,errors=remount-ro 0 0" >"$root/etc/fstab"
	# Of those it takes care of, it takes away addresses that are not its own.
	printf '[Match]\nName=en*\n\n[Network]\nDHCP=yes\n' \
		>"$root/etc/systemd/network/80-dhcp.network"
	# Empty, not absent: each disk on top of this one gets its own at its first boot.
	: >"$root/etc/machine-id"
	ln -sf /etc/machine-id "$root/var/lib/dbus/machine-id"

	# Under emulation, each process that a boot starts takes a fifth of a second or more.
	# So it starts none for what this disk doesn't have, and no test asks for.
	systemctl --root="$root" --quiet enable systemd-networkd.service
	systemctl --root="$root" --quiet mask systemd-networkd-wait-online.service \
		systemd-network-generator.service getty@tty1.service systemd-pstore.service \
		apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer \
		e2scrub_all.timer e2scrub_reap.service systemd-tmpfiles-clean.timer \
		systemd-random-seed.service systemd-update-utmp.service \
		systemd-update-utmp-runlevel.service systemd-binfmt.service \
		proc-sys-fs-binfmt_misc.automount modprobe@.service kmod-static-nodes.service \
		systemd-modules-load.service dev-hugepages.mount dev-mqueue.mount \
		sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
		sys-fs-fuse-connections.mount
	mkdir -p "$root/etc/systemd/system-generators"
	for generator in "$root"/usr/lib/systemd/system-generators/*; do
		case ${generator##*/} in
		systemd-fstab-generator | systemd-getty-generator) ;;
		*) ln -s /dev/null "$root/etc/systemd/system-generators/${generator##*/}" ;;
		esac
	done

	# A very small initramfs: it loads these modules, those of the guest's disk and not of
	# this machine's, waits for the root and mounts it.
	mkdir "$root/etc/tiny-initramfs"
	cat >"$root/etc/tiny-initramfs/tiny-initramfs.conf" <<-END
		AUTO_MODULES=no
		INCLUDE_MODULES=virtio_pci,virtio_blk,virtio_scsi,sd_mod
		MICROCODE=no
	END
	chroot "$root" update-tirfs >/dev/null

	rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/*.bin "$root"/var/log/*.log
	# A bind mount, gone with its namespace, has the tree without what is mounted in it.
	# shellcheck disable=SC2016 # expanded by the inner shell
	unshare --mount sh -c 'mount --bind "$0" /mnt && exec "$@" -d /mnt "$disk" 4095M' "$root" \
		mke2fs -q -t ext4 -U "$filesystem" -L debian -E offset=1048576
}

# What the host's apt knows of bookworm, in the one-line format.
find_sources() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets --format "deb [signed-by=$keyring] "'$(REPO_URI) $(RELEASE) main' \
		'Created-By: Packages' 'Origin: Debian' 'Component: main' | grep ' bookworm'
}

make_disk() {
	truncate --size=4G "$disk"
	echo 'start=2048, type=83, bootable' | sfdisk --quiet "$disk"
	find_sources >sources.list ||
		echo "deb [signed-by=$keyring] http://deb.debian.org/debian bookworm main" >sources.list
	proxy=$(apt-config shell p Acquire::http::Proxy)
	eval "$proxy"

	# shellcheck disable=SC2016 # expanded by mmdebstrap's shell
	mmdebstrap --quiet --variant=minbase --format=null ${p:+"--aptopt=Acquire::http::Proxy \"$p\""} \
		--aptopt='Acquire::Retries "5"' \
		--include=linux-image-cloud-amd64,tiny-initramfs,systemd-sysv,udev,dbus,libpam-systemd \
		--include=qemu-guest-agent,iproute2,iputils-ping,kmod,less,procps \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--customize-hook='"$script" --customize "$1"' \
		bookworm '' sources.list

	# GRUB without its installer, which wants a mounted root. boot.img reads the sector behind
	# itself, and the gap before the partition has room for the rest. /vmlinuz and /initrd.img
	# are links that Debian keeps on its newest kernel.
	cat >grub.cfg <<-END
		set root=(hd0,msdos1)
		linux /vmlinuz root=UUID=$filesystem ro quiet console=ttyS0 no_timer_check
		initrd /initrd.img
		boot
	END
	grub-mkimage --directory="$grub" --format=i386-pc --prefix=/boot/grub --config=grub.cfg \
		--output=core.img biosdisk part_msdos ext2 linux boot
	dd if="$grub/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
	dd if=core.img of="$disk" bs=512 seek=1 conv=notrunc status=none

	qemu-img convert -c -O qcow2 -o compression_type=zstd "$disk" disk.qcow2
}

if [ "${1-}" = --customize ]; then
	customize "$2"
	exit
fi

[ $# -eq 1 ] || die "usage: make-debian.sh OUT.qcow2"
for need in mmdebstrap:mmdebstrap apt-get:apt mke2fs:e2fsprogs sfdisk:fdisk \
	grub-mkimage:grub-common "$grub/boot.img:grub-pc-bin" qemu-img:qemu-utils; do
	[ -e "${need%:*}" ] || command -v "${need%:*}" >/dev/null ||
		die "needs ${need%:*} (Debian: ${need##*:})"
done
[ -e "$keyring" ] || die "needs $keyring (Debian: debian-archive-keyring)"

[ "$(id -u)" -eq 0 ] || die "needs root"

script=$(realpath "$0")
out=$(realpath "$1")
[ ! -e "$out" ] || [ -n "$(find "$script" -newer "$out")" ] || exit 0

umask 022
work=$(mktemp -d "$(dirname "$out")/.make-debian.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
export script disk="$work/disk"
make_disk
sync disk.qcow2
mv disk.qcow2 "$out"
