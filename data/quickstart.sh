#!/bin/sh
# Berth in five minutes: installs what is needed, builds, starts the service, and shows a VM's whole life.
#
#   sh data/quickstart.sh          all of it
#   sh data/quickstart.sh shell    a shell where the service runs
#   sh data/quickstart.sh stop     stop the service, and take away the container where it ran in one
#
# Where PID 1 is systemd, the service is installed on this machine. Where it is something else (a container, a CI machine),
# the service runs in a throw-away systemd container over this machine's own root: nothing here changes but the packages.
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"
. data/packages.sh

bed=tests/lib/bed.sh
name=quickstart
guest=build-quickstart/guest
vm=hello

has_systemd() {
    [ -d /run/systemd/system ]
}

# Where the service runs: here, or in the container.
there() {
    if has_systemd; then "$@"; else sh "$bed" run "$name" "$@"; fi
}

say() {
    printf '\n\033[1m%s\033[0m\n' "$*"
}

# Shows a command as one would type it, and runs it.
show() {
    printf '\033[36m$ %s\033[0m\n' "$*"
    there "$@"
}

build() {
    say "Building Berth"
    # The container has no display.
    if has_systemd; then ui=auto; else ui=disabled; fi
    [ -d build-quickstart ] ||
        meson setup build-quickstart --prefix=/usr --sysconfdir=/etc --localstatedir=/var -Dui=$ui >/dev/null
    meson compile -C build-quickstart | tail -n 1
}

start_service() {
    if has_systemd; then
        say "Installing Berth and starting berthd.service"
        meson install -C build-quickstart --no-rebuild --quiet
        systemctl daemon-reload
        systemctl reload dbus.service 2>/dev/null || systemctl reload dbus-broker.service
        systemctl restart berthd.service
        return
    fi
    say "PID 1 is no systemd here: booting one in a container (over this machine's root, thrown away afterwards)"
    DESTDIR="$top/build-quickstart/root" meson install -C build-quickstart --no-rebuild --quiet
    sh "$bed" stop "$name" >/dev/null 2>&1 || :
    sh "$bed" start --root build-quickstart/root --bind "$top" "$name" >/dev/null
    show systemctl start berthd.service
}

forget_old_vm() {
    there berthctl remove --wait "$vm" >/dev/null 2>&1 || :
    there berthctl image-remove demo >/dev/null 2>&1 || :
}

# The console log of the guest grows as it boots: follow it up to the line that says that it is up.
await_guest() {
    there timeout 300 sh -c "berthctl log --follow $vm | sed '/berth-guest: ready/q'"
}

demo() {
    say "A guest: Debian's cloud kernel and a small initramfs, made here"
    sh tests/lib/guest/make-guest.sh "$guest"
    forget_old_vm
    show berthctl import demo --kernel "$top/$guest/vmlinuz" --initrd "$top/$guest/initrd.img" --cmdline "console=ttyS0 quiet no_timer_check"
    show berthctl images

    say "A VM; every change of its state is announced on the bus, and berthctl watch prints what it hears"
    show berthctl create "$vm" --image demo --vcpus 1 --memory 256M
    there berthctl watch "$vm" &
    watcher=$!
    show berthctl start "$vm"
    await_guest
    show berthctl status "$vm"
    show busctl get-property org.berth.Berth1 \
        "$(there busctl call org.berth.Berth1 /org/berth/Berth1 org.berth.Berth1.Manager GetVM s "$vm" | cut -d'"' -f2)" \
        org.berth.Berth1.VM State

    say "Its process is in a systemd scope of its own, and outlives the daemon"
    show systemctl --no-pager list-units 'berth-*.scope'
    show systemctl restart berthd.service
    show berthctl list

    say "The guest powers down, and the VM goes: Remove answers at once, the rest happens behind it"
    show berthctl shutdown "$vm"
    there berthctl wait "$vm" stopped
    show berthctl remove --wait "$vm"
    wait "$watcher" || : # it ends with its VM
    show berthctl list
}

what_next() {
    say "What next"
    has_systemd || echo "  sh data/quickstart.sh shell          a shell in the container where the service runs; there:"
    cat <<END
  berthctl create web --image demo --start
  berthctl console web                   the guest's console; ^] leaves
  berthctl watch                         what happens, as it happens
  busctl introspect org.berth.Berth1 /org/berth/Berth1
  berthctl remove --wait web
  man berthctl
END
    has_systemd || echo "  sh data/quickstart.sh stop           takes the container away again"
}

case ${1-} in
'')
    # The lists are words.
    # shellcheck disable=SC2086
    install_packages $PACKAGES_BUILD $PACKAGES_RUN $PACKAGES_GUEST
    build
    start_service
    demo
    what_next
    ;;
shell)
    if has_systemd; then exec "${SHELL:-/bin/sh}"; else exec sh "$bed" shell "$name"; fi
    ;;
stop)
    if has_systemd; then systemctl stop berthd.service; else sh "$bed" stop "$name"; fi
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
