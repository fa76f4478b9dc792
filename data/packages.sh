# shellcheck shell=sh
# shellcheck disable=SC2034
# Which Debian packages Berth needs, and how they are installed: for data/quickstart.sh and tests/run.sh, which source this.

# To build it.
PACKAGES_BUILD="meson ninja-build pkg-config gcc libc6-dev libglib2.0-dev libsystemd-dev libjson-glib-dev gettext"
# To build the desktop manager too. data/quickstart.sh does without.
PACKAGES_UI="libgtk-4-dev libadwaita-1-dev libvte-2.91-gtk4-dev desktop-file-utils"
# To run it: on a machine of its own, and in a container of the quick start and of the tests.
PACKAGES_RUN="qemu-system-x86 qemu-utils seabios ovmf systemd systemd-sysv systemd-container dbus polkitd util-linux iproute2"
# To make the guest that the quick start and the tests boot.
PACKAGES_GUEST="busybox-static cpio kmod"
# To make the complete Debian image, and for the suites themselves.
PACKAGES_TEST="mmdebstrap debian-archive-keyring e2fsprogs fdisk grub-common grub-pc-bin dbus-user-session dbus-broker python3 strace"
# To run and look at the desktop manager without a desktop.
PACKAGES_TEST_UI="xvfb xdotool adwaita-icon-theme librsvg2-common fonts-cantarell fonts-dejavu-core appstream systemd-journal-remote at-spi2-core python3-pyatspi"

# Installs those of $* that are missing; says nothing where none is.
install_packages() {
    missing=
    for package in "$@"; do
        case $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) in
        "install ok installed") ;;
        *) missing="$missing $package" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        echo "These packages are missing, and installing them needs root:$missing" >&2
        return 1
    fi
    echo "Installing:$missing"
    export DEBIAN_FRONTEND=noninteractive
    # A mirror that does not answer is asked again, and whoever installs something else is waited for. An update that fails for
    # one of several sources is no failure, as long as the packages can be had.
    apt-get update -q -o Acquire::Retries=5 >/dev/null 2>&1 || true
    # $missing is a list of words.
    # shellcheck disable=SC2086
    apt-get install -q -y -o Acquire::Retries=5 -o DPkg::Lock::Timeout=600 --no-install-recommends $missing >/dev/null
}
