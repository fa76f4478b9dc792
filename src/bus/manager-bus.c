/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"
#include "changes.h"

#include <fcntl.h>

#include "../core/error.h"
#include "../core/names.h"
#include "../host/bus-variant.h"
#include "../host/process.h"
#include "../vm/audit.h"
#include "../vm/recovery.h"
#include "../vm/start.h"
#include "config.h"

#define GETTER(name, type, ...)                                                                                        \
    static int get_##name(sd_bus *connection, const char *path, const char *interface, const char *property,           \
                          sd_bus_message *reply, void *userdata, sd_bus_error *error)                                  \
    {                                                                                                                  \
        const BerthBus *bus = userdata;                                                                                \
        const BerthSettings *settings = berth_manager_host(bus->manager)->settings;                                    \
        return sd_bus_message_append(reply, type, settings->__VA_ARGS__);                                              \
    }

GETTER(max_vms, "u", max_vms)
GETTER(cid_first, "u", cid_first)
GETTER(cid_last, "u", cid_last)

static int get_version(sd_bus *connection, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    return sd_bus_message_append(reply, "s", BERTH_VERSION);
}

static int get_capabilities(sd_bus *connection, const char *path, const char *interface, const char *property,
                            sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
    const BerthBus *bus = userdata;
    return sd_bus_message_append_strv(reply, (char **) bus->capabilities);
}

static void reply_path(sd_bus_message *message, char *path)
{
    berth_call_check_sent(message, sd_bus_reply_method_return(message, "o", path));
    g_free(path);
}

/* Who waits for the end of something longer. */
typedef struct {
    BerthBus *bus;
    sd_bus_message *message;
    gboolean start; /* CreateVM's option */
} Caller;

static Caller *caller_new(BerthBus *bus, sd_bus_message *message)
{
    Caller *caller = g_new0(Caller, 1);
    caller->bus = bus;
    caller->message = sd_bus_message_ref(message);
    return caller;
}

static void caller_free(Caller *caller)
{
    sd_bus_message_unref(caller->message);
    g_free(caller);
}

/* CreateVM */

static void created(BerthVm *vm, const GError *error, gpointer data)
{
    Caller *caller = data;
    berth_bus_announce(caller->bus);
    if (error) {
        berth_call_fail(caller->message, error);
    } else {
        reply_path(caller->message, berth_vm_path(vm));
        /* The VM is made whether it starts or not; State and LastError tell the rest. */
        if (caller->start)
            berth_vm_start(vm, NULL, "CreateVM with \"start\"");
    }
    caller_free(caller);
}

static void run_create_vm(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) config = NULL, asv = NULL;
    const char *name = NULL;
    BerthOptions options;
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    if (!args) {
        berth_call_fail(message, error);
        return;
    }
    g_variant_get(args, "(&s@a{sv}@a{sv})", &name, &config, &asv);
    berth_options_init(&options, asv);
    gboolean start = berth_options_take_boolean(&options, "start");
    if (!berth_options_end(&options, &error)) {
        berth_call_fail(message, error);
        return;
    }
    Caller *caller = caller_new(bus, message);
    caller->start = start;
    berth_manager_create(bus->manager, name, config, start, created, caller);
}

static int method_create_vm(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    return berth_call_authorise(userdata, message, BERTH_ACTION_CREATE, NULL, run_create_vm);
}

/* Finding: open to everybody, as are the properties. */

static int method_get_vm(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    BerthBus *bus = userdata;
    const char *name = NULL;
    int r = sd_bus_message_read(message, "s", &name);
    if (r < 0)
        return r;
    const BerthVm *vm = berth_manager_find(bus->manager, name);
    if (vm)
        reply_path(message, berth_vm_path(vm));
    else
        berth_call_fail_with(message, BERTH_ERROR_NOT_FOUND, "There is no VM \"%.64s\"", name);
    return 1;
}

static int method_get_vm_by_pid(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    BerthBus *bus = userdata;
    guint32 pid = 0;
    int r = sd_bus_message_read(message, "u", &pid);
    if (r < 0)
        return r;
    g_autofree char *id = pid > 0 && pid <= G_MAXINT32 ? berth_cgroup_vm_of((pid_t) pid) : NULL;
    const BerthVm *vm = id ? berth_manager_find_by_id(bus->manager, id) : NULL;
    if (vm)
        reply_path(message, berth_vm_path(vm));
    else
        berth_call_fail_with(message, BERTH_ERROR_NOT_FOUND, "Process %u belongs to no VM", pid);
    return 1;
}

/* Reload */

static void reloaded(guint loaded, guint updated, guint removed, const GError *error, gpointer data)
{
    Caller *caller = data;
    berth_bus_announce(caller->bus);
    if (error)
        berth_call_fail(caller->message, error);
    else
        berth_call_check_sent(caller->message,
                              sd_bus_reply_method_return(caller->message, "uuu", loaded, updated, removed));
    caller_free(caller);
}

static void run_reload(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    g_autoptr(GVariant) options = args ? g_variant_get_child_value(args, 0) : NULL;
    if (!args || !berth_options_none(options, &error))
        berth_call_fail(message, error);
    else
        berth_reload(bus->manager, reloaded, caller_new(bus, message));
}

static int method_reload(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    return berth_call_authorise(userdata, message, BERTH_ACTION_RELOAD, NULL, run_reload);
}

/* Audit */

static GVariant *finding_to_variant(const BerthAuditFinding *finding)
{
    GVariantDict dict;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "Kind", "s", berth_audit_kind_to_string(finding->kind));
    g_variant_dict_insert(&dict, "Side", "s", finding->missing ? "missing" : "left-over");
    g_variant_dict_insert(&dict, "Object", "s", finding->object);
    g_variant_dict_insert(&dict, "VM", "s", finding->vm);
    g_variant_dict_insert(&dict, "Name", "s", finding->name);
    g_variant_dict_insert(&dict, "Advice", "s", finding->advice);
    return g_variant_dict_end(&dict);
}

static GVariant *findings_to_variant(const GPtrArray *findings)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < findings->len; i++)
        g_variant_builder_add_value(&builder, finding_to_variant(findings->pdata[i]));
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

static void reply_findings(sd_bus_message *message, const GPtrArray *findings)
{
    g_autoptr(GVariant) value = findings_to_variant(findings);
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_return(message, &reply);
    if (r >= 0)
        r = berth_bus_append_variant(reply, value);
    if (r >= 0)
        berth_call_check_sent(message, sd_bus_send(NULL, reply, NULL));
    else
        berth_call_fail_with(message, BERTH_ERROR_LIMIT_REACHED, "Can't tell %u findings: %s", findings->len,
                             g_strerror(-r));
    sd_bus_message_unref(reply);
}

static void audited(const GPtrArray *findings, const GError *error, gpointer data)
{
    sd_bus_message *message = data;
    if (error)
        berth_call_fail(message, error);
    else
        reply_findings(message, findings);
    sd_bus_message_unref(message);
}

static void run_audit(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    g_autoptr(GVariant) options = args ? g_variant_get_child_value(args, 0) : NULL;
    if (!args || !berth_options_none(options, &error))
        berth_call_fail(message, error);
    else
        berth_audit(bus->manager, audited, sd_bus_message_ref(message));
}

/* The same action as Reload's: it too compares what is there with what is known, and whoever may ask for the one may
 * make the daemon read its directories by the other. */
static int method_audit(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    return berth_call_authorise(userdata, message, BERTH_ACTION_RELOAD, NULL, run_audit);
}

/* ImportImage */

/* The message's descriptors go with the message: the job needs its own. -1 stays -1. */
static gboolean keep_fd(int fd, int *kept, const char *what, GError **error)
{
    *kept = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (fd < 0 || *kept >= 0)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_LIMIT_REACHED, "%s: can't keep the descriptor: %s", what,
                g_strerror(errno));
    return FALSE;
}

static BerthImportRequest *read_import(GVariant *args, GError **error)
{
    g_autoptr(GVariant) asv = NULL;
    const char *name = NULL;
    gint32 disk = -1;
    BerthOptions options;
    g_variant_get(args, "(&sh@a{sv})", &name, &disk, &asv);

    g_autoptr(BerthImportRequest) request = g_new0(BerthImportRequest, 1);
    request->disk_fd = request->kernel_fd = request->initrd_fd = -1;
    request->meta = berth_image_meta_new(name);
    berth_options_init(&options, asv);
    request->format = berth_options_take_string(&options, "format");
    request->sha256 = berth_options_take_string(&options, "sha256");
    g_free(request->meta->description);
    request->meta->description = berth_options_take_string(&options, "description");
    g_free(request->meta->version);
    request->meta->version = berth_options_take_string(&options, "version");
    g_free(request->meta->cmdline);
    request->meta->cmdline = berth_options_take_string(&options, "cmdline");
    int kernel = berth_options_take_handle(&options, "kernel");
    int initrd = berth_options_take_handle(&options, "initrd");
    if (!berth_options_end(&options, error) || !keep_fd(disk, &request->disk_fd, "disk", error) ||
        !keep_fd(kernel, &request->kernel_fd, "kernel", error) ||
        !keep_fd(initrd, &request->initrd_fd, "initrd", error))
        return NULL;
    return g_steal_pointer(&request);
}

static void run_import_image(BerthBus *bus, sd_bus_message *message)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) args = berth_call_read(message, &error);
    BerthImportRequest *request = args ? read_import(args, &error) : NULL;
    BerthJob *job = request ? berth_manager_import(bus->manager, request, &error) : NULL;
    if (job)
        reply_path(message, berth_job_path(job));
    else
        berth_call_fail(message, error);
}

static int method_import_image(sd_bus_message *message, void *userdata, sd_bus_error *bus_error)
{
    return berth_call_authorise(userdata, message, BERTH_ACTION_IMAGES, NULL, run_import_image);
}

const sd_bus_vtable berth_manager_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "s", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Capabilities", "as", get_capabilities, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("MaxVMs", "u", get_max_vms, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("CIDFirst", "u", get_cid_first, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("CIDLast", "u", get_cid_last, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_METHOD_WITH_NAMES("CreateVM", "sa{sv}a{sv}", SD_BUS_PARAM(name) SD_BUS_PARAM(config) SD_BUS_PARAM(options),
                             "o", SD_BUS_PARAM(vm), method_create_vm, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("GetVM", "s", SD_BUS_PARAM(name_or_id), "o", SD_BUS_PARAM(vm), method_get_vm,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("GetVMByPID", "u", SD_BUS_PARAM(pid), "o", SD_BUS_PARAM(vm), method_get_vm_by_pid,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Reload", "a{sv}", SD_BUS_PARAM(options), "uuu",
                             SD_BUS_PARAM(loaded) SD_BUS_PARAM(updated) SD_BUS_PARAM(removed), method_reload,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("Audit", "a{sv}", SD_BUS_PARAM(options), "aa{sv}", SD_BUS_PARAM(findings), method_audit,
                             SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD_WITH_NAMES("ImportImage", "sha{sv}", SD_BUS_PARAM(name) SD_BUS_PARAM(disk) SD_BUS_PARAM(options), "o",
                             SD_BUS_PARAM(job), method_import_image, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};
