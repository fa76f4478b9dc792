/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define EXTRA_FDS_MAX 64

struct options {
    const char *id;
    const char *name;
    bool has_uid;
    uint32_t uid;
    unsigned shutdown_timeout; /* seconds */
    unsigned extra_fds;
    char *const *qemu_argv; /* NULL-terminated, at least one */
};

/* Says on stderr what is wrong and returns false. */
bool options_parse(int argc, char **argv, struct options *options);
