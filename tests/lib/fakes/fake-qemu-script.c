/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-qemu-script.h"

#include <err.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define RULES_MAX 64
#define SCRIPT_MAX 16384

static Rule rules[RULES_MAX];
static int n_rules;
static int directory_fd = -1, log_fd = -1, watch_fd = -1;

static char *next_word(char **rest)
{
    *rest += strspn(*rest, " \t");
    char *word = *rest;
    *rest += strcspn(*rest, " \t");
    if (**rest != '\0')
        *(*rest)++ = '\0';
    return word;
}

/* "serial poweroff" and "file gone" are one trigger each. */
static const char *next_trigger(char **rest)
{
    char *first = next_word(rest);
    if (strcmp(first, "serial") != 0 && strcmp(first, "file") != 0)
        return first;
    char *trigger;
    if (asprintf(&trigger, "%s %s", first, next_word(rest)) < 0)
        err(96, "fake-qemu: no memory");
    return trigger;
}

static void add_rule(char *line)
{
    char *keyword = next_word(&line);
    if (*keyword == '\0' || *keyword == '#')
        return;
    bool once = strcmp(keyword, "once") == 0;
    if ((!once && strcmp(keyword, "on") != 0) || n_rules == RULES_MAX)
        errx(96, "fake-qemu: a script's line begins with \"%s\", not with on or once (or there are too many)", keyword);
    Rule *rule = &rules[n_rules++];
    *rule = (Rule){.once = once, .trigger = next_trigger(&line), .action = next_word(&line)};
    rule->rest = line + strspn(line, " \t");
    if (*rule->action == '\0')
        errx(96, "fake-qemu: a script says no action for \"%s\"", rule->trigger);
}

static void load_rules(const char *name)
{
    static char text[SCRIPT_MAX]; /* the rules point into it */
    char file[256];
    snprintf(file, sizeof file, "%s.script", name);
    int fd = openat(directory_fd, file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    ssize_t length = read(fd, text, sizeof text - 1);
    close(fd);
    if (length < 0 || length == (ssize_t) sizeof text - 1)
        errx(96, "fake-qemu: %s can't be read, or is too long", file);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n")) != NULL;)
        add_rule(line);
}

void script_load(const char *directory, const char *name)
{
    char file[256];
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0)
        err(96, "fake-qemu: %s", directory);
    snprintf(file, sizeof file, "%s.log", name);
    /* Where it may not be written (the VM's user is not the test's), nothing is logged. */
    log_fd = openat(directory_fd, file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (watch_fd < 0 || inotify_add_watch(watch_fd, directory, IN_CREATE | IN_MOVED_TO) < 0)
        err(96, "fake-qemu: watch %s", directory);
    load_rules(name);
}

Rule *script_next(const char *trigger, const Rule *last)
{
    for (Rule *rule = last != NULL ? rules + (last - rules) + 1 : rules; rule < rules + n_rules; rule++) {
        if (rule->spent || strcmp(rule->trigger, trigger) != 0)
            continue;
        rule->spent = rule->once;
        return rule;
    }
    return NULL;
}

Rule *script_next_file(void)
{
    for (Rule *rule = rules; rule < rules + n_rules; rule++) {
        if (rule->spent || strncmp(rule->trigger, "file ", 5) != 0 || !script_file_exists(rule->trigger + 5))
            continue;
        rule->spent = true;
        return rule;
    }
    return NULL;
}

bool script_file_exists(const char *name)
{
    return faccessat(directory_fd, name, F_OK, 0) == 0;
}

void script_log(const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    if (length < 0)
        return;
    if (length > (int) sizeof line - 2)
        length = sizeof line - 2;
    line[length] = '\n';
    if (log_fd >= 0 && write(log_fd, line, (size_t) length + 1) < 0)
        warn("fake-qemu: log");
}

int script_watch_fd(void)
{
    return watch_fd;
}

void script_watch_drain(void)
{
    char events[4096];
    while (read(watch_fd, events, sizeof events) > 0)
        continue;
}

void script_await_file(const char *name)
{
    fcntl(watch_fd, F_SETFL, 0);
    char events[4096];
    while (!script_file_exists(name))
        if (read(watch_fd, events, sizeof events) < 0)
            err(96, "fake-qemu: wait for %s", name);
    fcntl(watch_fd, F_SETFL, O_NONBLOCK);
}
