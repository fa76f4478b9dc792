/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-service.h"

#include <string.h>

/* What is said of one method. Shared by both threads, under the service's lock. */
typedef struct {
    guint count;
    gboolean held;
    GQueue waiting; /* (element-type Held) */
    char *error_name;
    guint n_errors;
    guint delay_msec;
} Rule;

typedef struct {
    GSourceFunc func;
    gpointer data;
    GDestroyNotify free_data;
} Held;

typedef struct {
    FakeService *service;
    char *method;
    GVariant *parameters;
    GDBusMethodInvocation *invocation;
} Call;

typedef struct {
    void (*func)(gpointer data);
    gpointer data;
    gboolean done;
    FakeService *service;
} Errand;

typedef struct {
    FakeService *service;
    FakeServiceGet get;
    gpointer data;
} Exported;

struct FakeService {
    const FakeServiceKind *kind;
    gpointer data;
    char *address;
    GThread *thread;
    GMainContext *context;
    GMainLoop *loop;
    GDBusConnection *connection; /* the thread's; NULL while vanished */
    GMutex lock;                 /* over rules and errands */
    GCond errand_done;
    GHashTable *rules;   /* (element-type utf8 Rule) */
    GPtrArray *exported; /* (element-type Exported): kept, since GDBus would free them by a loop that has ended */
};

static void held_free(gpointer data)
{
    Held *held = data;
    if (held->free_data)
        held->free_data(held->data);
    g_free(held);
}

static void rule_free(gpointer data)
{
    Rule *rule = data;
    g_queue_clear_full(&rule->waiting, held_free);
    g_free(rule->error_name);
    g_free(rule);
}

static Rule *rule_of(FakeService *service, const char *method)
{
    Rule *rule = g_hash_table_lookup(service->rules, method);
    if (!rule) {
        rule = g_new0(Rule, 1);
        g_queue_init(&rule->waiting);
        g_hash_table_insert(service->rules, g_strdup(method), rule);
    }
    return rule;
}

void fake_service_hold(FakeService *service, const char *method)
{
    g_mutex_lock(&service->lock);
    rule_of(service, method)->held = TRUE;
    g_mutex_unlock(&service->lock);
}

void fake_service_release(FakeService *service, const char *method)
{
    g_mutex_lock(&service->lock);
    Rule *rule = rule_of(service, method);
    rule->held = FALSE;
    for (Held *held; (held = g_queue_pop_head(&rule->waiting)); g_free(held))
        g_main_context_invoke_full(service->context, G_PRIORITY_DEFAULT, held->func, held->data, held->free_data);
    g_mutex_unlock(&service->lock);
}

void fake_service_fail(FakeService *service, const char *method, const char *error_name, guint times)
{
    g_mutex_lock(&service->lock);
    Rule *rule = rule_of(service, method);
    g_free(rule->error_name);
    rule->error_name = g_strdup(error_name);
    rule->n_errors = times;
    g_mutex_unlock(&service->lock);
}

void fake_service_delay(FakeService *service, const char *method, guint msec)
{
    g_mutex_lock(&service->lock);
    rule_of(service, method)->delay_msec = msec;
    g_mutex_unlock(&service->lock);
}

guint fake_service_count(FakeService *service, const char *method)
{
    g_mutex_lock(&service->lock);
    guint count = rule_of(service, method)->count;
    g_mutex_unlock(&service->lock);
    return count;
}

gboolean fake_service_holds(FakeService *service, const char *member, GSourceFunc later, gpointer data,
                            GDestroyNotify free_data)
{
    g_mutex_lock(&service->lock);
    Rule *rule = rule_of(service, member);
    rule->count++;
    gboolean held = rule->held;
    if (held) {
        Held *entry = g_new(Held, 1);
        *entry = (Held){later, data, free_data};
        g_queue_push_tail(&rule->waiting, entry);
    }
    g_mutex_unlock(&service->lock);
    g_main_context_wakeup(NULL);
    return held;
}

static void call_free(gpointer data)
{
    Call *call = data;
    g_clear_object(&call->invocation); /* never answered: the fake goes */
    g_variant_unref(call->parameters);
    g_free(call->method);
    g_free(call);
}

/* What the rule has instead of the fake's own answer. */
static char *take_error(FakeService *service, const char *method)
{
    char *error_name = NULL;
    g_mutex_lock(&service->lock);
    Rule *rule = rule_of(service, method);
    if (rule->n_errors > 0) {
        rule->n_errors--;
        error_name = g_strdup(rule->error_name);
    }
    g_mutex_unlock(&service->lock);
    return error_name;
}

static gboolean answer_call(gpointer data)
{
    Call *call = data;
    g_autofree char *error_name = take_error(call->service, call->method);
    GDBusMethodInvocation *invocation = g_steal_pointer(&call->invocation);
    if (error_name)
        g_dbus_method_invocation_return_dbus_error(invocation, error_name, "the fake was told to fail");
    else
        call->service->kind->call(call->service, call->method, call->parameters, invocation, call->service->data);
    return G_SOURCE_REMOVE;
}

static void answer_call_later(Call *call, guint msec)
{
    GSource *source = g_timeout_source_new(msec);
    g_source_set_callback(source, answer_call, call, call_free);
    g_source_attach(source, call->service->context);
    g_source_unref(source);
}

static void on_method_call(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                           const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
    FakeService *service = ((Exported *) data)->service;
    Call *call = g_new0(Call, 1);
    *call = (Call){service, g_strdup(method), g_variant_ref(parameters), invocation};
    if (fake_service_holds(service, method, answer_call, call, call_free))
        return;
    g_mutex_lock(&service->lock);
    guint delay_msec = rule_of(service, method)->delay_msec;
    g_mutex_unlock(&service->lock);
    if (delay_msec > 0) {
        answer_call_later(call, delay_msec);
        return;
    }
    answer_call(call);
    call_free(call);
}

static GVariant *on_get_property(GDBusConnection *connection, const char *sender, const char *path,
                                 const char *interface, const char *property, GError **error, gpointer data)
{
    Exported *exported = data;
    return exported->get(property, exported->data);
}

guint fake_service_export(FakeService *service, const char *path, GDBusInterfaceInfo *interface, FakeServiceGet get,
                          gpointer data)
{
    const GDBusInterfaceVTable vtable = {.method_call = on_method_call, .get_property = on_get_property};
    /* It carries out what it was called for before it vanished; what comes of that is there when it has come back. */
    if (!service->connection)
        return 0;
    Exported *exported = g_new(Exported, 1);
    *exported = (Exported){service, get, data};
    g_ptr_array_add(service->exported, exported);
    g_autoptr(GError) error = NULL;
    guint id = g_dbus_connection_register_object(service->connection, path, interface, &vtable, exported, NULL, &error);
    g_assert_no_error(error);
    return id;
}

void fake_service_unexport(FakeService *service, guint id)
{
    if (service->connection)
        g_dbus_connection_unregister_object(service->connection, id);
}

void fake_service_emit(FakeService *service, const char *path, const char *interface, const char *signal,
                       GVariant *parameters)
{
    g_autoptr(GVariant) owned = g_variant_ref_sink(parameters);
    if (service->connection) /* an error means that the bus is away: then nobody listens */
        (void) g_dbus_connection_emit_signal(service->connection, NULL, path, interface, signal, owned, NULL);
}

gboolean fake_service_is_connected(FakeService *service)
{
    return service->connection != NULL;
}

GMainContext *fake_service_context(FakeService *service)
{
    return service->context;
}

static void own_name(FakeService *service)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_sync(
        service->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
        g_variant_new("(su)", service->kind->bus_name, 4 /* do not queue */), G_VARIANT_TYPE("(u)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_no_error(error);
    guint result;
    g_variant_get(answer, "(u)", &result);
    g_assert_cmpuint(result, ==, 1); /* primary owner */
}

/* The objects are there before the name is: whoever sees the name may call. */
static void connect_to_bus(gpointer data)
{
    FakeService *service = data;
    g_autoptr(GError) error = NULL;
    g_assert_null(service->connection);
    service->connection = g_dbus_connection_new_for_address_sync(service->address,
                                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                                     G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                                                 NULL, NULL, &error);
    g_assert_no_error(error);
    g_dbus_connection_set_exit_on_close(service->connection, FALSE);
    service->kind->connected(service, service->data);
    own_name(service);
}

static void leave_bus(gpointer data)
{
    FakeService *service = data;
    if (!service->connection)
        return;
    /* What was answered has been answered. */
    (void) g_dbus_connection_flush_sync(service->connection, NULL, NULL);
    (void) g_dbus_connection_close_sync(service->connection, NULL, NULL); /* the bus may be gone already */
    g_clear_object(&service->connection);
}

static gboolean run_errand(gpointer data)
{
    Errand *errand = data;
    errand->func(errand->data);
    g_mutex_lock(&errand->service->lock);
    errand->done = TRUE;
    g_cond_broadcast(&errand->service->errand_done);
    g_mutex_unlock(&errand->service->lock);
    return G_SOURCE_REMOVE;
}

void fake_service_run(FakeService *service, void (*func)(gpointer data), gpointer data)
{
    Errand errand = {.func = func, .data = data, .service = service};
    GSource *source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_HIGH);
    g_source_set_callback(source, run_errand, &errand, NULL);
    g_source_attach(source, service->context);
    g_source_unref(source);
    g_mutex_lock(&service->lock);
    while (!errand.done)
        g_cond_wait(&service->errand_done, &service->lock);
    g_mutex_unlock(&service->lock);
}

void fake_service_vanish(FakeService *service)
{
    fake_service_run(service, leave_bus, service);
}

void fake_service_come_back(FakeService *service)
{
    fake_service_run(service, connect_to_bus, service);
}

static gpointer service_thread(gpointer data)
{
    FakeService *service = data;
    g_main_context_push_thread_default(service->context);
    g_main_loop_run(service->loop);
    g_main_context_pop_thread_default(service->context);
    return NULL;
}

FakeService *fake_service_new(const FakeServiceKind *kind, const char *address, gpointer data)
{
    FakeService *service = g_new0(FakeService, 1);
    service->kind = kind;
    service->data = data;
    service->address = g_strdup(address);
    service->context = g_main_context_new();
    service->loop = g_main_loop_new(service->context, FALSE);
    service->rules = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, rule_free);
    service->exported = g_ptr_array_new_with_free_func(g_free);
    g_mutex_init(&service->lock);
    g_cond_init(&service->errand_done);
    service->thread = g_thread_new(kind->bus_name, service_thread, service);
    return service;
}

static void quit_loop(gpointer data)
{
    g_main_loop_quit(data);
}

void fake_service_free(FakeService *service)
{
    fake_service_vanish(service);
    fake_service_run(service, quit_loop, service->loop);
    g_thread_join(service->thread);
    g_hash_table_unref(service->rules);
    g_ptr_array_unref(service->exported);
    g_main_loop_unref(service->loop);
    g_main_context_unref(service->context);
    g_mutex_clear(&service->lock);
    g_cond_clear(&service->errand_done);
    g_free(service->address);
    g_free(service);
}
