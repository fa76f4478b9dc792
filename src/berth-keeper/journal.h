/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The journal, by its native protocol (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram a message, without libsystemd,
 * whose libraries alone would take more memory than all of the keeper. Never blocks: where the journal is absent or
 * takes no more, the message is lost, and the log file has it. */

#define JOURNAL_ERROR 3
#define JOURNAL_WARNING 4
#define JOURNAL_NOTICE 5
#define JOURNAL_INFO 6

/* @vm, @id: of the VM that all messages are about; borrowed. */
void journal_open(const char *vm, const char *id);
/* @message: one line of UTF-8. */
void journal_send(const char *identifier, int priority, const char *message);
/* The same for what a guest can make as much of as it likes: at most 1000 messages in 10 seconds, then a word on how
 * many were left out. journald limits as well, but only what has reached it, at the whole host's expense. */
struct journal_limit {
    long window_end; /* CLOCK_MONOTONIC, seconds */
    unsigned count;
};
void journal_send_limited(struct journal_limit *limit, const char *identifier, int priority, const char *message);
/* A message of the keeper's own. */
void journal_say(int priority, const char *format, ...) __attribute__((format(printf, 2, 3)));
