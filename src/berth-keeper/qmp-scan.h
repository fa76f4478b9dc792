/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What the keeper must know of a line of QMP, and nothing else of it. */
#define QMP_WORD_MAX 48

struct qmp_line {
    bool greeting;             /* has a member "QMP" */
    bool success;              /* "return" */
    bool failure;              /* "error" */
    char event[QMP_WORD_MAX];  /* its "event", "" where none */
    char reason[QMP_WORD_MAX]; /* its "data"'s "reason", "" where none */
};

/**
 * qmp_scan:
 * @text: one line, not NUL-terminated
 *
 * Goes through JSON token by token, without recursion or memory. Strings can hold what a guest has said; they are
 * passed over whole, so only a member that QEMU itself put at that place counts. Words with an escape in them, or too
 * long, count as none: QMP's own have none.
 *
 * Returns: whether it is one object whose brackets match, nested at most 32 deep
 */
bool qmp_scan(const char *text, size_t length, struct qmp_line *line);
