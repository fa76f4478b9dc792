/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest.h"

#include "../core/error.h"
#include "../core/json-member.h"
#include "../core/qemu-args.h"
#include "../host/runtime-dir.h"
#include "manager.h"
#include "run.h"

#define LOOK_TIMEOUT_USEC (10 * G_USEC_PER_SEC)
/* For an emulated guest that is busy booting. */
#define ANSWER_TIMEOUT_USEC (20 * G_USEC_PER_SEC)
/* Addresses come after the agent has, and nothing tells of them: it is asked so often, in pauses that double from the first
 * on, for about a minute. Then only a client makes it be asked. */
#define ROUNDS 7u
#define PAUSE_FIRST_MSEC 1000u
/* More than a boot has to tell. */
#define NOTICES_MAX 50u
#define NOTICES_WINDOW_USEC (10 * G_USEC_PER_SEC)

struct BerthGuest {
    BerthRun *run; /* owns this */

    BerthGuestAgent *agent; /* (nullable): the guest has opened the channel */
    gboolean answers;       /* the agent, when it was last asked */
    gboolean is_silent;     /* it did not */
    guint round;            /* of asking, since the channel was opened */
    gboolean is_asking;
    guint timer;        /* source id until the next round, 0 */
    GPtrArray *waiters; /* for the round that is under way */
    GPtrArray *late;    /* for the one after it: what it will say may have been asked before they came */
    char *os;           /* (nullable) */
    GStrv addresses;    /* (nullable) */

    gboolean is_up;      /* by its service manager */
    char *manager_words; /* (nullable): its last STATUS */
    gint64 window;       /* monotonic µs: since when its notifications are counted */
    guint n_notices;
};

BerthGuest *berth_guest_new(BerthRun *run)
{
    BerthGuest *guest = g_new0(BerthGuest, 1);
    guest->run = run;
    guest->waiters = berth_replies_new();
    guest->late = berth_replies_new();
    return guest;
}

static void changed(BerthGuest *guest)
{
    berth_vm_changed(guest->run->vm, BERTH_ASPECT_GUEST);
}

/* --- What is known --- */

static const BerthGuest *guest_of(const BerthVm *vm)
{
    return vm->run ? vm->run->guest : NULL;
}

gboolean berth_vm_guest_is_ready(const BerthVm *vm)
{
    const BerthGuest *guest = guest_of(vm);
    return guest && (guest->is_up || guest->answers);
}

const char *berth_vm_guest_status(const BerthVm *vm)
{
    const BerthGuest *guest = guest_of(vm);
    if (!guest)
        return "";
    if (guest->manager_words)
        return guest->manager_words;
    return guest->answers ? "the agent answers" : guest->is_silent ? "the agent does not answer" : "";
}

const char *const *berth_vm_guest_addresses(const BerthVm *vm)
{
    static const char *const none[] = {NULL};
    const BerthGuest *guest = guest_of(vm);
    return guest && guest->addresses ? (const char *const *) guest->addresses : none;
}

const char *berth_vm_guest_os(const BerthVm *vm)
{
    const BerthGuest *guest = guest_of(vm);
    return guest && guest->os ? guest->os : "";
}

gboolean berth_guest_has_spoken(const BerthGuest *guest)
{
    return guest->answers || guest->is_silent || guest->is_up || guest->manager_words || guest->os || guest->addresses;
}

/* --- Forgetting --- */

/* What the agent has said may not be true any more, when nobody is there to correct it. */
static void forget_agent(BerthGuest *guest)
{
    const gboolean had_spoken = berth_guest_has_spoken(guest);
    g_clear_handle_id(&guest->timer, g_source_remove);
    g_clear_pointer(&guest->agent, berth_guest_agent_free);
    guest->is_asking = guest->answers = guest->is_silent = FALSE;
    guest->round = 0;
    g_clear_pointer(&guest->os, g_free);
    g_clear_pointer(&guest->addresses, g_strfreev);
    if (had_spoken)
        changed(guest);
}

void berth_guest_free(BerthGuest *guest)
{
    g_clear_handle_id(&guest->timer, g_source_remove);
    g_clear_pointer(&guest->agent, berth_guest_agent_free);
    g_ptr_array_unref(guest->waiters);
    g_ptr_array_unref(guest->late);
    g_strfreev(guest->addresses);
    g_free(guest->os);
    g_free(guest->manager_words);
    g_free(guest);
}

/* --- Asking --- */

/* Returns whether the agent is alive: it is, also where it refuses. An answer that was given up says nothing. */
static gboolean note_life(BerthGuest *guest, const GError *error)
{
    if (g_error_matches(error, BERTH_ERROR, BERTH_ERROR_CANCELLED) ||
        g_error_matches(error, BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_CLOSED))
        return FALSE;
    const gboolean answers = !error || g_error_matches(error, BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_REFUSED);
    if (guest->answers != answers || guest->is_silent == answers) {
        guest->answers = answers;
        guest->is_silent = !answers;
        berth_vm_log(guest->run->vm, answers ? G_LOG_LEVEL_MESSAGE : G_LOG_LEVEL_WARNING, "%s",
                     answers ? "The guest's agent answers" : error->message);
        changed(guest);
    }
    return answers;
}

static void os_answered(JsonNode *result, const GError *error, gpointer data)
{
    BerthGuest *guest = data;
    if (!note_life(guest, error) || error)
        return;
    g_free(guest->os);
    guest->os = berth_guest_info_os(result);
    changed(guest);
}

static void take_addresses(BerthGuest *guest, JsonNode *result)
{
    g_auto(GStrv) addresses = berth_guest_info_addresses(result);
    if (g_strv_equal(berth_vm_guest_addresses(guest->run->vm), (const char *const *) addresses))
        return;
    g_strfreev(guest->addresses);
    guest->addresses = g_steal_pointer(&addresses);
    changed(guest);
}

static void ask(BerthGuest *guest);

static gboolean ask_again(gpointer data)
{
    BerthGuest *guest = data;
    guest->timer = 0;
    /* A guest that is paused can't answer; that it goes on is told. */
    if (guest->run->vm->state != BERTH_VM_PAUSED)
        ask(guest);
    return G_SOURCE_REMOVE;
}

/* The last answer of a round. */
static void addresses_answered(JsonNode *result, const GError *error, gpointer data)
{
    BerthGuest *guest = data;
    const gboolean is_alive = note_life(guest, error);
    guest->is_asking = FALSE;
    if (is_alive && !error)
        take_addresses(guest, result);
    if (guest->agent && ++guest->round < ROUNDS && !guest->timer)
        guest->timer = g_timeout_add(PAUSE_FIRST_MSEC << (guest->round - 1), ask_again, guest);
    g_autoptr(GError) failure =
        is_alive ? NULL : g_error_new_literal(BERTH_ERROR, BERTH_ERROR_CANCELLED, error->message);
    berth_replies_return(guest->waiters, failure);
    if (guest->late->len == 0)
        return;
    if (!guest->agent) {
        berth_replies_return(guest->late, failure);
        return;
    }
    g_ptr_array_extend_and_steal(guest->waiters, g_steal_pointer(&guest->late));
    guest->late = berth_replies_new();
    ask(guest);
}

static void ask(BerthGuest *guest)
{
    if (guest->is_asking)
        return;
    guest->is_asking = TRUE;
    if (!guest->os)
        berth_guest_agent_ask(guest->agent, "guest-get-osinfo", NULL, ANSWER_TIMEOUT_USEC, NULL, os_answered, guest);
    berth_guest_agent_ask(guest->agent, "guest-network-get-interfaces", NULL, ANSWER_TIMEOUT_USEC, NULL,
                          addresses_answered, guest);
}

void berth_vm_refresh_guest(BerthVm *vm, BerthReply *reply)
{
    BerthGuest *guest = vm->run ? vm->run->guest : NULL;
    if (!guest || !guest->agent) {
        g_autoptr(GError) error = g_error_new(
            BERTH_ERROR, BERTH_ERROR_UNSUPPORTED,
            "No agent listens in the guest of VM \"%s\"; install and start qemu-guest-agent there", berth_vm_name(vm));
        berth_reply_return(&reply, error);
        return;
    }
    g_ptr_array_add(guest->is_asking ? guest->late : guest->waiters, reply);
    ask(guest);
}

/* --- The channel --- */

static void channel_closed(gpointer data)
{
    forget_agent(data);
}

/* An agent that comes anew, to a channel that seems open still, may be that of another boot. */
static void channel_opened(BerthGuest *guest)
{
    g_autoptr(GError) error = NULL;
    const char *runtime_dir = berth_manager_host(guest->run->vm->manager)->settings->runtime_dir;
    g_autofree char *path = berth_runtime_agent_path(runtime_dir, berth_vm_id(guest->run->vm));
    forget_agent(guest);
    guest->agent = berth_guest_agent_connect(path, channel_closed, guest, &error);
    if (guest->agent)
        ask(guest);
    else
        berth_vm_log(guest->run->vm, G_LOG_LEVEL_WARNING, "Can't reach the guest's agent: %s", error->message);
}

static void channel_changed(BerthGuest *guest, JsonObject *arguments)
{
    if (!arguments || g_strcmp0(berth_json_get_string(arguments, "id"), BERTH_QEMU_AGENT) != 0)
        return;
    if (json_object_get_boolean_member_with_default(arguments, "open", FALSE))
        channel_opened(guest);
    else
        forget_agent(guest);
}

/* It is said once: the daemon after this one finds it written down. */
static void keep_words(const BerthGuest *guest)
{
    g_autoptr(GError) error = NULL;
    const BerthVm *vm = guest->run->vm;
    if (!berth_runtime_write_guest(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm),
                                   guest->is_up, guest->manager_words, &error))
        berth_vm_log(vm, G_LOG_LEVEL_WARNING, "%s", error->message);
}

/* Its own channels QEMU closes itself, and says so; it may also have been too busy to. */
static void guest_was_reset(BerthGuest *guest)
{
    if (guest->is_up || guest->manager_words) {
        guest->is_up = FALSE;
        g_clear_pointer(&guest->manager_words, g_free);
        keep_words(guest);
        changed(guest);
    }
    forget_agent(guest);
}

void berth_guest_monitor_event(BerthGuest *guest, const char *name, JsonObject *arguments)
{
    if (g_str_equal(name, "VSERPORT_CHANGE"))
        channel_changed(guest, arguments);
    else if (g_str_equal(name, "RESET"))
        guest_was_reset(guest);
    else if (g_str_equal(name, "RESUME") && guest->agent)
        ask(guest);
}

/* Of all chardevs: the one of the channel. */
static gboolean says_open(JsonNode *chardevs)
{
    JsonArray *array = chardevs && JSON_NODE_HOLDS_ARRAY(chardevs) ? json_node_get_array(chardevs) : NULL;
    for (guint i = 0; array && i < json_array_get_length(array); i++) {
        JsonObject *chardev = berth_json_as_object(json_array_get_element(array, i));
        if (chardev && g_strcmp0(berth_json_get_string(chardev, "label"), BERTH_QEMU_AGENT) == 0)
            return json_object_get_boolean_member_with_default(chardev, "frontend-open", FALSE);
    }
    return FALSE;
}

static void looked(JsonNode *result, const GError *error, gpointer data)
{
    BerthGuest *guest = data;
    if (!error && !guest->agent && says_open(result))
        channel_opened(guest);
}

void berth_guest_look(BerthGuest *guest)
{
    const BerthVm *vm = guest->run->vm;
    if (!guest->is_up && !guest->manager_words &&
        berth_runtime_read_guest(berth_manager_host(vm->manager)->settings->runtime_dir, berth_vm_id(vm), &guest->is_up,
                                 &guest->manager_words))
        changed(guest);
    berth_qmp_execute(guest->run->qmp, "query-chardev", NULL, LOOK_TIMEOUT_USEC, looked, guest);
}

/* --- Its service manager --- */

gboolean berth_guest_admits_notice(BerthGuest *guest)
{
    const gint64 now = g_get_monotonic_time();
    if (guest->window == 0 || now - guest->window > NOTICES_WINDOW_USEC) {
        guest->window = now;
        guest->n_notices = 0;
    }
    if (guest->n_notices == NOTICES_MAX)
        berth_vm_log(guest->run->vm, G_LOG_LEVEL_WARNING,
                     "The guest notifies too often; for %d s nothing more of that is heard",
                     (int) (NOTICES_WINDOW_USEC / G_USEC_PER_SEC));
    return guest->n_notices++ < NOTICES_MAX;
}

void berth_vm_guest_notice(BerthVm *vm, const BerthGuestNotice *notice)
{
    BerthGuest *guest = vm->run ? vm->run->guest : NULL;
    if (!guest)
        return;
    if (notice->ready || notice->stopping)
        guest->is_up = notice->ready && !notice->stopping;
    if (notice->status) {
        g_free(guest->manager_words);
        guest->manager_words = g_strdup(notice->status);
    }
    if (notice->ready || notice->stopping || notice->status)
        keep_words(guest);
    if (notice->exit_status >= 0)
        berth_vm_log(vm, G_LOG_LEVEL_MESSAGE, "The guest ends with exit status %d", notice->exit_status);
    changed(guest);
}

/* --- Powering down --- */

gboolean berth_guest_agent_answers(const BerthGuest *guest)
{
    return guest->agent && guest->answers;
}

void berth_guest_ask_to_power_down(BerthGuest *guest, guint64 patience_usec, void (*sent)(gpointer data),
                                   BerthGuestAgentDone done, gpointer data)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    json_object_set_string_member(arguments, "mode", "powerdown");
    berth_guest_agent_ask(guest->agent, "guest-shutdown", arguments, patience_usec, sent, done, data);
}
