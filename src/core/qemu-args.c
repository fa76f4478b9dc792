/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "keeper-protocol.h"
#include "names.h"
#include "qemu-args-private.h"

/* --- The vector --- */

void qemu_args_add(QemuArgs *args, const char *option, const char *value)
{
    g_ptr_array_add(args->argv, g_strdup(option));
    if (value != NULL)
        g_ptr_array_add(args->argv, g_strdup(value));
}

void qemu_args_add_numbers(QemuArgs *args, const char *option, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    g_ptr_array_add(args->argv, g_strdup(option));
    g_ptr_array_add(args->argv, g_strdup_vprintf(format, values));
    va_end(values);
}

void qemu_args_add_json(QemuArgs *args, const char *option, JsonObject *object)
{
    g_autoptr(JsonNode) node = json_node_alloc();
    json_node_init_object(node, object);
    json_object_unref(object);
    g_ptr_array_add(args->argv, g_strdup(option));
    g_ptr_array_add(args->argv, json_to_string(node, FALSE));
}

JsonObject *qemu_args_device(const char *driver, const char *id)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "driver", driver);
    json_object_set_string_member(object, "id", id);
    return object;
}

JsonObject *qemu_args_file_node(const char *dir, const char *name, gboolean read_only)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    JsonObject *node = json_object_new();
    json_object_set_string_member(node, "driver", "file");
    json_object_set_string_member(node, "filename", path);
    json_object_set_string_member(node, "aio", "threads");
    if (read_only)
        json_object_set_boolean_member(node, "read-only", TRUE);
    return node;
}

/* --- Machine --- */

static void add_identity(QemuArgs *args)
{
    /* The name's alphabet (berth_vm_name_check) has neither comma nor equals sign. */
    qemu_args_add(args, "-name", args->in->name);
    qemu_args_add(args, "-uuid", args->in->id);
}

static void add_confinement(QemuArgs *args)
{
    qemu_args_add(args, "-no-user-config", NULL);
    qemu_args_add(args, "-nodefaults", NULL);
    /* QEMU listens nowhere: each client of its display is a descriptor that comes by QMP. */
    qemu_args_add(args, "-display", berth_vm_config_has_display(args->in->config) ? "dbus,p2p=yes" : "none");
    qemu_args_add(args, "-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny");
}

/* microvm: the legacy parts that a distribution's kernel wants for its clocks, and ACPI, whose generic event device is
 * the power button. graphics=off lets the firmware speak on the serial port, where it has no screen; a microvm's never has. */
static void add_machine(QemuArgs *args)
{
    const gboolean uefi = g_str_equal(args->in->config->firmware, "uefi");
    const char *graphics = berth_vm_config_has_display(args->in->config) ? "on" : "off";
    if (args->mmio)
        qemu_args_add(
            args, "-machine",
            "microvm,acpi=on,pcie=off,pic=on,pit=on,rtc=on,isa-serial=on,usb=off,graphics=off,dump-guest-core=off");
    else
        qemu_args_add_numbers(args, "-machine", "q35,usb=off,graphics=%s,vmport=off,dump-guest-core=off%s", graphics,
                              uefi ? ",pflash0=firmware-code,pflash1=firmware-vars" : "");
    /* Without this virtio-mmio is the draft of before 1.0, which vsock does not exist for. */
    if (args->mmio)
        qemu_args_add(args, "-global", "virtio-mmio.force-legacy=off");
}

static void add_processor_and_memory(QemuArgs *args)
{
    const BerthQemuArgsInput *in = args->in;
    qemu_args_add(args, "-accel", in->accelerator);
    qemu_args_add(args, "-cpu", g_str_equal(in->accelerator, "kvm") ? "host" : "max");
    qemu_args_add_numbers(args, "-smp", "cpus=%u", in->config->vcpus);
    qemu_args_add_numbers(args, "-m", "size=%" G_GUINT64_FORMAT "B", in->config->memory);
    qemu_args_add(args, "-rtc", "base=utc");
}

/* A panic ends QEMU, with a status that says so; whether it starts again is the restart policy's to say. */
static void add_panic(QemuArgs *args)
{
    qemu_args_add(args, "-action", "reboot=reset,shutdown=poweroff,panic=exit-failure");
    qemu_args_add_json(args, "-device", qemu_args_device("pvpanic", "panic"));
}

static void add_flash(QemuArgs *args, const char *node_name, const char *dir, const char *name, gboolean read_only)
{
    JsonObject *node = json_object_new();
    json_object_set_string_member(node, "node-name", node_name);
    json_object_set_string_member(node, "driver", "raw");
    json_object_set_boolean_member(node, "read-only", read_only);
    json_object_set_object_member(node, "file", qemu_args_file_node(dir, name, read_only));
    qemu_args_add_json(args, "-blockdev", node);
}

static void add_firmware(QemuArgs *args)
{
    if (!g_str_equal(args->in->config->firmware, "uefi"))
        return;
    g_autofree char *dir = g_path_get_dirname(args->in->firmware_code);
    g_autofree char *name = g_path_get_basename(args->in->firmware_code);
    add_flash(args, "firmware-code", dir, name, TRUE);
    add_flash(args, "firmware-vars", args->in->disks_dir, BERTH_FILE_FIRMWARE_VARS, FALSE);
}

static void add_path(QemuArgs *args, const char *option, const char *name)
{
    g_autofree char *path = g_build_filename(args->in->image_dir, name, NULL);
    qemu_args_add(args, option, path);
}

static void add_kernel(QemuArgs *args)
{
    const BerthImageMeta *image = args->in->image;
    if (image == NULL || !image->has_kernel)
        return;
    const char *own = args->in->config->cmdline;
    const char *cmdline = own[0] != '\0' ? own : image->cmdline;
    add_path(args, "-kernel", BERTH_FILE_KERNEL);
    if (image->has_initrd)
        add_path(args, "-initrd", BERTH_FILE_INITRD);
    if (cmdline != NULL && cmdline[0] != '\0')
        qemu_args_add(args, "-append", cmdline);
}

/* --- Monitors, console --- */

static void add_monitors(QemuArgs *args)
{
    qemu_args_add_numbers(args, "-chardev", "socket,id=qmp,fd=%d,server=on,wait=off", BERTH_QEMU_FD_QMP);
    qemu_args_add(args, "-mon", "chardev=qmp,mode=control");
    qemu_args_add_numbers(args, "-chardev", "socket,id=keeper,fd=%d", BERTH_QEMU_FD_MONITOR);
    qemu_args_add(args, "-mon", "chardev=keeper,mode=control");
    qemu_args_add_numbers(args, "-chardev", "socket,id=serial,fd=%d", BERTH_QEMU_FD_SERIAL);
    qemu_args_add(args, "-serial", "chardev:serial");
}

GStrv berth_qemu_args(const BerthQemuArgsInput *input)
{
    QemuArgs args = {
        .in = input,
        .argv = g_ptr_array_new(),
        .mmio = g_str_equal(input->config->machine, "microvm"),
        .next_boot = 1,
    };
    qemu_args_add(&args, input->qemu, NULL);
    add_identity(&args);
    add_confinement(&args);
    add_machine(&args);
    add_processor_and_memory(&args);
    add_panic(&args);
    add_firmware(&args);
    add_kernel(&args);
    add_monitors(&args);
    qemu_args_add_rng(&args);
    qemu_args_add_balloon(&args);
    qemu_args_add_disks(&args);
    qemu_args_add_networks(&args);
    qemu_args_add_vsock(&args);
    qemu_args_add_display(&args);
    qemu_args_add_notify_socket(&args);
    qemu_args_add_agent(&args);
    g_ptr_array_add(args.argv, NULL);
    return (GStrv) g_ptr_array_free(args.argv, FALSE);
}
