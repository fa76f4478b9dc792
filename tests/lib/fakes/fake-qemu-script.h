/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>

/* The script that steers a fake QEMU; its language is told in fake-qemu.c. */
typedef struct Rule {
    bool once;
    const char *trigger;
    const char *action;
    const char *rest; /* the action's operands, "" for none */
    bool spent;
} Rule;

/* Reads <directory>/<name>.script; none is an empty one. Ends the process where a line is wrong. */
void script_load(const char *directory, const char *name);
/* The next rule for @trigger after @last (NULL: the first), NULL where there is none; a rule for once is spent then. */
Rule *script_next(const char *trigger, const Rule *last);
/* Same, for triggers "file X" whose X is there now. Each comes once. */
Rule *script_next_file(void);
bool script_file_exists(const char *name);
/* Appends a line to <directory>/<name>.log: what a test can check afterwards, or wait for. */
void script_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Readable whenever something has appeared in the directory. */
int script_watch_fd(void);
void script_watch_drain(void);
/* Blocks until the file is there: for what comes before there is a loop. */
void script_await_file(const char *name);
