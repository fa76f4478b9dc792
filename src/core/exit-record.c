/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exit-record.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "error.h"
#include "keeper-protocol.h"
#include "record-lines.h"

/* QMP's longest reason has 21 letters; a later QEMU may have others. */
#define REASON_MAX 63u

static const char *const keys[] = {"wait-status", "reason", "panicked", "requested", "time", "words", NULL};

void berth_exit_record_free(BerthExitRecord *record)
{
    g_free(record->reason);
    g_free(record->words);
    g_free(record);
}

static gboolean invalid(GError **error, const char *key)
{
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "In the exit record, %s has no valid value", key);
    return FALSE;
}

/* waitpid() packs an end into 16 bits; a process that is only stopped or continued has not ended. */
static gboolean parse_wait_status(GHashTable *lines, int *wait_status, GError **error)
{
    gint64 number;

    if (!berth_record_lines_number(lines, "wait-status", 0, 0xffff, &number, error))
        return FALSE;
    if (!WIFEXITED(number) && !WIFSIGNALED(number))
        return invalid(error, "wait-status");
    *wait_status = (int) number;
    return TRUE;
}

static gboolean parse_flag(GHashTable *lines, const char *key, gboolean *flag, GError **error)
{
    gint64 number;

    if (!berth_record_lines_number(lines, key, 0, 1, &number, error))
        return FALSE;
    *flag = number != 0;
    return TRUE;
}

static gboolean parse_reason(GHashTable *lines, char **reason, GError **error)
{
    const char *word = g_hash_table_lookup(lines, "reason");

    if (strlen(word) > REASON_MAX || strspn(word, "abcdefghijklmnopqrstuvwxyz-") != strlen(word))
        return invalid(error, "reason");
    *reason = g_strdup(word);
    return TRUE;
}

/* Whatever bytes QEMU wrote: made fit to be shown, never a reason to lose the rest of the record. */
static char *parse_words(GHashTable *lines)
{
    g_autofree char *valid = g_utf8_make_valid(g_hash_table_lookup(lines, "words"), -1);
    GString *words = g_string_sized_new(strlen(valid));

    for (const char *c = valid; *c; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);
        g_string_append_unichar(words, g_unichar_iscntrl(character) ? ' ' : character);
    }
    return g_string_free(words, FALSE);
}

BerthExitRecord *berth_exit_record_parse(const char *text, gsize length, GError **error)
{
    g_autoptr(GHashTable) lines = berth_record_lines_parse(text, length, BERTH_EXIT_RECORD_MAX, keys, error);
    if (!lines)
        return NULL;

    g_autoptr(BerthExitRecord) record = g_new0(BerthExitRecord, 1);
    if (!parse_wait_status(lines, &record->wait_status, error) || !parse_reason(lines, &record->reason, error) ||
        !parse_flag(lines, "panicked", &record->panicked, error) ||
        !parse_flag(lines, "requested", &record->requested, error) ||
        !berth_record_lines_number(lines, "time", 0, BERTH_RECORD_TIME_MAX, &record->time, error))
        return NULL;
    /* An older keeper, whose VM has outlived an upgrade, does not write it. */
    if (g_hash_table_contains(lines, "oom-killed") && !parse_flag(lines, "oom-killed", &record->oom_killed, error))
        return NULL;
    record->words = parse_words(lines);
    return g_steal_pointer(&record);
}

/* Who QMP's ShutdownCause says it was. */
typedef enum {
    CAUSE_UNTOLD = 1 << 0, /* no event came, or its word is "none" or one of a later QEMU */
    CAUSE_GUEST = 1 << 1,
    CAUSE_PANIC = 1 << 2,
    CAUSE_HOST = 1 << 3,
    CAUSE_ERROR = 1 << 4,
    CAUSE_ANY = CAUSE_UNTOLD | CAUSE_GUEST | CAUSE_PANIC | CAUSE_HOST | CAUSE_ERROR,
} Cause;

static const struct {
    const char *reason;
    Cause cause;
    const char *words;
} causes[] = {
    {"guest-shutdown", CAUSE_GUEST, "The guest shut itself down"},
    {"guest-reset", CAUSE_GUEST, "The guest reset itself, and its QEMU was told to end then"},
    {"subsystem-reset", CAUSE_GUEST, "A part of the guest was reset, and its QEMU was told to end then"},
    {"snapshot-load", CAUSE_GUEST, "A snapshot was loaded, and QEMU was told to end then"},
    {"guest-panic", CAUSE_PANIC, "The guest's kernel panicked"},
    {"host-qmp-quit", CAUSE_HOST, "QEMU was told to quit"},
    {"host-qmp-system-reset", CAUSE_HOST, "The guest was reset, and its QEMU was told to end then"},
    {"host-signal", CAUSE_HOST, "QEMU was ended by a signal"},
    {"host-ui", CAUSE_HOST, "QEMU's window was closed"},
    {"host-error", CAUSE_ERROR, "QEMU met an error of the host"},
};

static Cause cause_of(const BerthExitRecord *record)
{
    if (record->panicked)
        return CAUSE_PANIC;
    for (guint i = 0; i < G_N_ELEMENTS(causes); i++)
        if (g_str_equal(causes[i].reason, record->reason))
            return causes[i].cause;
    return CAUSE_UNTOLD;
}

/* How the process ended, by the kernel. */
typedef enum {
    END_CLEAN = 1 << 0,  /* exit status 0 */
    END_STATUS = 1 << 1, /* any other */
    END_KILL = 1 << 2,   /* SIGKILL */
    END_OOM = 1 << 3,    /* SIGKILL, of the kernel for want of memory */
    END_TERM = 1 << 4,   /* SIGTERM, of somebody who unblocked it */
    END_SIGNAL = 1 << 5, /* any other */
} End;

static End end_of(const BerthExitRecord *record)
{
    if (WIFEXITED(record->wait_status))
        return WEXITSTATUS(record->wait_status) == 0 ? END_CLEAN : END_STATUS;
    switch (WTERMSIG(record->wait_status)) {
    case SIGKILL:
        return record->oom_killed ? END_OOM : END_KILL;
    case SIGTERM:
        return END_TERM;
    default:
        return END_SIGNAL;
    }
}

typedef enum {
    NO = 1 << 0,
    YES = 1 << 1,
    EITHER = NO | YES,
} Condition;

/* The first line that fits decides. Above the start-failed ones stand those ends that prove that the guest ran, even
 * where it was over before the daemon had heard of `running`; what was asked for is no failure. */
static const struct {
    guint ends;
    guint causes;
    Condition asked, was_running;
    BerthExitReason reason;
} judgments[] = {
    {END_KILL | END_OOM | END_TERM, CAUSE_ANY, YES, EITHER, BERTH_EXIT_HOST_STOP},
    /* -action panic=exit-failure makes QEMU's status 1 out of it. */
    {END_CLEAN | END_STATUS, CAUSE_PANIC, EITHER, EITHER, BERTH_EXIT_GUEST_PANIC},
    {END_CLEAN, CAUSE_ERROR, EITHER, YES, BERTH_EXIT_CRASHED},
    {END_CLEAN, CAUSE_ERROR, EITHER, NO, BERTH_EXIT_START_FAILED},
    {END_CLEAN, CAUSE_ANY, YES, EITHER, BERTH_EXIT_HOST_STOP},
    {END_CLEAN, CAUSE_GUEST, NO, EITHER, BERTH_EXIT_GUEST_SHUTDOWN},
    {END_CLEAN, CAUSE_HOST, NO, EITHER, BERTH_EXIT_HOST_STOP},
    {END_CLEAN | END_STATUS | END_KILL | END_OOM | END_TERM | END_SIGNAL, CAUSE_ANY, EITHER, NO,
     BERTH_EXIT_START_FAILED},
    {END_CLEAN, CAUSE_ANY, NO, YES, BERTH_EXIT_GUEST_SHUTDOWN},
    {END_KILL, CAUSE_ANY, NO, YES, BERTH_EXIT_KILLED},
    {END_OOM, CAUSE_ANY, NO, YES, BERTH_EXIT_OOM_KILLED},
    {END_STATUS | END_TERM | END_SIGNAL, CAUSE_ANY, EITHER, YES, BERTH_EXIT_CRASHED},
};

BerthExitReason berth_exit_record_judge(const BerthExitRecord *record, gboolean was_running, gboolean stop_asked)
{
    const End end = end_of(record);
    const Cause cause = cause_of(record);
    const Condition asked = stop_asked || record->requested ? YES : NO;
    const Condition running = was_running ? YES : NO;

    for (guint i = 0; i < G_N_ELEMENTS(judgments); i++)
        if ((judgments[i].ends & end) && (judgments[i].causes & cause) && (judgments[i].asked & asked) &&
            (judgments[i].was_running & running))
            return judgments[i].reason;
    g_assert_not_reached(); /* the test goes through every combination */
}

static char *describe_clean(const BerthExitRecord *record)
{
    for (guint i = 0; i < G_N_ELEMENTS(causes); i++)
        if (g_str_equal(causes[i].reason, record->reason))
            return g_strdup(causes[i].words);
    return g_strdup("QEMU ended without an error");
}

char *berth_exit_record_describe(const BerthExitRecord *record)
{
    g_autofree char *what = NULL;

    if (end_of(record) == END_OOM) {
        what =
            g_strdup("QEMU was killed by the kernel, since the memory of the VM's scope, or of the host, was used up");
    } else if (WIFSIGNALED(record->wait_status)) {
        int number = WTERMSIG(record->wait_status);
        what = g_strdup_printf("QEMU was killed by signal %d (%s%s)", number, g_strsignal(number),
                               WCOREDUMP(record->wait_status) ? ", core dumped" : "");
    } else if (cause_of(record) == CAUSE_PANIC) {
        return g_strdup("The guest's kernel panicked");
    } else if (WEXITSTATUS(record->wait_status) != 0) {
        what = g_strdup_printf("QEMU failed with status %d", WEXITSTATUS(record->wait_status));
    } else {
        return describe_clean(record);
    }
    return *record->words ? g_strdup_printf("%s; its last words: %s", what, record->words) : g_steal_pointer(&what);
}
