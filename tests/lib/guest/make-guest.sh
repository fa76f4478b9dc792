#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# make-guest.sh [--screen] OUTDIR - make the small test guest, OUTDIR/vmlinuz and
# OUTDIR/initrd.img: Debian's cloud kernel, the few modules that QEMU's virtio devices and
# power button need, busybox, and the file `init` beside this script, which says what the
# guest can do. With --screen make one that has a screen, and keyboard and tablet for it,
# OUTDIR/screen-vmlinuz and OUTDIR/screen-initrd.img: the cloud kernel knows of no graphics,
# so this is Debian's other kernel.
# It boots by -kernel and -initrd with `console=ttyS0 quiet no_timer_check`, on q35 and on
# microvm. Without the last, Linux waits ten ticks of its own processor's clock for the first
# interrupt of its timer, which an emulator on a busy host may not deliver by then: it panics. A
# microvm with ACPI has no clock to measure the processor's by, and under emulation one boot
# in ten hangs over it, unless `tsc_early_khz=` says what /proc/cpuinfo here says.
#
# Nothing is installed on this machine. Files that are newer than this script and init are
# kept. The same packages give the same bytes.
#
# Needs these Debian packages: apt dpkg busybox-static cpio kmod

set -eu

die() {
	echo "make-guest.sh: $*" >&2
	exit 1
}

kernel_package=linux-image-cloud-amd64
prefix=''
# In the order in which they are wanted; what they depend on is found out.
modules='virtio_pci virtio_mmio virtio_blk virtio_scsi virtio_net virtio_console
virtio_balloon virtio_rng vmw_vsock_virtio_transport button evdev pvpanic-pci pvpanic-mmio'

if [ "${1-}" = --screen ]; then
	kernel_package=linux-image-amd64
	prefix=screen-
	modules="$modules bochs virtio_gpu virtio_input xhci_pci usbhid hid_generic"
	shift
fi
[ $# -eq 1 ] || die "usage: make-guest.sh [--screen] OUTDIR"
here=$(realpath "$(dirname "$0")")
for need in apt-get:apt dpkg-deb:dpkg cpio:cpio depmod:kmod; do
	PATH=$PATH:/usr/sbin:/sbin command -v "${need%:*}" >/dev/null ||
		die "needs ${need%:*} (Debian: ${need#*:})"
done
busybox=/bin/busybox
# The dynamic one, of the package busybox, would find no libc in the guest.
{ [ -x "$busybox" ] && ! ldd "$busybox" >/dev/null 2>&1; } ||
	die "needs a static $busybox (Debian: busybox-static)"

mkdir -p "$1"
out=$(realpath "$1")
is_fresh() {
	[ -e "$out/$prefix$1" ] &&
		[ -z "$(find "$here/make-guest.sh" "$here/init" "$busybox" -newer "$out/$prefix$1")" ]
}
! is_fresh vmlinuz || ! is_fresh initrd.img || exit 0

PATH=$PATH:/usr/sbin:/sbin
umask 022
work=$(mktemp -d "$out/.make-guest.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"

# The package that is named depends on the one with the kernel of the day.
package=$(apt-cache depends "$kernel_package" | sed -n 's/^ *Depends: \(linux-image-\)/\1/p')
[ -n "$package" ] || die "apt knows no $kernel_package: run apt-get update"
# apt warns that it can't become its own user here, which does no harm.
apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=5 download "$package"
dpkg-deb -x "$package"_*.deb kernel
version=${package#linux-image-}
depmod -b "$work/kernel" "$version"

mkdir -p root/bin root/modules root/www root/etc/acpi/PWRF
cp "$busybox" root/bin/busybox
cp "$here/init" root/init
chmod 755 root/init
echo berth-guest >root/www/index.html
cat >root/etc/acpi/PWRF/00000080 <<-'END'
	#!/bin/sh
	echo "berth-guest: power button" >/dev/console
	sync
	poweroff -f
END
chmod 755 root/etc/acpi/PWRF/00000080

# modprobe puts each behind what it depends on: numbered so, the guest needs no modprobe.
number=100
for module in $modules; do
	modprobe -d "$work/kernel" -S "$version" --show-depends "$module" >depends ||
		die "the kernel $version has no module $module"
	while read -r verb file _; do
		file_name=${file##*/}
		[ "$verb" = insmod ] || continue # else it is built in
		[ ! -e "seen-$file_name" ] || continue
		: >"seen-$file_name"
		number=$((number + 1))
		cp "$file" "root/modules/$number-$file_name"
	done <depends
done

# Not compressed: the emulated processor takes longer to unpack it than QEMU to load it.
find root -exec touch --no-dereference --date=@0 {} +
(cd root && find . | LC_ALL=C sort |
	cpio --quiet --create --format=newc --reproducible --owner=+0:+0) >initrd.img
cp "kernel/boot/vmlinuz-$version" vmlinuz
sync vmlinuz initrd.img
mv vmlinuz "$out/${prefix}vmlinuz"
mv initrd.img "$out/${prefix}initrd.img"
