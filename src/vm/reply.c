/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reply.h"

#include "../core/error.h"

struct BerthReply {
    BerthReplyFunc func;
    gpointer data;
    GDestroyNotify free_data;
};

BerthReply *berth_reply_new(BerthReplyFunc func, gpointer data, GDestroyNotify free_data)
{
    BerthReply *reply = g_new0(BerthReply, 1);
    reply->func = func;
    reply->data = data;
    reply->free_data = free_data;
    return reply;
}

void berth_reply_return(BerthReply **reply, const GError *error)
{
    BerthReply *taken = g_steal_pointer(reply);
    if (!taken)
        return;
    taken->func(error, taken->data);
    if (taken->free_data)
        taken->free_data(taken->data);
    g_free(taken);
}

void berth_reply_free(BerthReply *reply)
{
    if (!reply)
        return;
    g_autoptr(GError) cancelled = g_error_new_literal(
        BERTH_ERROR, BERTH_ERROR_CANCELLED, "The operation was cancelled, by a later one or by the end of berthd");
    berth_reply_return(&reply, cancelled);
}

GPtrArray *berth_replies_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify) berth_reply_free);
}

void berth_replies_return(GPtrArray *replies, const GError *error)
{
    gsize n = 0;
    g_autofree gpointer *taken = g_ptr_array_steal(replies, &n);
    for (gsize i = 0; i < n; i++) {
        BerthReply *reply = taken[i];
        berth_reply_return(&reply, error);
    }
}
