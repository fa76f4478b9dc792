/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "end-record.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <systemd/sd-id128.h>
#include <unistd.h>

#include "../core/error.h"
#include "../core/names.h"
#include "../core/record-lines.h"
#include "runtime-file.h"

#define RECORD_MAX 8192u
/* What QEMU had to say last is longer than a person reads. */
#define WORDS_MAX 4096

static const char *const keys[] = {"boot-id",        "reason",    "wait-status",   "restarts", "restarts-in-interval",
                                   "interval-began", "start-due", "limit-reached", "words",    NULL};

void berth_end_record_free(BerthEndRecord *record)
{
    g_free(record->words);
    g_free(record);
}

/* %NULL where it can't be known: then no record is one of this boot. */
static const char *boot_id(void)
{
    static char text[SD_ID128_STRING_MAX] = "";
    sd_id128_t id;
    if (!*text && sd_id128_get_boot(&id) >= 0)
        sd_id128_to_string(id, text);
    return *text ? text : NULL;
}

static char *path_of(const char *runtime_dir, const char *prefix, const char *id)
{
    return g_strconcat(runtime_dir, G_DIR_SEPARATOR_S, prefix, id, BERTH_ENDED_SUFFIX, NULL);
}

/* One line, of valid UTF-8. */
static char *make_line(const char *words)
{
    g_autofree char *valid = g_utf8_make_valid(words, -1);
    GString *line = g_string_new(NULL);
    for (const char *at = valid; *at && line->len < WORDS_MAX; at = g_utf8_next_char(at)) {
        gunichar character = g_utf8_get_char(at);
        g_string_append_unichar(line, g_unichar_iscntrl(character) ? ' ' : character);
    }
    return g_string_free(line, FALSE);
}

static char *format(const BerthEndRecord *record)
{
    g_autofree char *words = make_line(record->words);
    return g_strdup_printf("boot-id=%s\nreason=%s\nwait-status=%d\nrestarts=%u\nrestarts-in-interval=%u\n"
                           "interval-began=%" G_GINT64_FORMAT "\nstart-due=%" G_GINT64_FORMAT
                           "\nlimit-reached=%d\nwords=%s\nend\n",
                           boot_id() ? boot_id() : "", berth_exit_reason_to_string(record->reason), record->wait_status,
                           record->restarts.n_restarts, record->restarts.n_in_interval, record->restarts.interval_began,
                           record->start_due, record->limit_reached, words);
}

static gboolean make_directory(const char *path, GError **error)
{
    if (mkdir(path, 0755) == 0 || errno == EEXIST)
        return TRUE;
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make %s", path);
    return FALSE;
}

gboolean berth_end_record_write(const char *runtime_dir, const char *id, const BerthEndRecord *record, GError **error)
{
    g_autofree char *name = g_strconcat(id, BERTH_ENDED_SUFFIX, NULL);
    g_autofree char *text = format(record);

    return make_directory(runtime_dir, error) && berth_runtime_replace_file(runtime_dir, name, text, error);
}

static gboolean parse_numbers(GHashTable *lines, BerthEndRecord *record, GError **error)
{
    gint64 restarts, in_interval, limit;

    if (!berth_record_lines_number(lines, "restarts", 0, G_MAXINT32, &restarts, error) ||
        !berth_record_lines_number(lines, "restarts-in-interval", 0, G_MAXINT32, &in_interval, error) ||
        !berth_record_lines_number(lines, "interval-began", 0, BERTH_RECORD_TIME_MAX, &record->restarts.interval_began,
                                   error) ||
        !berth_record_lines_number(lines, "start-due", 0, BERTH_RECORD_TIME_MAX, &record->start_due, error) ||
        !berth_record_lines_number(lines, "limit-reached", 0, 1, &limit, error))
        return FALSE;
    record->restarts.n_restarts = (guint) restarts;
    record->restarts.n_in_interval = (guint) in_interval;
    record->limit_reached = limit != 0;
    return TRUE;
}

static gboolean parse_end(GHashTable *lines, BerthEndRecord *record, GError **error)
{
    const int reason = berth_exit_reason_from_string(g_hash_table_lookup(lines, "reason"));
    gint64 status = -1;

    if (reason < 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "In the record, reason has no valid value");
        return FALSE;
    }
    record->reason = (BerthExitReason) reason;
    if (g_strcmp0(g_hash_table_lookup(lines, "wait-status"), "-1") != 0 &&
        !berth_record_lines_number(lines, "wait-status", 0, 0xffff, &status, error))
        return FALSE;
    record->wait_status = (int) status;
    return TRUE;
}

static BerthEndRecord *parse(const char *text, gsize length, GError **error)
{
    g_autoptr(GHashTable) lines = berth_record_lines_parse(text, length, RECORD_MAX, keys, error);
    g_autoptr(BerthEndRecord) record = g_new0(BerthEndRecord, 1);

    if (!lines || !parse_end(lines, record, error) || !parse_numbers(lines, record, error))
        return NULL;
    if (!boot_id() || g_strcmp0(g_hash_table_lookup(lines, "boot-id"), boot_id()) != 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND, "The record is of an earlier boot");
        return NULL;
    }
    record->words = make_line(g_hash_table_lookup(lines, "words"));
    return g_steal_pointer(&record);
}

BerthEndRecord *berth_end_record_read(const char *runtime_dir, const char *id, GError **error)
{
    gsize length;
    g_autofree char *name = g_strconcat(id, BERTH_ENDED_SUFFIX, NULL);
    g_autofree char *text = berth_runtime_read_file(runtime_dir, name, RECORD_MAX, &length, error);

    return text ? parse(text, length, error) : NULL;
}

static gboolean delete (const char *path, GError **error)
{
    if (unlink(path) == 0 || errno == ENOENT)
        return TRUE;
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "delete %s", path);
    return FALSE;
}

gboolean berth_end_record_remove(const char *runtime_dir, const char *id, GError **error)
{
    g_autofree char *path = path_of(runtime_dir, "", id);
    g_autofree char *temporary = path_of(runtime_dir, BERTH_STAGING_PREFIX, id);

    return delete (temporary, error) && delete (path, error);
}
