/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-agent.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/socket.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-member.h"
#include "../core/qmp-framer.h"
#include "../core/text.h"
#include "unix-socket.h"

/* One read a turn of the loop, as from QEMU's monitor. */
#define READ_SIZE (16u * 1024u)

/* What a guest may say for one question, leftovers of earlier ones included: more than all buffers on the way hold, and an
 * answer. */
#define HEARD_MAX (1024u * 1024u)

/* As much of the agent's words as a person will read. */
#define WORDS_MAX 200u

/* No byte of UTF-8: the agent's parser begins anew at it, and its answer to a synchronisation begins with it. */
#define DELIMITER '\xff'

G_DEFINE_QUARK(berth - guest - agent - error - quark, berth_guest_agent_error)

typedef enum {
    PHASE_IDLE,
    PHASE_SYNCING,   /* the first question waits for the answer to its synchronisation */
    PHASE_ANSWERING, /* the first question was sent */
    PHASE_FREED,     /* only a turn that is still running holds it */
} Phase;

typedef struct {
    char *command;
    char *line;
    guint64 timeout_usec;
    gint64 deadline; /* monotonic µs */
    void (*sent)(gpointer data);
    BerthGuestAgentDone done;
    gpointer data;
} Question;

typedef struct {
    GSource source;
    BerthGuestAgent *agent;
} AgentSource;

struct BerthGuestAgent {
    int refs;
    Phase phase;
    int fd; /* -1 once closed */
    void (*closed)(gpointer data);
    gpointer data;
    GSource *source; /* the descriptor, and the first deadline as its ready time */
    gpointer tag;
    GQueue questions; /* (element-type Question) */
    GByteArray *out;  /* what the kernel has not taken yet */
    gint64 sync_id;
    BerthQmpFramer *framer; /* (nullable): from a delimiter to an answer */
    gsize heard;            /* bytes, for the first question */
};

static void agent_unref(BerthGuestAgent *agent)
{
    if (--agent->refs > 0)
        return;
    berth_qmp_framer_free(agent->framer);
    g_byte_array_unref(agent->out);
    g_free(agent);
}

static gboolean is_asking(const BerthGuestAgent *agent)
{
    return agent->phase == PHASE_SYNCING || agent->phase == PHASE_ANSWERING;
}

/* What is waited for. A hang-up always is; the name of no event at all would be left out by GLib. */
static void watch(BerthGuestAgent *agent)
{
    gint64 first = -1;
    for (GList *l = agent->questions.head; l; l = l->next) {
        const Question *question = l->data;
        if (first < 0 || question->deadline < first)
            first = question->deadline;
    }
    g_source_set_ready_time(agent->source, first);
    if (agent->tag)
        g_source_modify_unix_fd(agent->source, agent->tag,
                                G_IO_HUP | (is_asking(agent) ? G_IO_IN : 0) | (agent->out->len > 0 ? G_IO_OUT : 0));
}

/* --- Asking --- */

/* A broken connection is the reading side's to find. */
static void flush(BerthGuestAgent *agent)
{
    ssize_t sent = agent->fd < 0 ? -1 : send(agent->fd, agent->out->data, agent->out->len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0)
        g_byte_array_remove_range(agent->out, 0, (guint) sent);
    else if (sent < 0 && errno != EAGAIN && errno != EINTR)
        g_byte_array_set_size(agent->out, 0);
}

static void write_line(BerthGuestAgent *agent, const char *line)
{
    g_byte_array_append(agent->out, (const guint8 *) line, (guint) strlen(line));
    flush(agent);
}

static void send_synchronisation(BerthGuestAgent *agent)
{
    g_autoptr(JsonObject) arguments = json_object_new();
    json_object_set_int_member(arguments, "id", ++agent->sync_id);
    g_autofree char *line = berth_qmp_command("guest-sync-delimited", arguments, -1);
    const guint8 delimiter = (guint8) DELIMITER;
    g_byte_array_append(agent->out, &delimiter, 1);
    write_line(agent, line);
}

/* What a guest has not taken of earlier questions is not said once more: so there is never more than one that waits. */
static void begin_next(BerthGuestAgent *agent)
{
    if (agent->phase == PHASE_IDLE && agent->fd >= 0 && !g_queue_is_empty(&agent->questions)) {
        agent->phase = PHASE_SYNCING;
        agent->heard = 0;
        if (agent->out->len == 0)
            send_synchronisation(agent);
    }
    watch(agent);
}

/* --- Answering --- */

static void question_answer(Question *question, JsonNode *result, const GError *error)
{
    question->done(result, error, question->data);
    g_free(question->command);
    g_free(question->line);
    g_free(question);
}

static Question *take(BerthGuestAgent *agent, GList *link)
{
    Question *question = link->data;
    if (!link->prev && is_asking(agent)) {
        agent->phase = PHASE_IDLE;
        g_clear_pointer(&agent->framer, berth_qmp_framer_free);
    }
    g_queue_delete_link(&agent->questions, link);
    return question;
}

/* The first question's answer; what comes next is asked. */
static void answer_first(BerthGuestAgent *agent, JsonNode *result, const GError *error)
{
    question_answer(take(agent, agent->questions.head), result, error);
    if (agent->phase != PHASE_FREED)
        begin_next(agent);
}

static void fail_first(BerthGuestAgent *agent, const char *what)
{
    g_autoptr(GError) error = g_error_new(BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_BROKEN,
                                          "The guest's agent can't be understood: %s", what);
    answer_first(agent, NULL, error);
}

static GList *find_expired(BerthGuestAgent *agent, gint64 now)
{
    for (GList *l = agent->questions.head; l; l = l->next)
        if (((Question *) l->data)->deadline <= now)
            return l;
    return NULL;
}

static void answer_expired(BerthGuestAgent *agent, gint64 now)
{
    GList *link;
    while (agent->phase != PHASE_FREED && (link = find_expired(agent, now))) {
        Question *question = take(agent, link);
        g_autoptr(GError) error = g_error_new(
            BERTH_GUEST_AGENT_ERROR, agent->fd < 0 ? BERTH_GUEST_AGENT_ERROR_CLOSED : BERTH_GUEST_AGENT_ERROR_SILENT,
            "The guest's agent did not answer \"%s\" within %.3g s", question->command,
            (double) question->timeout_usec / G_USEC_PER_SEC);
        question_answer(question, NULL, error);
    }
    if (agent->phase != PHASE_FREED)
        begin_next(agent);
}

/* Those there are now. */
static void answer_all(BerthGuestAgent *agent, const GError *error)
{
    for (guint n = agent->questions.length; n > 0 && !g_queue_is_empty(&agent->questions); n--)
        question_answer(take(agent, agent->questions.head), NULL, error);
}

/* --- Hearing --- */

static gboolean is_synchronised(BerthGuestAgent *agent, JsonObject *message)
{
    return berth_json_get_number(message, "return") == agent->sync_id;
}

static gboolean send_question(BerthGuestAgent *agent)
{
    const Question *question = g_queue_peek_head(&agent->questions);
    agent->phase = PHASE_ANSWERING;
    write_line(agent, question->line);
    watch(agent);
    if (question->sent)
        question->sent(question->data);
    return agent->phase == PHASE_ANSWERING;
}

static void take_answer(BerthGuestAgent *agent, JsonObject *message)
{
    JsonNode *refusal = json_object_get_member(message, "error");
    JsonNode *result = json_object_get_member(message, "return");
    if (!refusal && !result) {
        fail_first(agent, "it gives no answer");
        return;
    }
    if (!refusal) {
        answer_first(agent, result, NULL);
        return;
    }
    JsonObject *why = berth_json_as_object(refusal);
    const char *said = why ? berth_json_get_string(why, "desc") : NULL;
    g_autofree char *clean = berth_text_clean(said ? said : "no reason given", WORDS_MAX);
    const Question *question = g_queue_peek_head(&agent->questions);
    g_autoptr(GError) error = g_error_new(BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_REFUSED,
                                          "The guest's agent refused \"%s\": %s", question->command, clean);
    answer_first(agent, NULL, error);
}

/* Returns whether what follows is still of interest before the next delimiter. */
static gboolean take_message(BerthGuestAgent *agent, JsonObject *message)
{
    if (agent->phase == PHASE_SYNCING)
        return is_synchronised(agent, message) && send_question(agent);
    take_answer(agent, message);
    return FALSE;
}

static void parse(BerthGuestAgent *agent, const char *bytes, gsize length)
{
    g_autoptr(BerthQmpFramer) framer = g_steal_pointer(&agent->framer);
    gboolean sound = berth_qmp_framer_push(framer, bytes, length, NULL);
    for (gboolean goes_on = sound; goes_on;) {
        g_autoptr(JsonObject) message = NULL;
        sound = goes_on = berth_qmp_framer_next(framer, &message, NULL);
        if (sound && !message) {
            agent->framer = g_steal_pointer(&framer);
            return;
        }
        if (sound)
            goes_on = take_message(agent, message);
    }
    /* Before it is synchronised it may say anything: of a question that was given up, or of another daemon's. */
    if (!sound && agent->phase == PHASE_ANSWERING)
        fail_first(agent, "its answer is no JSON, or too long");
}

static void handle_bytes(BerthGuestAgent *agent, const char *bytes, gsize length)
{
    agent->heard += length;
    while (length > 0 && is_asking(agent)) {
        const char *delimiter = memchr(bytes, DELIMITER, length);
        const gsize part = delimiter ? (gsize) (delimiter - bytes) : length;
        if (agent->framer)
            parse(agent, bytes, part);
        if (delimiter && is_asking(agent)) {
            g_clear_pointer(&agent->framer, berth_qmp_framer_free);
            agent->framer = berth_qmp_framer_new();
        }
        bytes += part + (delimiter ? 1 : 0);
        length -= part + (delimiter ? 1 : 0);
    }
    if (is_asking(agent) && agent->heard > HEARD_MAX)
        fail_first(agent, "it floods its channel");
}

static void close_channel(BerthGuestAgent *agent)
{
    if (agent->tag)
        g_source_remove_unix_fd(agent->source, g_steal_pointer(&agent->tag));
    if (agent->fd >= 0)
        close(berth_steal_fd(&agent->fd));
}

static void hang_up(BerthGuestAgent *agent)
{
    g_autoptr(GError) error = g_error_new_literal(BERTH_GUEST_AGENT_ERROR, BERTH_GUEST_AGENT_ERROR_CLOSED,
                                                  "QEMU closed the channel to the guest's agent");
    close_channel(agent);
    answer_all(agent, error);
    if (agent->phase != PHASE_FREED)
        agent->closed(agent->data);
}

static void read_some(BerthGuestAgent *agent)
{
    char buffer[READ_SIZE];
    ssize_t length = recv(agent->fd, buffer, sizeof buffer, MSG_DONTWAIT);
    if (length > 0)
        handle_bytes(agent, buffer, (gsize) length);
    else if (length == 0 || (errno != EAGAIN && errno != EINTR))
        hang_up(agent);
}

static gboolean dispatch(GSource *source, G_GNUC_UNUSED GSourceFunc callback, G_GNUC_UNUSED gpointer data)
{
    BerthGuestAgent *agent = ((AgentSource *) source)->agent;
    agent->refs++;
    GIOCondition condition = agent->tag ? g_source_query_unix_fd(source, agent->tag) : 0;
    if (condition & G_IO_OUT)
        flush(agent);
    if ((condition & ~G_IO_OUT) != 0 && is_asking(agent))
        read_some(agent);
    else if (condition & (G_IO_HUP | G_IO_ERR))
        hang_up(agent);
    /* After reading: an answer that is there already comes before the deadline. */
    if (agent->phase != PHASE_FREED)
        answer_expired(agent, g_source_get_time(source));
    agent_unref(agent);
    return G_SOURCE_CONTINUE;
}

/* --- The public side --- */

BerthGuestAgent *berth_guest_agent_connect(const char *path, void (*closed)(gpointer data), gpointer data,
                                           GError **error)
{
    static GSourceFuncs funcs = {.dispatch = dispatch};

    int fd = berth_unix_connect(path, error);
    if (fd < 0)
        return NULL;
    BerthGuestAgent *agent = g_new0(BerthGuestAgent, 1);
    agent->refs = 1;
    agent->fd = fd;
    agent->closed = closed;
    agent->data = data;
    agent->out = g_byte_array_new();
    /* Not those of another daemon, whose answers may still be on their way. */
    agent->sync_id = g_random_int();
    g_queue_init(&agent->questions);
    agent->source = g_source_new(&funcs, sizeof(AgentSource));
    ((AgentSource *) agent->source)->agent = agent;
    g_source_set_static_name(agent->source, "guest-agent");
    agent->tag = g_source_add_unix_fd(agent->source, fd, G_IO_HUP);
    g_source_attach(agent->source, NULL);
    return agent;
}

void berth_guest_agent_free(BerthGuestAgent *agent)
{
    if (!agent)
        return;
    close_channel(agent);
    g_source_destroy(agent->source);
    g_clear_pointer(&agent->source, g_source_unref);
    agent->phase = PHASE_FREED;
    g_autoptr(GError) error =
        g_error_new_literal(BERTH_ERROR, BERTH_ERROR_CANCELLED, "The channel to the guest's agent was closed");
    answer_all(agent, error);
    agent_unref(agent);
}

void berth_guest_agent_ask(BerthGuestAgent *agent, const char *command, JsonObject *arguments, guint64 timeout_usec,
                           void (*sent)(gpointer data), BerthGuestAgentDone done, gpointer data)
{
    g_return_if_fail(agent->phase != PHASE_FREED);

    Question *question = g_new0(Question, 1);
    question->command = g_strdup(command);
    question->line = berth_qmp_command(command, arguments, -1);
    question->timeout_usec = timeout_usec;
    /* Nobody answers on a closed channel: that is said in the next turn. */
    if (agent->fd >= 0)
        question->deadline = g_get_monotonic_time() + (gint64) MIN(timeout_usec, (guint64) G_MAXINT64 / 2);
    question->sent = sent;
    question->done = done;
    question->data = data;
    g_queue_push_tail(&agent->questions, question);
    begin_next(agent);
}
