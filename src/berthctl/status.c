/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <stdio.h>
#include <sys/wait.h>

#include "../core/names.h"
#include "json.h"
#include "options.h"
#include "text.h"

#define LABEL_WIDTH 12

/* "     Label: " */
static void print_label(const char *label)
{
    int padding = LABEL_WIDTH - (int) ctl_columns(label);
    printf("%*s%s: ", MAX(padding, 0), "", label);
}

/* Nothing where there is no value. */
static void line(const char *label, const char *value, const char *colour)
{
    if (value[0] == '\0')
        return;
    g_autofree char *printable = ctl_printable(value);
    print_label(label);
    printf("%s%s%s\n", colour, printable, ctl_colour_end(colour));
}

static void number_line(const char *label, guint64 number)
{
    g_autofree char *text = number != 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, number) : g_strdup("");
    line(label, text, "");
}

/* @state: in colours, or not */
static char *qualify_state(const CtlObject *vm, const char *name, const char *state)
{
    if (!g_str_equal(name, "running"))
        return ctl_get_bool(vm, "WantRunning") ? g_strdup_printf(_("%s (wanted to run)"), state) : g_strdup(state);
    return ctl_get_bool(vm, "Responsive") ? g_strdup(state) : g_strdup_printf(_("%s (QEMU does not answer)"), state);
}

static void state_line(const CtlObject *vm)
{
    const char *state = ctl_get_string(vm, "State");
    guint64 since = ctl_get_number(vm, "StateChangeTimestamp");
    g_autofree char *described = ctl_describe_state(state, ctl_get_string(vm, "RemovalPhase"));
    g_autofree char *time = ctl_format_time(since);
    g_autofree char *ago = ctl_format_ago(since);
    const char *colour = ctl_colour_of_state(state);
    g_autofree char *coloured = g_strconcat(colour, described, ctl_colour_end(colour), NULL);
    g_autofree char *qualified = qualify_state(vm, state, coloured);
    print_label(_("State"));
    if (since != 0)
        /* Translators: a state, a date and time, and how long ago that was */
        printf(_("%s since %s; %s\n"), qualified, time, ago);
    else
        printf("%s\n", qualified);
}

static char *describe_attempt(guint attempt, guint64 next, const char *blocker)
{
    guint64 now = (guint64) g_get_real_time();
    g_autofree char *span = next > now ? ctl_format_span(next - now) : NULL;
    if (span != NULL && blocker[0] != '\0')
        return g_strdup_printf(_("try %u, next in %s; held up by %s"), attempt, span, blocker);
    if (span != NULL)
        return g_strdup_printf(_("try %u, next in %s"), attempt, span);
    if (blocker[0] != '\0')
        return g_strdup_printf(_("try %u; held up by %s"), attempt, blocker);
    return g_strdup_printf(_("try %u"), attempt);
}

static void removal_line(const CtlObject *vm)
{
    if (!g_str_equal(ctl_get_string(vm, "State"), "removing"))
        return;
    g_autofree char *text =
        describe_attempt((guint) ctl_get_number(vm, "RemovalAttempt"),
                         ctl_get_number(vm, "RemovalNextAttemptTimestamp"), ctl_get_string(vm, "RemovalBlocker"));
    line(_("Removal"), text, "");
}

/* A VM that starts by itself: after its back-off, or in its turn after a boot. */
static void next_start_line(const CtlObject *vm)
{
    guint64 next = ctl_get_number(vm, "NextStart");
    guint64 now = (guint64) g_get_real_time();
    if (next == 0)
        return;
    g_autofree char *span = ctl_format_span(next > now ? next - now : 0);
    g_autofree char *text = next > now ? g_strdup_printf(_("in %s"), span) : g_strdup(_("as soon as its turn comes"));
    line(_("Next start"), text, "");
}

/* What the guest says of itself; it may be much, or nothing. */
static void guest_lines(const CtlObject *vm)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new();
    const char *os = ctl_get_string(vm, "GuestOS"), *status = ctl_get_string(vm, "GuestStatus");
    if (os[0] != '\0')
        g_ptr_array_add(parts, (char *) os);
    if (ctl_get_bool(vm, "GuestReady"))
        g_ptr_array_add(parts, _("ready"));
    if (status[0] != '\0')
        g_ptr_array_add(parts, (char *) status);
    g_ptr_array_add(parts, NULL);
    g_autofree char *text = g_strjoinv("; ", (char **) parts->pdata);
    line(_("Guest"), text, "");

    g_autoptr(GVariant) addresses =
        g_variant_lookup_value(vm->properties, "GuestAddresses", G_VARIANT_TYPE_STRING_ARRAY);
    g_autofree const char **each = addresses != NULL ? g_variant_get_strv(addresses, NULL) : NULL;
    for (gsize i = 0; each != NULL && each[i] != NULL; i++)
        line(_("Address"), each[i], "");
}

static void exit_line(const CtlObject *vm)
{
    const char *reason = ctl_get_string(vm, "ExitReason");
    gint32 status = ctl_get_int(vm, "ExitStatus");
    g_autofree char *text = NULL;
    if (reason[0] == '\0' || status == -1)
        text = g_strdup(reason);
    else if (WIFSIGNALED(status))
        text = g_strdup_printf(_("%s (signal %d, %s)"), reason, WTERMSIG(status), g_strsignal(WTERMSIG(status)));
    else
        text = g_strdup_printf(_("%s (exit status %d)"), reason, WEXITSTATUS(status));
    line(_("Last exit"), text, "");
}

/* One forwarded port: "127.0.0.1:8080 -> 80/tcp". */
static void port_line(GVariant *port)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(port);
    const char *protocol = "", *address = "";
    g_variant_dict_lookup(&dict, "protocol", "&s", &protocol);
    g_variant_dict_lookup(&dict, "host-address", "&s", &address);
    g_autoptr(GVariant) host = g_variant_dict_lookup_value(&dict, "host-port", NULL);
    g_autoptr(GVariant) guest = g_variant_dict_lookup_value(&dict, "guest-port", NULL);
    if (host == NULL || guest == NULL)
        return;
    g_autofree char *host_text = g_variant_print(host, FALSE);
    g_autofree char *guest_text = g_variant_print(guest, FALSE);
    g_autofree char *text = g_strdup_printf("%s:%s -> %s/%s", address, host_text, guest_text, protocol);
    line(_("Port"), text, "");
}

static void network_lines(GVariant *network)
{
    const char *mode = "", *bridge = "";
    g_variant_lookup(network, "mode", "&s", &mode);
    g_variant_lookup(network, "bridge", "&s", &bridge);
    g_autofree char *text = bridge[0] != '\0' ? g_strdup_printf("%s %s", mode, bridge) : g_strdup(mode);
    line(_("Network"), text, "");

    g_autoptr(GVariant) ports = g_variant_lookup_value(network, "ports", G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; ports != NULL && i < g_variant_n_children(ports); i++) {
        g_autoptr(GVariant) port = g_variant_get_child_value(ports, i);
        port_line(port);
    }
}

static void disk_line(GVariant *disk)
{
    const char *format = "", *bus = "";
    guint64 size = 0;
    g_variant_lookup(disk, "format", "&s", &format);
    g_variant_lookup(disk, "bus", "&s", &bus);
    g_variant_lookup(disk, "size", "t", &size);
    g_autofree char *bytes = size != 0 ? ctl_format_bytes(size) : g_strdup(_("as large as the image"));
    g_autofree char *text = g_strdup_printf("%s, %s, %s", bytes, format, bus);
    line(_("Disk"), text, "");
}

static void for_each_of(GVariant *config, const char *key, void (*print)(GVariant *item))
{
    g_autoptr(GVariant) items = g_variant_lookup_value(config, key, G_VARIANT_TYPE("aa{sv}"));
    for (gsize i = 0; items != NULL && i < g_variant_n_children(items); i++) {
        g_autoptr(GVariant) item = g_variant_get_child_value(items, i);
        print(item);
    }
}

static void config_lines(const CtlObject *vm)
{
    g_autoptr(GVariant) config = g_variant_lookup_value(vm->properties, "Config", G_VARIANT_TYPE_VARDICT);
    if (config == NULL)
        return;
    for_each_of(config, "disks", disk_line);
    for_each_of(config, "networks", network_lines);
    const char *restart = "";
    g_variant_lookup(config, "restart", "&s", &restart);
    g_autofree char *text =
        g_strdup_printf(ngettext("%s (%u restart)", "%s (%u restarts)", (gulong) ctl_get_number(vm, "NRestarts")),
                        restart, (guint) ctl_get_number(vm, "NRestarts"));
    line(_("Restart"), restart[0] != '\0' ? text : "", "");
}

static void title(const CtlObject *vm)
{
    g_autoptr(GVariant) config = g_variant_lookup_value(vm->properties, "Config", G_VARIANT_TYPE_VARDICT);
    const char *description = "";
    if (config != NULL)
        g_variant_lookup(config, "description", "&s", &description);
    const char *colour = ctl_colour_of_state(ctl_get_string(vm, "State"));
    g_autofree char *name = ctl_printable(vm->name);
    g_autofree char *printable = ctl_printable(description);
    printf("%s●%s %s%s%s\n", colour, ctl_colour_end(colour), name, printable[0] != '\0' ? " - " : "", printable);
}

/* One from before the range was changed is the VM's for its whole life, and to be seen. */
static void cid_line(const CtlObject *vm, const CtlObject *manager)
{
    const guint64 cid = ctl_get_number(vm, "CID");
    const guint64 first = manager ? ctl_get_number(manager, "CIDFirst") : 0;
    const guint64 last = manager ? ctl_get_number(manager, "CIDLast") : 0;
    const gboolean is_outside = cid != 0 && last != 0 && (cid < first || cid > last);
    if (!is_outside) {
        number_line(_("CID"), cid);
        return;
    }
    g_autofree char *text = g_strdup_printf(_("%u (outside of %u to %u, which berth.conf allows)"), (guint) cid,
                                            (guint) first, (guint) last);
    line(_("CID"), text, "");
}

/* @manager: (nullable) */
static void print_vm(const CtlObject *vm, const CtlObject *manager)
{
    g_autofree char *memory = ctl_format_bytes(ctl_get_number(vm, "MemoryBytes"));
    title(vm);
    state_line(vm);
    removal_line(vm);
    next_start_line(vm);
    line(_("Id"), ctl_get_string(vm, "Id"), "");
    line(_("Image"), ctl_get_string(vm, "Image"), "");
    number_line(_("VCPUs"), ctl_get_number(vm, "VCPUs"));
    line(_("Memory"), memory, "");
    config_lines(vm);
    cid_line(vm, manager);
    line(_("Unit"), ctl_get_string(vm, "Unit"), "");
    number_line(_("PID"), ctl_get_number(vm, "PID"));
    guest_lines(vm);
    exit_line(vm);
    line(_("Last error"), ctl_get_error(vm), ctl_colour_error());
}

CtlStatus ctl_run_status(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(GStrv) names = ctl_parse(ctl, command, NULL, 1, CTL_ANY, argc, argv);
    if (names == NULL)
        return CTL_USAGE;
    CtlStatus status = ctl_connect(ctl, FALSE);
    if (status != CTL_OK)
        return status;

    g_auto(sd_bus_error) unimportant = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObject) manager = NULL;
    if (!ctl->json)
        (void) ctl_read_object(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, &manager, &unimportant);
    g_autoptr(GPtrArray) vms = g_ptr_array_new_with_free_func((GDestroyNotify) ctl_object_free);
    for (char **name = names; *name != NULL; name++) {
        g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
        CtlObject *vm = NULL;
        int r = ctl_read_vm(ctl, *name, &vm, &error);
        if (r < 0) {
            ctl_collect(&status, ctl_fail(ctl, r, &error, _("Can't show %s"), *name));
            continue;
        }
        if (!ctl->json)
            printf("%s", vms->len > 0 ? "\n" : "");
        if (!ctl->json)
            print_vm(vm, manager);
        g_ptr_array_add(vms, vm);
    }
    if (ctl->json)
        ctl_print_json(g_strv_length(names) == 1 && vms->len == 1 ? ctl_object_to_json(vms->pdata[0])
                                                                  : ctl_objects_to_json(vms),
                       TRUE);
    return status;
}
