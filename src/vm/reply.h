/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Somebody who waits for the end of an operation. Answered exactly once: with success, with an error, or, where
 * the operation drops it, with Cancelled. */

typedef struct BerthReply BerthReply;

/* @error: %NULL where it went well. */
typedef void (*BerthReplyFunc)(const GError *error, gpointer data);

/* (transfer full). @free_data (nullable) is called after the answer. */
BerthReply *berth_reply_new(BerthReplyFunc func, gpointer data, GDestroyNotify free_data);

/* Answers, and takes *@reply, leaving %NULL; %NULL is fine. */
void berth_reply_return(BerthReply **reply, const GError *error);

/* Answers Cancelled. */
void berth_reply_free(BerthReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthReply, berth_reply_free)

/* Several that wait for the same end. (element-type BerthReply) (transfer full) */
GPtrArray *berth_replies_new(void);
/* Answers all; those who come meanwhile wait for the next end. */
void berth_replies_return(GPtrArray *replies, const GError *error);
