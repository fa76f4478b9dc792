/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <stdarg.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "src/core/names.h"

/* So many at a time are handed over: the list grows step by step, and the main loop goes on in between. */
#define BATCH_MAX 100

/* The thread's and the caller's; what the thread uses does not change. */
struct BerthUiJournalReader {
    GMainContext *context;
    GCancellable *stopped;
    char *directory, *id, *unit;
    gboolean is_user;
    guint priority, n_max;
    BerthUiJournalFunc func;
    gpointer data;
};

static void clear_reader(gpointer data)
{
    BerthUiJournalReader *self = data;
    g_main_context_unref(self->context);
    g_object_unref(self->stopped);
    g_free(self->directory);
    g_free(self->id);
    g_free(self->unit);
}

static void unref_reader(gpointer self)
{
    g_atomic_rc_box_release_full(self, clear_reader);
}

/* Handing over. */

typedef struct {
    BerthUiJournalReader *reader;
    GPtrArray *entries;
    GError *error;
} Delivery;

static void free_delivery(gpointer data)
{
    Delivery *delivery = data;
    unref_reader(delivery->reader);
    g_ptr_array_unref(delivery->entries);
    g_clear_error(&delivery->error);
    g_free(delivery);
}

/* Who stops the reader does so in this thread. */
static gboolean deliver(gpointer data)
{
    const Delivery *delivery = data;
    const BerthUiJournalReader *reader = delivery->reader;
    if (!g_cancellable_is_cancelled(reader->stopped))
        reader->func(delivery->entries, delivery->error, reader->data);
    return G_SOURCE_REMOVE;
}

/* @entries: (transfer full); @error: (nullable) (transfer full) */
static void hand_over(BerthUiJournalReader *self, GPtrArray *entries, GError *error)
{
    Delivery *delivery = g_new(Delivery, 1);
    *delivery = (Delivery){g_atomic_rc_box_acquire(self), entries, error};
    g_autoptr(GSource) source = g_idle_source_new();
    g_source_set_priority(source, G_PRIORITY_DEFAULT_IDLE);
    g_source_set_callback(source, deliver, delivery, free_delivery);
    g_source_attach(source, self->context);
}

static GPtrArray *no_entries(void)
{
    return g_ptr_array_new_with_free_func(g_object_unref);
}

/* Which messages. */

/* All of the conditions, "FIELD=value" each; %NULL ends them. What was added before is an alternative. */
static int add_alternative(sd_journal *journal, const BerthUiJournalReader *self, ...)
{
    va_list conditions;
    int r = sd_journal_add_disjunction(journal);
    va_start(conditions, self);
    for (const char *at = va_arg(conditions, const char *); at && r >= 0; at = va_arg(conditions, const char *))
        r = sd_journal_add_match(journal, at, 0);
    va_end(conditions);
    /* One field with several values: any of them. */
    for (guint i = 0; i <= self->priority && self->priority < 7 && r >= 0; i++) {
        char priority[] = {'P', 'R', 'I', 'O', 'R', 'I', 'T', 'Y', '=', (char) ('0' + i), 0};
        r = sd_journal_add_match(journal, priority, 0);
    }
    return r;
}

/* The fields that journald itself vouches for, which begin with an underscore, say who may speak of a VM: the daemon,
 * the processes of its scope, and systemd of its scope. Anybody can write the others. */
static int add_matches(sd_journal *journal, const BerthUiJournalReader *self)
{
    g_autofree char *id = g_strconcat("BERTH_VM_ID=", self->id, NULL);
    g_autofree char *uid = g_strdup_printf("_UID=%u", self->is_user ? getuid() : 0);
    g_autofree char *inside = g_strconcat(self->is_user ? "_SYSTEMD_USER_UNIT=" : "_SYSTEMD_UNIT=", self->unit, NULL);
    g_autofree char *about = g_strconcat(self->is_user ? "USER_UNIT=" : "UNIT=", self->unit, NULL);
    int r = add_alternative(journal, self, id, uid, NULL);
    if (r >= 0 && self->is_user)
        r = add_alternative(journal, self, inside, uid, NULL);
    else if (r >= 0)
        r = add_alternative(journal, self, inside, NULL);
    if (r >= 0)
        r = add_alternative(journal, self, about, self->is_user ? uid : "_PID=1", NULL);
    return r;
}

/* Rights. libsystemd passes over the files that it may not read, without a word. */

static gboolean can_read(const char *parent, const char *directory, gboolean *is_denied)
{
    g_autofree char *file = g_build_filename(parent, directory, "system.journal", NULL);
    if (faccessat(AT_FDCWD, file, R_OK, AT_EACCESS) == 0)
        return TRUE;
    *is_denied = *is_denied || errno == EACCES;
    return FALSE;
}

static gboolean is_denied(const BerthUiJournalReader *self)
{
    sd_id128_t machine;
    char name[SD_ID128_STRING_MAX];
    gboolean denied = FALSE;
    if (self->directory)
        return !can_read(self->directory, "", &denied) && denied;
    if (self->is_user || sd_id128_get_machine(&machine) < 0)
        return FALSE; /* a user may read what is the user's own */
    sd_id128_to_string(machine, name);
    return !can_read("/var/log/journal", name, &denied) && !can_read("/run/log/journal", name, &denied) && denied;
}

/* Reading. */

static int open_journal(const BerthUiJournalReader *self, sd_journal **journal)
{
    if (is_denied(self))
        return -EACCES;
    int r = self->directory ? sd_journal_open_directory(journal, self->directory, 0)
                            : sd_journal_open(journal, SD_JOURNAL_LOCAL_ONLY);
    if (r >= 0)
        r = add_matches(*journal, self);
    if (r >= 0)
        r = sd_journal_set_data_threshold(*journal, BERTH_UI_JOURNAL_MESSAGE_MAX + 64);
    /* From here on what is written wakes us. */
    return r >= 0 ? sd_journal_get_fd(*journal) : r;
}

/* (transfer full) (nullable): the value of a field of the present entry */
static char *get_field(sd_journal *journal, const char *field)
{
    const void *data;
    gsize length, head = strlen(field) + 1;
    if (sd_journal_get_data(journal, field, &data, &length) < 0 || length < head)
        return NULL;
    return berth_ui_journal_text((const char *) data + head, length - head);
}

/* What says nothing of it is no more than an information. */
static guint get_priority(sd_journal *journal)
{
    guint64 priority = 6;
    g_autofree char *text = get_field(journal, "PRIORITY");
    if (text)
        (void) g_ascii_string_to_unsigned(text, 10, 0, 7, &priority, NULL);
    return (guint) priority;
}

static BerthUiJournalEntry *read_entry(sd_journal *journal)
{
    guint64 usec = 0;
    (void) sd_journal_get_realtime_usec(journal, &usec);
    char *message = get_field(journal, "MESSAGE");
    char *who = get_field(journal, "SYSLOG_IDENTIFIER");
    if (!who)
        who = get_field(journal, "_COMM");
    return berth_ui_journal_entry_new(usec, get_priority(journal), who ? who : g_strdup(""),
                                      message ? message : g_strdup(""));
}

/* From the next entry on. */
static int read_on(BerthUiJournalReader *self, sd_journal *journal)
{
    GPtrArray *entries = no_entries();
    int r = 0;
    while (!g_cancellable_is_cancelled(self->stopped) && (r = sd_journal_next(journal)) > 0) {
        g_ptr_array_add(entries, read_entry(journal));
        if (entries->len < BATCH_MAX)
            continue;
        hand_over(self, entries, NULL);
        entries = no_entries();
    }
    if (entries->len > 0)
        hand_over(self, entries, NULL);
    else
        g_ptr_array_unref(entries);
    return r;
}

/* The newest so many, and what comes after them. */
static int read_newest(BerthUiJournalReader *self, sd_journal *journal)
{
    int r = sd_journal_seek_tail(journal);
    /* One more: the entry that this leads to is the one before the next. */
    if (r >= 0)
        r = sd_journal_previous_skip(journal, self->n_max + 1);
    /* All that there are, or none yet. */
    if (r >= 0 && (guint) r <= self->n_max)
        r = sd_journal_seek_head(journal);
    if (r >= 0)
        r = read_on(self, journal);
    if (r >= 0)
        hand_over(self, no_entries(), NULL);
    return r;
}

/* In ms for poll(): libsystemd asks for a look where the file system does not tell of changes. */
static int timeout_of(sd_journal *journal)
{
    guint64 usec;
    if (sd_journal_get_timeout(journal, &usec) < 0 || usec == G_MAXUINT64)
        return -1;
    gint64 left = (gint64) usec - g_get_monotonic_time();
    return left > 0 ? (int) (left / 1000) + 1 : 0;
}

/* 0 where the journal has changed, or the reader is stopped. */
static int await_change(const BerthUiJournalReader *self, sd_journal *journal)
{
    GPollFD fds[2] = {{.fd = sd_journal_get_fd(journal), .events = (gushort) sd_journal_get_events(journal)}};
    if (!g_cancellable_make_pollfd(self->stopped, &fds[1]))
        return -EMFILE;
    int r = g_poll(fds, 2, timeout_of(journal)) < 0 && errno != EINTR ? -errno : 0;
    g_cancellable_release_fd(self->stopped);
    return r < 0 ? r : MIN(sd_journal_process(journal), 0);
}

/* A writer counts an entry before it can be found by its fields, and libsystemd looks into a file again only where there
 * are more than it has counted: what came in between would be seen with the next entry. Matches anew, it looks. */
static int look_again(const BerthUiJournalReader *self, sd_journal *journal)
{
    sd_journal_flush_matches(journal);
    return add_matches(journal, self);
}

static gpointer run(gpointer data)
{
    BerthUiJournalReader *self = data;
    sd_journal *journal = NULL;
    int r = open_journal(self, &journal);
    if (r >= 0)
        r = read_newest(self, journal);
    while (r >= 0 && !g_cancellable_is_cancelled(self->stopped)) {
        r = await_change(self, journal);
        if (r >= 0)
            r = look_again(self, journal);
        if (r >= 0)
            r = read_on(self, journal);
    }
    sd_journal_close(journal);
    if (r < 0)
        hand_over(self, no_entries(), g_error_new_literal(G_IO_ERROR, (int) g_io_error_from_errno(-r), g_strerror(-r)));
    unref_reader(self);
    return NULL;
}

BerthUiJournalReader *berth_ui_journal_reader_new(const BerthUiJournalQuery *query, BerthUiJournalFunc func,
                                                  gpointer data)
{
    BerthUiJournalReader *self = g_atomic_rc_box_new0(BerthUiJournalReader);
    self->context = g_main_context_ref_thread_default();
    self->stopped = g_cancellable_new();
    self->directory = g_strdup(query->directory);
    self->id = g_strdup(query->id);
    self->unit = g_strconcat(BERTH_UNIT_PREFIX, query->id, BERTH_UNIT_SUFFIX, NULL);
    self->is_user = query->is_user;
    self->priority = query->priority;
    self->n_max = query->n_max;
    self->func = func;
    self->data = data;
    g_thread_unref(g_thread_new("journal", run, g_atomic_rc_box_acquire(self)));
    return self;
}

void berth_ui_journal_reader_free(BerthUiJournalReader *self)
{
    g_cancellable_cancel(self->stopped);
    unref_reader(self);
}
