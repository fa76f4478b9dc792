/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "polkit.h"

#include <unistd.h>

#include "../core/error.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_IFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_INTERACTION 1u /* of CheckAuthorizationFlags */

#define TIMEOUT_USEC (25 * G_USEC_PER_SEC)              /* sd-bus's own default */
#define TIMEOUT_INTERACTIVE_USEC (300 * G_USEC_PER_SEC) /* somebody has to find and type a password */

struct BerthPolkit {
    BerthBusLink *link;
    gboolean always;
    guint64 last_check; /* makes cancellation ids, which polkit keeps per connection */
};

struct BerthPolkitCheck {
    sd_bus *bus;
    sd_bus_slot *slot; /* the question under way; NULL once answered */
    char *sender;
    uid_t uid;    /* the sender's, once the bus has told it */
    char *action; /* NULL: nothing has to be granted */
    char **details;
    gboolean interactive;
    guint64 number;
    char *cancellation_id; /* NULL until polkit is asked */
    BerthPolkitDone done;
    gpointer data;
};

static const char *vm_of(const BerthPolkitCheck *check)
{
    for (char **pair = check->details; pair && pair[0]; pair += 2)
        if (g_str_equal(pair[0], "vm"))
            return pair[1];
    return NULL;
}

static void allow(BerthPolkitCheck *check)
{
    g_clear_pointer(&check->slot, sd_bus_slot_unref);
    check->done(NULL, check->data);
}

/* Like allow(), it comes last: the caller's callback may free @check. */
static void deny(BerthPolkitCheck *check, const char *why)
{
    g_clear_pointer(&check->slot, sd_bus_slot_unref);
    const char *vm = vm_of(check);
    g_autoptr(GError) error =
        g_error_new(BERTH_ERROR, BERTH_ERROR_ACCESS_DENIED, "Access denied: %s needs authorization%s%s%s; %s",
                    check->action ? check->action : "the call", vm ? " for “" : "", vm ? vm : "", vm ? "”" : "", why);
    check->done(error, check->data);
}

/* sd-bus answers a call that takes too long for us; polkit's dialog would stay on the screen. */
static void cancel_question(BerthPolkitCheck *check)
{
    if (check->cancellation_id)
        (void) sd_bus_call_method_async(check->bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_IFACE,
                                        "CancelCheckAuthorization", NULL, NULL, "s", check->cancellation_id);
}

static void deny_for_error(BerthPolkitCheck *check, const sd_bus_error *error)
{
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_SERVICE_UNKNOWN, SD_BUS_ERROR_NAME_HAS_NO_OWNER)) {
        deny(check, "polkit, which could grant it, is not there");
        return;
    }
    if (sd_bus_error_has_names(error, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT, "System.Error.ETIMEDOUT"))
        cancel_question(check);
    g_autofree char *why =
        g_strdup_printf("polkit did not grant it: %s", error->message ? error->message : error->name);
    deny(check, why);
}

static int on_authorization(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthPolkitCheck *check = data;
    int is_authorized = FALSE, is_challenge = FALSE;
    if (sd_bus_message_is_method_error(reply, NULL))
        deny_for_error(check, sd_bus_message_get_error(reply));
    else if (sd_bus_message_enter_container(reply, 'r', "bba{ss}") <= 0 ||
             sd_bus_message_read(reply, "bb", &is_authorized, &is_challenge) <= 0)
        deny(check, "polkit's answer makes no sense");
    else if (is_authorized)
        allow(check);
    else if (is_challenge && !check->interactive)
        deny(check, "it could be given interactively, but the call does not allow that");
    else
        deny(check, "polkit does not grant it");
    return 0;
}

static int append_details(sd_bus_message *message, char *const *details)
{
    int r = sd_bus_message_open_container(message, 'a', "{ss}");
    for (; r >= 0 && details && details[0]; details += 2)
        r = sd_bus_message_append(message, "{ss}", details[0], details[1]);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int fill_question(sd_bus_message *message, const BerthPolkitCheck *check)
{
    int r =
        sd_bus_message_append(message, "(sa{sv})s", "system-bus-name", 1, "name", "s", check->sender, check->action);
    if (r >= 0)
        r = append_details(message, check->details);
    return r < 0 ? r
                 : sd_bus_message_append(message, "us", check->interactive ? POLKIT_ALLOW_INTERACTION : 0u,
                                         check->cancellation_id);
}

static void ask_polkit(BerthPolkitCheck *check)
{
    check->cancellation_id = g_strdup_printf("berth-%" G_GUINT64_FORMAT, check->number);
    sd_bus_message *message = NULL;
    int r = sd_bus_message_new_method_call(check->bus, &message, POLKIT_NAME, POLKIT_PATH, POLKIT_IFACE,
                                           "CheckAuthorization");
    if (r >= 0)
        r = fill_question(message, check);
    if (r >= 0)
        r = sd_bus_call_async(check->bus, &check->slot, message, on_authorization, check,
                              check->interactive ? TIMEOUT_INTERACTIVE_USEC : TIMEOUT_USEC);
    sd_bus_message_unref(message);
    if (r < 0)
        deny(check, "polkit can't be asked");
}

/* The bus itself says who the sender is, asked as a message: sd_bus_query_sender_creds() would wait for its answer. */
static int on_sender_uid(sd_bus_message *reply, void *data, sd_bus_error *ret_error)
{
    BerthPolkitCheck *check = data;
    uint32_t uid;
    g_clear_pointer(&check->slot, sd_bus_slot_unref);
    if (sd_bus_message_is_method_error(reply, NULL) || sd_bus_message_read(reply, "u", &uid) <= 0)
        deny(check, "the bus does not tell who asks");
    else if ((check->uid = uid) == 0 || uid == geteuid() || !check->action)
        allow(check);
    else
        ask_polkit(check);
    return 0;
}

BerthPolkit *berth_polkit_new(BerthBusLink *link, gboolean always)
{
    BerthPolkit *polkit = g_new0(BerthPolkit, 1);
    polkit->link = link;
    polkit->always = always;
    return polkit;
}

void berth_polkit_free(BerthPolkit *polkit)
{
    g_free(polkit);
}

static void refuse(const char *action, const char *why, BerthPolkitDone done, gpointer data)
{
    g_autoptr(GError) error =
        g_error_new(BERTH_ERROR, BERTH_ERROR_ACCESS_DENIED, "Access denied: %s needs authorization; %s",
                    action ? action : "the call", why);
    done(error, data);
}

BerthPolkitCheck *berth_polkit_check(BerthPolkit *polkit, sd_bus_message *message, const char *action,
                                     const char *const *details, BerthPolkitDone done, gpointer data)
{
    if (polkit->always) {
        done(NULL, data);
        return NULL;
    }
    sd_bus *bus = berth_bus_link_get(polkit->link);
    const char *sender = sd_bus_message_get_sender(message);
    /* A name of an earlier connection may be somebody else's on this one. */
    if (!bus || bus != sd_bus_message_get_bus(message) || !sender) {
        refuse(action, "the connection on which it was asked is gone", done, data);
        return NULL;
    }
    BerthPolkitCheck *check = g_new0(BerthPolkitCheck, 1);
    if (sd_bus_call_method_async(bus, &check->slot, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus", "GetConnectionUnixUser", on_sender_uid, check, "s",
                                 sender) < 0) {
        g_free(check);
        refuse(action, "the bus can't be asked who calls", done, data);
        return NULL;
    }
    check->bus = sd_bus_ref(bus);
    check->sender = g_strdup(sender);
    check->action = g_strdup(action);
    check->details = g_strdupv((char **) details);
    check->interactive = sd_bus_message_get_allow_interactive_authorization(message) > 0;
    check->number = ++polkit->last_check;
    check->done = done;
    check->data = data;
    return check;
}

uid_t berth_polkit_check_uid(const BerthPolkitCheck *check)
{
    return check->uid;
}

void berth_polkit_check_free(BerthPolkitCheck **check)
{
    BerthPolkitCheck *self = g_steal_pointer(check);
    if (!self)
        return;
    if (self->slot)
        cancel_question(self);
    sd_bus_slot_unref(self->slot);
    sd_bus_unref(self->bus);
    g_strfreev(self->details);
    g_free(self->cancellation_id);
    g_free(self->sender);
    g_free(self->action);
    g_free(self);
}
