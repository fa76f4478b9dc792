/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-member.h"
#include "../core/qmp-framer.h"
#include "../core/text.h"
#include "qmp-pending.h"
#include "send-queue.h"
#include "unix-socket.h"

/* One read a turn of the loop: a QEMU that floods its monitor gets its share, and the others theirs. */
#define READ_SIZE (16u * 1024u)

/* As much of QEMU's words as a person will read. */
#define WORDS_MAX 400

G_DEFINE_QUARK(berth - qmp - error - quark, berth_qmp_error)

typedef enum {
    PHASE_GREETING,     /* nothing is sent before QEMU has greeted */
    PHASE_CAPABILITIES, /* qmp_capabilities is out, as command 0 */
    PHASE_READY,
    PHASE_CLOSED,
    PHASE_FREED, /* berth_qmp_free() was called; only a turn that is still running holds it */
} Phase;

typedef struct {
    GSource source;
    BerthQmp *qmp;
} QmpSource;

struct BerthQmp {
    int refs;
    Phase phase;
    int fd;
    const BerthQmpHandler *handler;
    gpointer data;
    BerthQmpFramer *framer;
    BerthUnixWait *wait; /* (nullable): no descriptor yet: QEMU hangs, and takes no more connections */
    GSource *source;     /* the descriptor, and the first deadline as its ready time */
    gpointer tag;        /* the descriptor in it; NULL before there is one, and once closed */
    BerthSendQueue *out; /* what the kernel has not taken yet */
    GQueue pending;      /* (element-type BerthQmpPending), by id */
    guint64 last_id;
    GError *end; /* what closed it */
};

/* Each turn of the loop holds a reference, so that any handler may free the monitor under it. */
static void qmp_unref(BerthQmp *qmp)
{
    if (--qmp->refs > 0)
        return;
    g_clear_error(&qmp->end);
    berth_qmp_framer_free(qmp->framer);
    berth_send_queue_free(qmp->out);
    g_free(qmp);
}

static gboolean is_open(const BerthQmp *qmp)
{
    return qmp->phase < PHASE_CLOSED;
}

/* --- Commands that wait for their answer --- */

static void schedule_deadline(BerthQmp *qmp)
{
    if (qmp->phase != PHASE_FREED)
        g_source_set_ready_time(qmp->source, berth_qmp_pending_deadline(&qmp->pending));
}

static void answer_expired(BerthQmp *qmp, gint64 now)
{
    BerthQmpPending *pending;
    while (qmp->phase != PHASE_FREED && (pending = berth_qmp_pending_take_expired(&qmp->pending, now)) != NULL) {
        schedule_deadline(qmp);
        g_autoptr(GError) error = g_steal_pointer(&pending->refusal);
        if (error == NULL)
            g_set_error(&error, BERTH_ERROR, BERTH_ERROR_CANCELLED, "QEMU did not answer \"%s\" within %.3g s",
                        pending->command, (double) pending->timeout_usec / G_USEC_PER_SEC);
        berth_qmp_pending_answer(pending, NULL, error);
    }
}

/* Those there are now: a handler that issues the next command on a dead monitor does not keep this going for ever. */
static void answer_all(BerthQmp *qmp, const GError *error)
{
    const guint64 last = qmp->last_id;
    BerthQmpPending *first;
    while ((first = g_queue_peek_head(&qmp->pending)) != NULL && first->id <= last) {
        g_queue_pop_head(&qmp->pending);
        schedule_deadline(qmp);
        berth_qmp_pending_answer(first, NULL, first->refusal != NULL ? first->refusal : error);
    }
}

/* --- The connection's end --- */

static void drop_connection(BerthQmp *qmp)
{
    g_clear_pointer(&qmp->wait, berth_unix_wait_cancel);
    if (qmp->tag != NULL)
        g_source_remove_unix_fd(qmp->source, g_steal_pointer(&qmp->tag));
    if (qmp->fd >= 0)
        close(berth_steal_fd(&qmp->fd));
    berth_send_queue_clear(qmp->out);
}

/* @error: (transfer full). Called within a turn only. */
static void close_with(BerthQmp *qmp, GError *error)
{
    qmp->end = error;
    qmp->phase = PHASE_CLOSED;
    drop_connection(qmp);
    answer_all(qmp, error);
    if (qmp->phase != PHASE_FREED && qmp->handler->closed != NULL)
        qmp->handler->closed(error, qmp->data);
}

static void close_for_protocol(BerthQmp *qmp, const char *what)
{
    close_with(qmp, g_error_new(BERTH_QMP_ERROR, BERTH_QMP_ERROR_PROTOCOL, "QEMU broke the QMP protocol: %s", what));
}

/* --- Writing --- */

static void watch_descriptor(BerthQmp *qmp)
{
    GIOCondition condition = berth_send_queue_length(qmp->out) > 0 ? G_IO_IN | G_IO_OUT : G_IO_IN;
    g_source_modify_unix_fd(qmp->source, qmp->tag, condition);
}

/* A broken connection is left to the reading side: what QEMU said before it went is still to be heard. */
static void flush(BerthQmp *qmp)
{
    berth_send_queue_flush(qmp->out, qmp->fd);
    watch_descriptor(qmp);
}

/* @fd: (transfer full): that goes with it, -1 for none */
static void write_line(BerthQmp *qmp, const char *line, int fd)
{
    berth_send_queue_add(qmp->out, line, fd);
    flush(qmp);
}

static void write_pending(BerthQmp *qmp, BerthQmpPending *pending)
{
    g_autofree char *line = g_steal_pointer(&pending->line);
    write_line(qmp, line, berth_steal_fd(&pending->fd));
}

/* --- What QEMU says --- */

/* Right behind qmp_capabilities: QEMU takes commands in their order, and while a guest runs each wait for an answer costs its
 * main loop a turn. */
static void send_waiting(BerthQmp *qmp)
{
    for (GList *l = qmp->pending.head; l != NULL; l = l->next) {
        BerthQmpPending *pending = l->data;
        if (pending->refusal == NULL)
            write_pending(qmp, pending);
    }
}

static void on_greeting(BerthQmp *qmp, JsonObject *message)
{
    if (berth_json_get_object(message, "QMP") == NULL) {
        close_for_protocol(qmp, "it did not greet");
        return;
    }
    qmp->phase = PHASE_CAPABILITIES;
    g_autofree char *line = berth_qmp_command("qmp_capabilities", NULL, 0);
    write_line(qmp, line, -1);
    send_waiting(qmp);
}

static void on_capabilities(BerthQmp *qmp, JsonObject *message)
{
    if (!json_object_has_member(message, "return")) {
        close_for_protocol(qmp, "it refused qmp_capabilities");
        return;
    }
    qmp->phase = PHASE_READY;
    if (qmp->handler->ready != NULL)
        qmp->handler->ready(qmp->data);
}

static void on_event(BerthQmp *qmp, JsonObject *message)
{
    const char *name = berth_json_get_string(message, "event");
    if (name == NULL || (json_object_has_member(message, "data") && berth_json_get_object(message, "data") == NULL))
        close_for_protocol(qmp, "an event is malformed");
    else if (qmp->handler->event != NULL)
        qmp->handler->event(name, berth_json_get_object(message, "data"), qmp->data);
}

static void answer_refused(BerthQmpPending *pending, JsonObject *message)
{
    JsonObject *refusal = berth_json_get_object(message, "error");
    const char *words = refusal != NULL ? berth_json_get_string(refusal, "desc") : NULL;
    g_autofree char *text = berth_text_clean(words != NULL ? words : "no reason given", WORDS_MAX);
    g_autoptr(GError) error =
        g_error_new(BERTH_QMP_ERROR, BERTH_QMP_ERROR_REFUSED, "QEMU refused \"%s\": %s", pending->command, text);
    berth_qmp_pending_answer(pending, NULL, error);
}

static void on_answer(BerthQmp *qmp, JsonObject *message)
{
    const gint64 id = berth_json_get_number(message, "id");
    if (id < 0 || (guint64) id > qmp->last_id) {
        close_for_protocol(qmp, "it answered what was not asked");
        return;
    }
    if (id == 0 && qmp->phase == PHASE_CAPABILITIES) {
        on_capabilities(qmp, message);
        return;
    }
    BerthQmpPending *pending = qmp->phase == PHASE_READY ? berth_qmp_pending_take(&qmp->pending, (guint64) id) : NULL;
    schedule_deadline(qmp);
    if (pending == NULL) {
        /* Too late: its deadline has passed. */
        if (qmp->phase == PHASE_READY && qmp->handler->late_answer != NULL)
            qmp->handler->late_answer(qmp->data);
        return;
    }
    if (json_object_has_member(message, "error"))
        answer_refused(pending, message);
    else
        berth_qmp_pending_answer(pending, json_object_get_member(message, "return"), NULL);
}

static void on_message(BerthQmp *qmp, JsonObject *message)
{
    /* QEMU greets from another thread than the one that starts the guest: an event of that may come first. It says nothing
     * that is not asked for later. */
    if (json_object_has_member(message, "event") && qmp->phase == PHASE_GREETING)
        return;
    if (qmp->phase == PHASE_GREETING)
        on_greeting(qmp, message);
    else if (json_object_has_member(message, "event"))
        on_event(qmp, message);
    else if (json_object_has_member(message, "return") || json_object_has_member(message, "error"))
        on_answer(qmp, message);
    else
        close_for_protocol(qmp, "a message is neither event nor answer");
}

static void handle_bytes(BerthQmp *qmp, const char *bytes, gsize length)
{
    g_autoptr(GError) error = NULL;
    gboolean sound = berth_qmp_framer_push(qmp->framer, bytes, length, &error);
    while (sound && is_open(qmp)) {
        g_autoptr(JsonObject) message = NULL;
        sound = berth_qmp_framer_next(qmp->framer, &message, &error);
        if (sound && message == NULL)
            return;
        if (sound)
            on_message(qmp, message);
    }
    if (!sound && is_open(qmp))
        close_for_protocol(qmp, error->message);
}

static void read_some(BerthQmp *qmp)
{
    char buffer[READ_SIZE];
    ssize_t length = recv(qmp->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length > 0)
        handle_bytes(qmp, buffer, (gsize) length);
    else if (length == 0)
        close_with(qmp, g_error_new(BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED, "QEMU closed its QMP connection"));
    else if (errno != EAGAIN && errno != EINTR)
        close_with(qmp, g_error_new(BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED, "The QMP connection broke: %s",
                                    g_strerror(errno)));
}

static gboolean dispatch(GSource *source, G_GNUC_UNUSED GSourceFunc callback, G_GNUC_UNUSED gpointer data)
{
    BerthQmp *qmp = ((QmpSource *) source)->qmp;
    qmp->refs++;

    GIOCondition condition = qmp->tag != NULL ? g_source_query_unix_fd(source, qmp->tag) : 0;
    if ((condition & G_IO_OUT) != 0)
        flush(qmp);
    if ((condition & ~G_IO_OUT) != 0)
        read_some(qmp);
    /* After reading: an answer that is there already comes before the deadline. */
    answer_expired(qmp, g_source_get_time(source));

    qmp_unref(qmp);
    return G_SOURCE_CONTINUE;
}

/* --- The public side --- */

/* @fd: (transfer full) */
static void take_connection(BerthQmp *qmp, int fd)
{
    qmp->fd = fd;
    qmp->tag = g_source_add_unix_fd(qmp->source, fd, G_IO_IN);
}

static void wait_is_over(int fd, const GError *error, gpointer data)
{
    BerthQmp *qmp = data;
    qmp->wait = NULL;
    if (fd >= 0) {
        take_connection(qmp, fd);
        return;
    }
    qmp->refs++;
    close_with(qmp, g_error_new_literal(BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED, error->message));
    qmp_unref(qmp);
}

/* A QEMU that hangs has room for two connections that it has not taken, be those who made them gone: more wait, and their
 * commands' deadlines tell of it as of any that hangs. */
static gboolean make_connection(BerthQmp *qmp, const char *path, GError **error)
{
    g_autoptr(GError) failure = NULL;
    int fd = berth_unix_connect(path, &failure);
    if (fd >= 0) {
        take_connection(qmp, fd);
        return TRUE;
    }
    if (g_error_matches(failure, BERTH_ERROR, BERTH_ERROR_BUSY)) {
        g_clear_error(&failure);
        qmp->wait = berth_unix_wait_new(path, wait_is_over, qmp, &failure);
    }
    if (failure != NULL)
        g_set_error_literal(error, BERTH_QMP_ERROR, BERTH_QMP_ERROR_CLOSED, failure->message);
    return failure == NULL;
}

BerthQmp *berth_qmp_connect(const char *path, const BerthQmpHandler *handler, gpointer data, GError **error)
{
    static GSourceFuncs funcs = {.dispatch = dispatch};

    g_autoptr(BerthQmp) qmp = g_new0(BerthQmp, 1);
    qmp->refs = 1;
    qmp->fd = -1;
    qmp->handler = handler;
    qmp->data = data;
    qmp->framer = berth_qmp_framer_new();
    qmp->out = berth_send_queue_new();
    g_queue_init(&qmp->pending);
    qmp->source = g_source_new(&funcs, sizeof(QmpSource));
    ((QmpSource *) qmp->source)->qmp = qmp;
    g_source_set_static_name(qmp->source, "qmp");
    if (!make_connection(qmp, path, error))
        return NULL;
    g_source_attach(qmp->source, NULL);
    return g_steal_pointer(&qmp);
}

void berth_qmp_free(BerthQmp *qmp)
{
    if (qmp == NULL)
        return;
    drop_connection(qmp);
    g_source_destroy(qmp->source);
    g_clear_pointer(&qmp->source, g_source_unref);
    qmp->phase = PHASE_FREED;
    g_autoptr(GError) error = g_error_new(BERTH_ERROR, BERTH_ERROR_CANCELLED, "QEMU's monitor was closed");
    answer_all(qmp, error);
    qmp_unref(qmp);
}

static GError *why_not(const BerthQmp *qmp, const char *command, gsize length)
{
    if (!is_open(qmp))
        return g_error_copy(qmp->end);
    if (qmp->pending.length >= BERTH_QMP_PENDING_MAX || berth_send_queue_length(qmp->out) + length > BERTH_QMP_OUT_MAX)
        return g_error_new(BERTH_QMP_ERROR, BERTH_QMP_ERROR_FULL,
                           "\"%s\" was not sent: too many commands wait for QEMU", command);
    return NULL;
}

void berth_qmp_execute(BerthQmp *qmp, const char *command, JsonObject *arguments, guint64 timeout_usec,
                       BerthQmpDone done, gpointer data)
{
    berth_qmp_execute_with_fd(qmp, command, arguments, -1, timeout_usec, done, data);
}

void berth_qmp_execute_with_fd(BerthQmp *qmp, const char *command, JsonObject *arguments, int fd, guint64 timeout_usec,
                               BerthQmpDone done, gpointer data)
{
    g_return_if_fail(qmp->phase != PHASE_FREED);

    BerthQmpPending *pending = g_new0(BerthQmpPending, 1);
    pending->id = ++qmp->last_id;
    pending->command = g_strdup(command);
    pending->line = berth_qmp_command(command, arguments, (gint64) pending->id);
    pending->fd = fd;
    pending->timeout_usec = timeout_usec;
    pending->done = done;
    pending->data = data;
    pending->refusal = why_not(qmp, command, strlen(pending->line));
    g_queue_push_tail(&qmp->pending, pending);

    /* A refusal is due in the next turn. */
    if (pending->refusal == NULL)
        pending->deadline = g_get_monotonic_time() + (gint64) MIN(timeout_usec, (guint64) G_MAXINT64 / 2);
    if (pending->refusal == NULL && (qmp->phase == PHASE_CAPABILITIES || qmp->phase == PHASE_READY))
        write_pending(qmp, pending);
    schedule_deadline(qmp);
}
