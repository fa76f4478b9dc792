/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-backlog.h"

/* Shared with GDBus' thread. */
struct BerthUiBacklog {
    GMutex lock;
    gsize max, size; /* bytes that may wait, and that do */
    gboolean is_over;
};

BerthUiBacklog *berth_ui_backlog_new(gsize max)
{
    BerthUiBacklog *backlog = g_atomic_rc_box_new0(BerthUiBacklog);
    g_mutex_init(&backlog->lock);
    backlog->max = max;
    return backlog;
}

static void clear(gpointer data)
{
    g_mutex_clear(&((BerthUiBacklog *) data)->lock);
}

void berth_ui_backlog_unref(BerthUiBacklog *backlog)
{
    g_atomic_rc_box_release_full(backlog, clear);
}

/* What GDBus hands on as an empty tuple came without a body. */
static gsize size_of(GVariant *body)
{
    return body && g_variant_n_children(body) > 0 ? g_variant_get_size(body) : 0;
}

/* Returns: whether there is room for it */
static gboolean add(BerthUiBacklog *backlog, gsize size)
{
    g_mutex_lock(&backlog->lock);
    backlog->is_over = backlog->is_over || size > backlog->max - backlog->size;
    backlog->size += backlog->is_over ? 0 : size;
    gboolean is_kept = !backlog->is_over;
    g_mutex_unlock(&backlog->lock);
    return is_kept;
}

void berth_ui_backlog_take(BerthUiBacklog *backlog, GVariant *body)
{
    g_mutex_lock(&backlog->lock);
    backlog->size -= MIN(backlog->size, BERTH_UI_BACKLOG_MESSAGE + size_of(body));
    g_mutex_unlock(&backlog->lock);
}

gboolean berth_ui_backlog_is_over(BerthUiBacklog *backlog)
{
    g_mutex_lock(&backlog->lock);
    gboolean is_over = backlog->is_over;
    g_mutex_unlock(&backlog->lock);
    return is_over;
}

/* Answers are no more than we have asked for: of them only the bodies count. */
static gsize cost_of(GDBusMessage *message)
{
    GDBusMessageType type = g_dbus_message_get_message_type(message);
    gboolean is_answer = type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR;
    return (is_answer ? 0 : BERTH_UI_BACKLOG_MESSAGE) + size_of(g_dbus_message_get_body(message));
}

/* In GDBus' thread. */
static GDBusMessage *on_message(GDBusConnection *connection, GDBusMessage *message, gboolean incoming, gpointer data)
{
    if (!incoming || add(data, cost_of(message)))
        return message;
    g_object_unref(message);
    g_dbus_connection_close(connection, NULL, NULL, NULL);
    return NULL;
}

static void unref(gpointer backlog)
{
    berth_ui_backlog_unref(backlog);
}

void berth_ui_backlog_watch(BerthUiBacklog *backlog, GDBusConnection *connection)
{
    g_dbus_connection_add_filter(connection, on_message, g_atomic_rc_box_acquire(backlog), unref);
}
