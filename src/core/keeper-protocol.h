/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What berthd and berth-keeper agree on. Macros and plain C only: the keeper links no GLib.
 *
 * The keeper opens nothing by name. Everything is handed to it as descriptors of fixed numbers:
 */
#define BERTH_KEEPER_FD_CHANNEL 3    /* SOCK_SEQPACKET to the daemon, see below */
#define BERTH_KEEPER_FD_LOCK 4       /* the runtime directory's lock, flock()ed: inherited by all in the scope */
#define BERTH_KEEPER_FD_EXIT 5       /* empty file for the exit record, O_WRONLY */
#define BERTH_KEEPER_FD_SERIAL 6     /* serial.log, O_RDWR|O_APPEND */
#define BERTH_KEEPER_FD_SERIAL_OLD 7 /* serial.log.1, O_RDWR */
#define BERTH_KEEPER_FD_QEMU 8       /* qemu.log */
#define BERTH_KEEPER_FD_QEMU_OLD 9   /* qemu.log.1 */
#define BERTH_KEEPER_FD_CONSOLE 10   /* listening SOCK_STREAM: each connection is a console client */

/* What QEMU gets, and its arguments refer to. Serial, monitor and its copy of the lock are made by the keeper. */
#define BERTH_QEMU_FD_QMP 11     /* listening SOCK_STREAM for the daemon's QMP */
#define BERTH_QEMU_FD_SERIAL 12  /* socketpair end: the guest's first serial port */
#define BERTH_QEMU_FD_MONITOR 13 /* socketpair end: the keeper's own QMP */
#define BERTH_QEMU_FD_LOCK 14    /* the lock again, so that QEMU holds it as long as it lives */
#define BERTH_QEMU_FD_AGENT 15   /* listening SOCK_STREAM for the guest agent's channel */
#define BERTH_QEMU_FD_EXTRA 16   /* taps, vhost-vsock ...: as many as --extra-fds says, consecutive */

/* A log is cut when it reaches this many bytes: its contents go to the .1 file, and it begins anew. */
#define BERTH_LOG_SIZE_MAX (1024 * 1024)

/* The channel. The daemon sends BERTH_KEEPER_GO when the scope stands; end of file before that means that the
 * daemon is gone, and the keeper exits without having started anything.
 * The keeper answers with one packet: "started <pid of QEMU>" or "failed <what went wrong, for a person>". */
#define BERTH_KEEPER_GO "go"
#define BERTH_KEEPER_STARTED "started "
#define BERTH_KEEPER_FAILED "failed "
#define BERTH_KEEPER_PACKET_MAX 512

/* The exit record: lines "key=value", written by one write() and ended by the line "end", so that half of
 * one is never taken for a whole. Keys:
 *   wait-status=  what waitid() said of QEMU, as waitpid() packs it; decimal
 *   reason=       QMP's SHUTDOWN reason ("guest-shutdown", "host-qmp-quit", "host-signal", ...), "" where none came
 *   panicked=     1 where QMP told of a guest panic
 *   oom-killed=   1 where the kernel has killed a process of the scope for want of memory; older keepers don't write it
 *   requested=    1 where the keeper was asked by a signal to stop the guest; by machined's, which asks the guest alone, not
 *                 longer ago than --shutdown-timeout=
 *   time=         µs since the epoch
 *   words=        the last line that QEMU wrote to its standard error, control characters made spaces
 *
 * Until then the file is empty. Whenever QEMU was stopped by a signal, or goes on, the keeper sets that length anew, which
 * changes nothing but makes inotify tell of it (IN_MODIFY): whoever is interested looks at QEMU's state. */
#define BERTH_EXIT_RECORD_MAX 4096

/* After systemd's SIGTERM the guest has --shutdown-timeout= to power down, and then QEMU so long to quit, before it is killed;
 * a moment more, and the keeper has written down how it ended. Until then systemd must not kill all of them. */
#define BERTH_KEEPER_QUIT_SEC 5
#define BERTH_KEEPER_LAST_SEC 5

/* Whoever is in its firmware, or boots, hears no power button: it is pressed again until the guest goes, so many seconds after
 * the last time, at the latest after this part of the time that it has. 10 s is what OpenStack's Nova waits before it asks a
 * guest of libvirt's anew; one that goes down already takes no harm: systemd-logind, for one, passes over the key then. */
#define BERTH_BUTTON_PAUSE_SEC 10
#define BERTH_BUTTON_PAUSE_PART 6

/* Signals that systemd and machined send to a scope, and what the keeper makes of them. */
#define BERTH_SIGNAL_MACHINED_POWEROFF 4 /* SIGRTMIN + this */
