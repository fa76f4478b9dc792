/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Every well-known string, once. What is visible on the bus is also in dbus/org.berth.Berth1.xml. */

#define BERTH_BUS_NAME "org.berth.Berth1"

#define BERTH_PATH_ROOT "/org/berth/Berth1"
#define BERTH_PATH_VM BERTH_PATH_ROOT "/vm"
#define BERTH_PATH_IMAGE BERTH_PATH_ROOT "/image"
#define BERTH_PATH_JOB BERTH_PATH_ROOT "/job"

#define BERTH_IFACE_MANAGER BERTH_BUS_NAME ".Manager"
#define BERTH_IFACE_VM BERTH_BUS_NAME ".VM"
#define BERTH_IFACE_IMAGE BERTH_BUS_NAME ".Image"
#define BERTH_IFACE_JOB BERTH_BUS_NAME ".Job"

#define BERTH_ERROR_PREFIX BERTH_BUS_NAME ".Error."

/* polkit's actions; data/polkit has their texts. */
#define BERTH_ACTION_CREATE "org.berth.create"
#define BERTH_ACTION_CONTROL "org.berth.control"
#define BERTH_ACTION_CONFIGURE "org.berth.configure"
#define BERTH_ACTION_REMOVE "org.berth.remove"
#define BERTH_ACTION_CONSOLE "org.berth.console"
#define BERTH_ACTION_IMAGES "org.berth.images"
#define BERTH_ACTION_RELOAD "org.berth.reload"

/* systemd's side. The unit's name is also the mutual exclusion: systemd runs no name twice. */
#define BERTH_UNIT_PREFIX "berth-"
#define BERTH_UNIT_SUFFIX ".scope"
#define BERTH_SLICE "machine.slice"

/* MESSAGE_ID= in the journal; data/berth.catalog explains each. */
#define BERTH_MESSAGE_STATE "ef788534d24c4a21adb7817009ebfb55"
#define BERTH_MESSAGE_CREATED "1ad96fa5d6f843db8afc948292012071"
#define BERTH_MESSAGE_REMOVED "f222814fbda048258bdad8f19179694a"
#define BERTH_MESSAGE_FAILED "00ab429ea8c94e7a95a1547a837c7bb1"

/* Below the state directory. */
#define BERTH_DIR_VMS "vms"
#define BERTH_DIR_REMOVING "removing"
#define BERTH_DIR_IMAGES "images"
#define BERTH_FILE_LOCK "lock" /* also in a VM's runtime directory */

/* In a VM's directory below vms/. */
#define BERTH_FILE_DEFINITION "vm.json"
#define BERTH_FILE_MARKER ".removing"
#define BERTH_FILE_WANTED "want-running"
#define BERTH_DIR_DISKS "disks"
#define BERTH_DIR_LOGS "logs"
#define BERTH_FILE_FIRMWARE_VARS "vars.fd" /* in disks/ */
#define BERTH_FILE_SERIAL_LOG "serial.log"
#define BERTH_FILE_QEMU_LOG "qemu.log"
#define BERTH_LOG_OLD_SUFFIX ".1"

/* In a VM's runtime directory. */
#define BERTH_FILE_QMP_SOCKET "qmp.sock"
#define BERTH_FILE_CONSOLE_SOCKET "console.sock"
#define BERTH_FILE_AGENT_SOCKET "agent.sock"
#define BERTH_FILE_EXIT "exit"
#define BERTH_FILE_RUN "run"
#define BERTH_FILE_GUEST "guest" /* what its service manager has said */

/* In the runtime directory, beside the directory of the VM: its id and this. */
#define BERTH_ENDED_SUFFIX ".ended"

/* In an image's directory below images/. */
#define BERTH_FILE_IMAGE "image.json"
#define BERTH_FILE_DISK "disk"
#define BERTH_FILE_KERNEL "kernel"
#define BERTH_FILE_INITRD "initrd"

/* What is being made lies under a name with this prefix until it is whole; start-up sweeps such names. */
#define BERTH_STAGING_PREFIX ".new-"
