/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-systemd.h"

#include <fnmatch.h>

#include "fake-systemd-private.h"
#include "tests/lib/test-cgroup.h"

static const char xml[] =
    "<node>"
    " <interface name='org.freedesktop.systemd1.Manager'>"
    "  <method name='Subscribe'/>"
    "  <method name='Unsubscribe'/>"
    "  <method name='StartTransientUnit'>"
    "   <arg type='s' direction='in'/><arg type='s' direction='in'/>"
    "   <arg type='a(sv)' direction='in'/><arg type='a(sa(sv))' direction='in'/><arg type='o' direction='out'/>"
    "  </method>"
    "  <method name='StopUnit'>"
    "   <arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='o' direction='out'/>"
    "  </method>"
    "  <method name='KillUnit'>"
    "   <arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='i' direction='in'/>"
    "  </method>"
    "  <method name='ResetFailedUnit'><arg type='s' direction='in'/></method>"
    "  <method name='GetUnit'><arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
    "  <method name='LoadUnit'><arg type='s' direction='in'/><arg type='o' direction='out'/></method>"
    "  <method name='ListUnitsByPatterns'>"
    "   <arg type='as' direction='in'/><arg type='as' direction='in'/>"
    "   <arg type='a(ssssssouso)' direction='out'/>"
    "  </method>"
    "  <signal name='JobNew'><arg type='u'/><arg type='o'/><arg type='s'/></signal>"
    "  <signal name='JobRemoved'><arg type='u'/><arg type='o'/><arg type='s'/><arg type='s'/></signal>"
    "  <signal name='UnitNew'><arg type='s'/><arg type='o'/></signal>"
    "  <signal name='UnitRemoved'><arg type='s'/><arg type='o'/></signal>"
    " </interface>"
    " <interface name='org.freedesktop.systemd1.Unit'>"
    "  <property name='Id' type='s' access='read'/>"
    "  <property name='Description' type='s' access='read'/>"
    "  <property name='LoadState' type='s' access='read'/>"
    "  <property name='ActiveState' type='s' access='read'/>"
    "  <property name='SubState' type='s' access='read'/>"
    " </interface>"
    " <interface name='org.freedesktop.systemd1.Scope'>"
    "  <property name='ControlGroup' type='s' access='read'/>"
    "  <property name='Result' type='s' access='read'/>"
    " </interface>"
    "</node>";

/* The properties that a scope may be started with in systemd 252, beside PIDFDs. */
static const char *const known_properties[] = {
    "After",       "Before",      "BindsTo",  "CPUQuotaPerSecUSec", "CPUWeight",       "CollectMode", "Delegate",
    "Description", "IOWeight",    "KillMode", "KillSignal",         "MemoryHigh",      "MemoryMax",   "OOMPolicy",
    "PIDs",        "SendSIGKILL", "Slice",    "TasksMax",           "TimeoutStopUSec", NULL,
};

/* (transfer full) (nullable): the name of a property that this systemd refuses */
static char *refused_property(FakeSystemd *fake, GVariant *properties)
{
    GVariantIter iter;
    const char *property;
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_next(&iter, "(&sv)", &property, NULL)) {
        gboolean is_pidfds = g_str_equal(property, "PIDFDs");
        if (is_pidfds ? !(fake->flags & FAKE_SYSTEMD_PIDFDS) : !g_strv_contains(known_properties, property))
            return g_strdup(property);
    }
    return NULL;
}

static void reply_job(GDBusMethodInvocation *invocation, guint32 id)
{
    g_autofree char *path = fake_job_path(id);
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", path));
}

static void start_transient_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *name, *mode;
    g_autoptr(GVariant) properties = NULL;
    g_variant_get(parameters, "(&s&s@a(sv)@a(sa(sv)))", &name, &mode, &properties, NULL);
    g_hash_table_insert(fake->properties, g_strdup(name), g_variant_ref(properties));
    g_autofree char *refused = refused_property(fake, properties);
    if (g_hash_table_contains(fake->units, name)) {
        g_dbus_method_invocation_return_dbus_error(invocation, NAME ".UnitExists",
                                                   "Unit was already loaded or has a fragment file.");
        return;
    }
    if (refused) {
        g_autofree char *text = g_strdup_printf("Cannot set property %s, or unknown property.", refused);
        g_dbus_method_invocation_return_dbus_error(invocation, "org.freedesktop.DBus.Error.PropertyReadOnly", text);
        return;
    }
    guint32 job = ++fake->last_job;
    FakeUnit *unit = fake_unit_start(fake, name, properties, g_dbus_method_invocation_get_message(invocation));
    if (!(fake->flags & FAKE_SYSTEMD_EARLY_JOBS))
        reply_job(invocation, job);
    if (fake->flags & FAKE_SYSTEMD_LOSE_SCOPES)
        fake_unit_lose(unit);
    fake_job_end(fake, job, name);
    if (fake->flags & FAKE_SYSTEMD_EARLY_JOBS)
        reply_job(invocation, job);
}

static void return_no_such_unit(GDBusMethodInvocation *invocation, const char *name)
{
    g_autofree char *text = g_strdup_printf("Unit %s not loaded.", name);
    g_dbus_method_invocation_return_dbus_error(invocation, NAME ".NoSuchUnit", text);
}

/* (nullable): the unit named first in @parameters; else the call is answered. */
static FakeUnit *find_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *name;
    g_variant_get_child(parameters, 0, "&s", &name);
    FakeUnit *unit = g_hash_table_lookup(fake->units, name);
    if (!unit)
        return_no_such_unit(invocation, name);
    return unit;
}

static void stop_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    FakeUnit *unit = find_unit(fake, parameters, invocation);
    if (!unit)
        return;
    guint32 job = unit->stop_job > 0 ? unit->stop_job : ++fake->last_job; /* the same job is merged */
    reply_job(invocation, job);
    if (unit->stop_job == 0)
        fake_unit_stop(unit, job);
}

/* the other methods */

static void kill_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    const char *whom;
    gint32 number;
    FakeUnit *unit = find_unit(fake, parameters, invocation);
    if (!unit)
        return;
    g_variant_get(parameters, "(&s&si)", NULL, &whom, &number);
    if (!g_str_equal(whom, "all")) {
        g_dbus_method_invocation_return_dbus_error(invocation, NAME ".NoSuchProcess", "Scopes have no main process.");
        return;
    }
    if (!(fake->flags & FAKE_SYSTEMD_SPARES))
        test_cgroup_signal(unit->cgroup, number);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void reset_failed_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    FakeUnit *unit = find_unit(fake, parameters, invocation);
    if (!unit)
        return;
    if (g_str_equal(unit->active_state, "failed"))
        fake_unit_unload(unit);
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void get_unit(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    FakeUnit *unit = find_unit(fake, parameters, invocation);
    if (unit)
        g_dbus_method_invocation_return_value(invocation, g_variant_new("(o)", unit->path));
}

static gboolean matches(const FakeUnit *unit, char **states, char **patterns)
{
    if (states[0] && !g_strv_contains((const char *const *) states, unit->active_state))
        return FALSE;
    for (; *patterns; patterns++)
        if (fnmatch(*patterns, unit->name, FNM_NOESCAPE) == 0)
            return TRUE;
    return FALSE;
}

static void list_units(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    g_auto(GStrv) states = NULL;
    g_auto(GStrv) patterns = NULL;
    g_variant_get(parameters, "(^as^as)", &states, &patterns);
    GVariantBuilder list;
    g_variant_builder_init(&list, G_VARIANT_TYPE("a(ssssssouso)"));
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, fake->units);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const FakeUnit *unit = value;
        if (matches(unit, states, patterns))
            g_variant_builder_add(&list, "(ssssssouso)", unit->name, unit->description, "loaded", unit->active_state,
                                  "running", "", unit->path, 0u, "", "/");
    }
    g_dbus_method_invocation_return_value(invocation, g_variant_new("(a(ssssssouso))", &list));
}

static void subscribe(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation)
{
    g_dbus_method_invocation_return_value(invocation, NULL);
}

static void on_call(FakeService *service, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                    gpointer data)
{
    static const struct {
        const char *method;
        void (*func)(FakeSystemd *fake, GVariant *parameters, GDBusMethodInvocation *invocation);
    } table[] = {
        {"Subscribe", subscribe}, {"Unsubscribe", subscribe}, {"StartTransientUnit", start_transient_unit},
        {"StopUnit", stop_unit},  {"KillUnit", kill_unit},    {"ResetFailedUnit", reset_failed_unit},
        {"GetUnit", get_unit},    {"LoadUnit", get_unit},     {"ListUnitsByPatterns", list_units},
    };
    for (guint i = 0; i < G_N_ELEMENTS(table); i++)
        if (g_str_equal(table[i].method, method)) {
            table[i].func(data, parameters, invocation);
            return;
        }
    g_assert_not_reached();
}

static void on_connected(FakeService *service, gpointer data)
{
    FakeSystemd *fake = data;
    fake_service_export(service, PATH, g_dbus_node_info_lookup_interface(fake->node, MANAGER), NULL, fake);
    GHashTableIter iter;
    gpointer unit;
    g_hash_table_iter_init(&iter, fake->units);
    while (g_hash_table_iter_next(&iter, NULL, &unit))
        fake_unit_export(unit);
}

FakeSystemd *fake_systemd_new(const char *address, const char *cgroup)
{
    static const FakeServiceKind kind = {.bus_name = NAME, .connected = on_connected, .call = on_call};
    FakeSystemd *fake = g_new0(FakeSystemd, 1);
    fake->cgroup = g_strdup(cgroup);
    fake->job_result = g_strdup("done");
    fake->units = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, fake_unit_free);
    fake->properties = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
    g_autoptr(GError) error = NULL;
    fake->node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    fake->service = fake_service_new(&kind, address, fake);
    fake_service_come_back(fake->service);
    return fake;
}

static void drop_units(gpointer data)
{
    FakeSystemd *fake = data;
    g_hash_table_remove_all(fake->units);
}

void fake_systemd_free(FakeSystemd *fake)
{
    fake_service_run(fake->service, drop_units, fake);
    fake_service_free(fake->service);
    g_hash_table_unref(fake->units);
    g_hash_table_unref(fake->properties);
    g_dbus_node_info_unref(fake->node);
    g_free(fake->job_result);
    g_free(fake->cgroup);
    g_free(fake);
}

FakeService *fake_systemd_service(FakeSystemd *fake)
{
    return fake->service;
}

/* For the test: what it asks or wants is done in the service's thread. */

typedef struct {
    FakeSystemd *fake;
    const char *name;
    const char *word;
    FakeSystemdFlags flags;
    gboolean yes;
    GVariant *parameters;
    GVariant *variant;
    char *answer;
    guint number;
} Order;

static void do_set_flags(gpointer data)
{
    Order *order = data;
    order->fake->flags = order->flags;
}

void fake_systemd_set_flags(FakeSystemd *fake, FakeSystemdFlags flags)
{
    Order order = {.fake = fake, .flags = flags};
    fake_service_run(fake->service, do_set_flags, &order);
}

static void do_set_job_result(gpointer data)
{
    Order *order = data;
    g_free(order->fake->job_result);
    order->fake->job_result = g_strdup(order->word);
}

void fake_systemd_set_job_result(FakeSystemd *fake, const char *result)
{
    Order order = {.fake = fake, .word = result};
    fake_service_run(fake->service, do_set_job_result, &order);
}

static void do_send_unit_removed(gpointer data)
{
    Order *order = data;
    g_autofree char *path = fake_unit_path(order->name);
    fake_systemd_emit(order->fake, "UnitRemoved", g_variant_new("(so)", order->name, path));
    if (order->yes)
        fake_systemd_emit(order->fake, "UnitNew", g_variant_new("(so)", order->name, path));
}

void fake_systemd_send_unit_removed(FakeSystemd *fake, const char *unit, gboolean with_unit_new)
{
    Order order = {.fake = fake, .name = unit, .yes = with_unit_new};
    fake_service_run(fake->service, do_send_unit_removed, &order);
}

static void do_send(gpointer data)
{
    Order *order = data;
    fake_systemd_emit(order->fake, order->word, order->parameters);
}

void fake_systemd_send(FakeSystemd *fake, const char *signal, GVariant *parameters)
{
    Order order = {.fake = fake, .word = signal, .parameters = parameters};
    fake_service_run(fake->service, do_send, &order);
}

static void do_add_failed(gpointer data)
{
    Order *order = data;
    FakeUnit *unit = fake_unit_new(order->fake, order->name, "machine.slice", order->name);
    fake_unit_set_state(unit, "failed");
}

void fake_systemd_add_failed(FakeSystemd *fake, const char *unit)
{
    Order order = {.fake = fake, .name = unit};
    fake_service_run(fake->service, do_add_failed, &order);
}

static void do_forget(gpointer data)
{
    Order *order = data;
    g_hash_table_remove(order->fake->units, order->name);
}

void fake_systemd_forget(FakeSystemd *fake, const char *unit)
{
    Order order = {.fake = fake, .name = unit};
    fake_service_run(fake->service, do_forget, &order);
}

static void do_state(gpointer data)
{
    Order *order = data;
    const FakeUnit *unit = g_hash_table_lookup(order->fake->units, order->name);
    order->answer = unit ? g_strdup(unit->active_state) : NULL;
}

char *fake_systemd_state(FakeSystemd *fake, const char *unit)
{
    Order order = {.fake = fake, .name = unit};
    fake_service_run(fake->service, do_state, &order);
    return order.answer;
}

char *fake_systemd_cgroup(FakeSystemd *fake, const char *unit)
{
    return g_build_filename(fake->cgroup, "machine.slice", unit, NULL);
}

static void do_properties(gpointer data)
{
    Order *order = data;
    GVariant *properties = g_hash_table_lookup(order->fake->properties, order->name);
    order->variant = properties ? g_variant_ref(properties) : NULL;
}

GVariant *fake_systemd_properties(FakeSystemd *fake, const char *unit)
{
    Order order = {.fake = fake, .name = unit};
    fake_service_run(fake->service, do_properties, &order);
    return order.variant;
}

static void do_n_units(gpointer data)
{
    Order *order = data;
    order->number = g_hash_table_size(order->fake->units);
}

guint fake_systemd_n_units(FakeSystemd *fake)
{
    Order order = {.fake = fake};
    fake_service_run(fake->service, do_n_units, &order);
    return order.number;
}
