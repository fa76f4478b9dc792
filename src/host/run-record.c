/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "../core/error.h"
#include "../core/names.h"
#include "../core/record-lines.h"
#include "runtime-dir.h"
#include "runtime-file.h"

#define RUN_RECORD_MAX 8192u

static const char *const keys[] = {"incarnation", "cid", "keeper-pid", "qemu-pid", "control-group", "started", NULL};

void berth_run_record_free(BerthRunRecord *record)
{
    g_free(record->incarnation);
    g_free(record->control_group);
    g_free(record);
}

gboolean berth_runtime_write_run(const char *runtime_dir, const char *id, const BerthRunRecord *record, GError **error)
{
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *text = g_strdup_printf(
        "incarnation=%s\ncid=%u\nkeeper-pid=%d\nqemu-pid=%d\ncontrol-group=%s\nstarted=%" G_GINT64_FORMAT
        "\noperation=%s\nuntil=%" G_GINT64_FORMAT "\nby-agent-alone=%d\nend\n",
        record->incarnation, record->cid, (int) record->keeper_pid, (int) record->qemu_pid, record->control_group,
        record->started, berth_operation_to_string(record->operation), record->until, record->by_agent_alone);

    if (strchr(record->incarnation, '\n') || strchr(record->control_group, '\n')) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "A run record's values are of one line each");
        return FALSE;
    }
    return berth_runtime_replace_file(dir, BERTH_FILE_RUN, text, error);
}

/* One that is not there is of before an upgrade; one that only a later version knows has ended with it. */
static gboolean parse_operation(GHashTable *lines, BerthRunRecord *record, GError **error)
{
    const char *word = g_hash_table_lookup(lines, "operation");
    const int operation = word ? berth_operation_from_string(word) : -1;

    record->operation = operation < 0 ? BERTH_RECORD_RUN : (BerthRecordFound) operation;
    record->by_agent_alone = g_strcmp0(g_hash_table_lookup(lines, "by-agent-alone"), "1") == 0;
    return !g_hash_table_contains(lines, "until") ||
           berth_record_lines_number(lines, "until", 0, BERTH_RECORD_TIME_MAX, &record->until, error);
}

static gboolean parse_numbers(GHashTable *lines, BerthRunRecord *record, GError **error)
{
    gint64 cid, keeper_pid, qemu_pid;

    if (!berth_record_lines_number(lines, "cid", 0, G_MAXUINT32, &cid, error) ||
        !berth_record_lines_number(lines, "keeper-pid", 1, G_MAXINT, &keeper_pid, error) ||
        !berth_record_lines_number(lines, "qemu-pid", 0, G_MAXINT, &qemu_pid, error) ||
        !berth_record_lines_number(lines, "started", 0, BERTH_RECORD_TIME_MAX, &record->started, error))
        return FALSE;
    record->cid = (guint32) cid;
    record->keeper_pid = (pid_t) keeper_pid;
    record->qemu_pid = (pid_t) qemu_pid;
    return TRUE;
}

static BerthRunRecord *parse(const char *text, gsize length, GError **error)
{
    g_autoptr(GHashTable) lines = berth_record_lines_parse(text, length, RUN_RECORD_MAX, keys, error);
    g_autoptr(BerthRunRecord) record = g_new0(BerthRunRecord, 1);

    if (!lines || !parse_numbers(lines, record, error) || !parse_operation(lines, record, error))
        return NULL;
    record->incarnation = g_strdup(g_hash_table_lookup(lines, "incarnation"));
    record->control_group = g_strdup(g_hash_table_lookup(lines, "control-group"));
    return g_steal_pointer(&record);
}

BerthRunRecord *berth_runtime_read_run(const char *runtime_dir, const char *id, GError **error)
{
    gsize length;
    g_autofree char *dir = g_build_filename(runtime_dir, id, NULL);
    g_autofree char *text = berth_runtime_read_file(dir, BERTH_FILE_RUN, RUN_RECORD_MAX, &length, error);

    return text ? parse(text, length, error) : NULL;
}
