/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "call.h"

#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../host/bus-source.h"
#include "../host/bus-variant.h"
#include "changes.h"

typedef struct {
    BerthBus *bus;
    sd_bus_message *message;
    BerthPolkitCheck *check;
    BerthCallFunc func;
} Call;

static void call_free(Call *call)
{
    berth_polkit_check_free(&call->check);
    sd_bus_message_unref(call->message);
    g_free(call);
}

void berth_calls_forget(BerthBus *bus)
{
    g_autoptr(GError) error = berth_error_new_for_end();
    GHashTableIter iter;
    gpointer call;
    g_hash_table_iter_init(&iter, bus->calls);
    while (g_hash_table_iter_next(&iter, &call, NULL)) {
        berth_call_fail(((Call *) call)->message, error);
        g_hash_table_iter_remove(&iter);
    }
}

/* On a bus of the user's own nobody is asked about. */
static void carry_out(const Call *call)
{
    call->bus->caller = call->check ? berth_polkit_check_uid(call->check) : geteuid();
    call->func(call->bus, call->message);
}

static void authorised(const GError *error, gpointer data)
{
    Call *call = data;
    g_hash_table_steal(call->bus->calls, call);
    if (error)
        berth_call_fail(call->message, error);
    else
        carry_out(call);
    call_free(call);
}

int berth_call_authorise(BerthBus *bus, sd_bus_message *message, const char *action, const BerthVm *vm,
                         BerthCallFunc func)
{
    if (!bus->calls)
        bus->calls = g_hash_table_new_full(NULL, NULL, (GDestroyNotify) call_free, NULL);
    Call *call = g_new0(Call, 1);
    call->bus = bus;
    call->message = sd_bus_message_ref(message);
    call->func = func;
    g_hash_table_add(bus->calls, call);
    const char *const details[] = {"vm", vm ? berth_vm_name(vm) : "", "id", vm ? berth_vm_id(vm) : "", NULL};
    BerthPolkitCheck *check = berth_polkit_check(bus->polkit, message, action, vm ? details : NULL, authorised, call);
    /* NULL: answered already, and the call is gone. */
    if (check)
        call->check = check;
    return 1;
}

void berth_call_check_sent(sd_bus_message *message, int r)
{
    berth_bus_check_sent(sd_bus_message_get_bus(message), r);
}

void berth_call_reply_fd(sd_bus_message *message, int fd)
{
    /* A descriptor can't be passed where there are none left for a copy; that can be told. */
    if (sd_bus_reply_method_return(message, "h", fd) < 0)
        berth_call_fail_with(message, BERTH_ERROR_LIMIT_REACHED, "The file can't be passed on; try again");
}

void berth_call_fail(sd_bus_message *message, const GError *error)
{
    /* sd-bus sends no answer at all where the text is no UTF-8, and it may quote a name on disk, or half of one. */
    g_autofree char *text = g_utf8_make_valid(error->message, -1);
    if (sd_bus_message_get_expect_reply(message))
        berth_call_check_sent(message, sd_bus_reply_method_errorf(message, berth_error_dbus_name(error), "%s", text));
}

void berth_call_fail_with(sd_bus_message *message, BerthError code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autoptr(GError) error = g_error_new_valist(BERTH_ERROR, code, format, args);
    va_end(args);
    berth_call_fail(message, error);
}

void berth_call_succeed(sd_bus_message *message)
{
    if (sd_bus_message_get_expect_reply(message))
        berth_call_check_sent(message, sd_bus_reply_method_return(message, NULL));
}

typedef struct {
    BerthBus *bus; /* outlives the model, which answers all that it has not answered yet when it goes */
    sd_bus_message *message;
    int fd; /* -1: the answer is empty */
} Answer;

static void answer_free(gpointer data)
{
    Answer *answer = data;
    sd_bus_message_unref(answer->message);
    berth_autofd_close(&answer->fd);
    g_free(answer);
}

static void send_answer(const GError *error, gpointer data)
{
    const Answer *answer = data;
    berth_bus_announce(answer->bus);
    if (error)
        berth_call_fail(answer->message, error);
    else if (answer->fd >= 0)
        berth_call_reply_fd(answer->message, answer->fd);
    else
        berth_call_succeed(answer->message);
}

BerthReply *berth_call_reply(BerthBus *bus, sd_bus_message *message)
{
    return berth_call_reply_with_fd(bus, message, -1);
}

BerthReply *berth_call_reply_with_fd(BerthBus *bus, sd_bus_message *message, int fd)
{
    Answer *answer = g_new0(Answer, 1);
    answer->bus = bus;
    answer->message = sd_bus_message_ref(message);
    answer->fd = fd;
    return berth_reply_new(send_answer, answer, answer_free);
}

GVariant *berth_call_read(sd_bus_message *message, GError **error)
{
    GVariantBuilder builder;
    g_variant_builder_init(&builder, G_VARIANT_TYPE_TUPLE);
    sd_bus_message_rewind(message, 1);
    while (sd_bus_message_at_end(message, 1) == 0) {
        g_autoptr(GVariant) value = NULL;
        int r = berth_bus_read_variant(message, &value);
        if (r < 0) {
            g_variant_builder_clear(&builder);
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The arguments can't be read: %s",
                        g_strerror(-r));
            return NULL;
        }
        g_variant_builder_add_value(&builder, value);
    }
    return g_variant_ref_sink(g_variant_builder_end(&builder));
}

/* Options */

void berth_options_init(BerthOptions *options, GVariant *asv)
{
    g_variant_dict_init(&options->dict, asv);
    options->error = NULL;
}

/* (nullable) (transfer full) */
static GVariant *take(BerthOptions *options, const char *key, const char *type)
{
    g_autoptr(GVariant) value = g_variant_dict_lookup_value(&options->dict, key, NULL);
    if (!value)
        return NULL;
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE(type))) {
        if (!options->error)
            g_set_error(&options->error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                        "option \"%s\": must have type %s, not %s", key, type, g_variant_get_type_string(value));
        return NULL;
    }
    g_variant_dict_remove(&options->dict, key);
    return g_steal_pointer(&value);
}

gboolean berth_options_take_boolean(BerthOptions *options, const char *key)
{
    g_autoptr(GVariant) value = take(options, key, "b");
    return value ? g_variant_get_boolean(value) : FALSE;
}

guint32 berth_options_take_uint32(BerthOptions *options, const char *key)
{
    g_autoptr(GVariant) value = take(options, key, "u");
    return value ? g_variant_get_uint32(value) : 0;
}

guint64 berth_options_take_uint64(BerthOptions *options, const char *key, guint64 otherwise)
{
    g_autoptr(GVariant) value = take(options, key, "t");
    return value ? g_variant_get_uint64(value) : otherwise;
}

char *berth_options_take_string(BerthOptions *options, const char *key)
{
    g_autoptr(GVariant) value = take(options, key, "s");
    return value ? g_variant_dup_string(value, NULL) : g_strdup("");
}

int berth_options_take_handle(BerthOptions *options, const char *key)
{
    g_autoptr(GVariant) value = take(options, key, "h");
    return value ? g_variant_get_handle(value) : -1;
}

gboolean berth_options_end(BerthOptions *options, GError **error)
{
    g_autoptr(GVariant) left = g_variant_ref_sink(g_variant_dict_end(&options->dict));
    if (options->error) {
        g_propagate_error(error, g_steal_pointer(&options->error));
        return FALSE;
    }
    if (g_variant_n_children(left) > 0) {
        const char *key = NULL;
        g_variant_get_child(left, 0, "{&sv}", &key, NULL);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "option \"%s\": not known", key);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_options_none(GVariant *asv, GError **error)
{
    BerthOptions options;
    berth_options_init(&options, asv);
    return berth_options_end(&options, error);
}
