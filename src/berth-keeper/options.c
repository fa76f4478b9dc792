/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

/* (uid_t)-1 means "leave it" to setresuid(), and 0 would leave root what must not be: both are refused. */
#define UID_MAX (UINT32_MAX - 1)
#define TIMEOUT_MAX (7u * 24 * 3600) /* seconds */

static bool parse_number(const char *text, unsigned long min, unsigned long max, unsigned long *number)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || *end != '\0' || *text < '0' || *text > '9' || value < min || value > max) {
        fprintf(stderr, "berth-keeper: \"%s\" is no number from %lu to %lu\n", text, min, max);
        return false;
    }
    *number = value;
    return true;
}

static bool parse_option(int option, const char *value, struct options *options)
{
    unsigned long number;

    switch (option) {
    case 'i':
        options->id = value;
        return true;
    case 'n':
        options->name = value;
        return true;
    case 'u':
        if (!parse_number(value, 1, UID_MAX, &number))
            return false;
        options->has_uid = true;
        options->uid = (uint32_t) number;
        return true;
    case 't':
        if (!parse_number(value, 0, TIMEOUT_MAX, &number))
            return false;
        options->shutdown_timeout = (unsigned) number;
        return true;
    case 'e':
        if (!parse_number(value, 0, EXTRA_FDS_MAX, &number))
            return false;
        options->extra_fds = (unsigned) number;
        return true;
    default:
        return false; /* getopt_long() has said it */
    }
}

bool options_parse(int argc, char **argv, struct options *options)
{
    static const struct option known[] = {
        {"id", required_argument, NULL, 'i'},        {"name", required_argument, NULL, 'n'},
        {"uid", required_argument, NULL, 'u'},       {"shutdown-timeout", required_argument, NULL, 't'},
        {"extra-fds", required_argument, NULL, 'e'}, {0},
    };
    struct options parsed = {.shutdown_timeout = 90};

    for (int option; (option = getopt_long(argc, argv, "+", known, NULL)) != -1;)
        if (!parse_option(option, optarg, &parsed))
            return false;
    if (!parsed.id || !parsed.name || optind >= argc) {
        fputs("berth-keeper is started by berthd: --id=, --name= and, after --, QEMU's arguments are needed\n", stderr);
        return false;
    }
    parsed.qemu_argv = argv + optind;
    *options = parsed;
    return true;
}
