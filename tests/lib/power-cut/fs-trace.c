/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "fs-model.h"

static void record_free(FsRecord *record)
{
    g_free(record->name);
    g_free(record->to_name);
    g_clear_pointer(&record->data, g_bytes_unref);
    g_free(record);
}

/* The next @length bytes. */
static const char *take(GBytes *all, gsize *at, gsize length)
{
    gsize size;
    const char *bytes = g_bytes_get_data(all, &size);
    g_assert_cmpuint(length, <=, size - *at);
    *at += length;
    return bytes + *at - length;
}

static FsRecord *read_record(GBytes *all, gsize *at)
{
    FsRecord *record = g_new0(FsRecord, 1);
    FsTraceHead *head = &record->head;
    memcpy(head, take(all, at, sizeof *head), sizeof *head);
    record->name = g_strndup(take(all, at, head->name_length), head->name_length);
    record->to_name = g_strndup(take(all, at, head->to_name_length), head->to_name_length);
    record->data = g_bytes_new(take(all, at, head->data_length), head->data_length);
    return record;
}

GPtrArray *fs_trace_read(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *bytes;
    gsize length, at = 0;
    g_file_get_contents(path, &bytes, &length, &error);
    g_assert_no_error(error);
    g_autoptr(GBytes) all = g_bytes_new_take(bytes, length);
    GPtrArray *records = g_ptr_array_new_with_free_func((GDestroyNotify) record_free);
    while (at < length)
        g_ptr_array_add(records, read_record(all, &at));
    return records;
}

char *fs_record_describe(const FsRecord *record)
{
    static const char *const kinds[] = {
        [FS_TRACE_CREATE] = "create",     [FS_TRACE_LINK] = "link",         [FS_TRACE_UNLINK] = "unlink",
        [FS_TRACE_RENAME] = "rename",     [FS_TRACE_EXCHANGE] = "exchange", [FS_TRACE_WRITE] = "write",
        [FS_TRACE_TRUNCATE] = "truncate", [FS_TRACE_CONTENTS] = "contents", [FS_TRACE_META] = "mode and owner",
        [FS_TRACE_SYNC] = "sync",         [FS_TRACE_SENT] = "sent",
    };
    const FsTraceHead *head = &record->head;
    return g_strdup_printf("%s inode %" G_GUINT64_FORMAT " in %" G_GUINT64_FORMAT " %s %s", kinds[head->kind],
                           head->ino, head->dir, record->name ? record->name : "",
                           record->to_name ? record->to_name : "");
}
