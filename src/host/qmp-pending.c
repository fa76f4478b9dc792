/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-pending.h"

#include "../core/autofd.h"

void berth_qmp_pending_answer(BerthQmpPending *pending, JsonNode *result, const GError *error)
{
    pending->done(result, error, pending->data);
    g_free(pending->command);
    g_free(pending->line);
    berth_autofd_close(&pending->fd);
    g_clear_error(&pending->refusal);
    g_free(pending);
}

gint64 berth_qmp_pending_deadline(const GQueue *queue)
{
    gint64 first = -1;
    for (const GList *l = queue->head; l != NULL; l = l->next) {
        const BerthQmpPending *pending = l->data;
        if (first < 0 || pending->deadline < first)
            first = pending->deadline;
    }
    return first;
}

static BerthQmpPending *take_link(GQueue *queue, GList *link)
{
    BerthQmpPending *pending = link->data;
    g_queue_delete_link(queue, link);
    return pending;
}

BerthQmpPending *berth_qmp_pending_take_expired(GQueue *queue, gint64 now)
{
    for (GList *l = queue->head; l != NULL; l = l->next)
        if (((BerthQmpPending *) l->data)->deadline <= now)
            return take_link(queue, l);
    return NULL;
}

BerthQmpPending *berth_qmp_pending_take(GQueue *queue, guint64 id)
{
    for (GList *l = queue->head; l != NULL; l = l->next) {
        const BerthQmpPending *pending = l->data;
        if (pending->id == id && pending->refusal == NULL)
            return take_link(queue, l);
    }
    return NULL;
}
