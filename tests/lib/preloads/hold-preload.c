/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Preloaded into berthd: holds a step on its way to the disk until a test lets it go on. hold.h is the test's side. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hold.h"
#include "interpose.h"
#include "src/core/names.h"

#define ID_LENGTH 36

static const char *directory;

__attribute__((constructor)) static void begin_holding(void)
{
    directory = getenv(HOLD_VARIABLE);
}

static bool is(const char *name, const char *expected)
{
    return name != NULL && strcmp(name, expected) == 0;
}

static bool is_id(const char *name)
{
    return name != NULL && strlen(name) == ID_LENGTH;
}

static bool is_staged(const char *name)
{
    return name != NULL && strncmp(name, BERTH_STAGING_PREFIX, strlen(BERTH_STAGING_PREFIX)) == 0;
}

/* "disk0.raw"; an image's is called "disk", and qemu-img is another process. */
static bool is_vm_disk(const char *name)
{
    return name != NULL && strncmp(name, BERTH_FILE_DISK, strlen(BERTH_FILE_DISK)) == 0 &&
           name[strlen(BERTH_FILE_DISK)] != '\0';
}

static const char *point_of_rename(const char *from, const char *to)
{
    if (is(to, BERTH_FILE_MARKER))
        return HOLD_MARK;
    if (is(from, BERTH_FILE_MARKER))
        return HOLD_UNMARK;
    if (is(to, BERTH_FILE_DEFINITION))
        return HOLD_SAVE;
    if (is_id(to))
        return HOLD_PUBLISH;
    if (is_id(from))
        return HOLD_DOOM;
    return is_staged(to) && !is_staged(from) ? HOLD_DROP : NULL;
}

static const char *point_of(const InterposedCall *call)
{
    if (call->kind == CALL_RENAME)
        return point_of_rename(call->path, call->to_path);
    if (call->kind == CALL_UNLINK)
        return is(call->path, BERTH_FILE_WANTED) ? HOLD_WANT : is(call->path, BERTH_FILE_MARKER) ? HOLD_GONE : NULL;
    if (call->kind != CALL_OPEN)
        return NULL;
    if (call->flags & O_CREAT)
        return is(call->path, BERTH_FILE_WANTED) ? HOLD_WANT : is_vm_disk(call->path) ? HOLD_COPY : NULL;
    if (is(call->path, BERTH_FILE_MARKER))
        return HOLD_SCANNED;
    return is(call->path, BERTH_FILE_DEFINITION) ? HOLD_SCAN : NULL;
}

/* The gate is a pipe that is there while the point is held; a byte lets one through. */
static void pass(const char *point)
{
    char path[4096], byte;
    snprintf(path, sizeof path, "%s/%s", directory, point);
    int gate = open(path, O_RDONLY | O_CLOEXEC);
    if (gate < 0)
        return;
    snprintf(path, sizeof path, "%s/%s" HOLD_ARRIVED, directory, point);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    if (read(gate, &byte, 1) < 0)
        perror("hold");
    close(gate);
}

bool interpose_before(InterposedCall *call)
{
    const char *point = directory != NULL ? point_of(call) : NULL;
    if (point != NULL)
        pass(point);
    return true;
}

void interpose_after(const InterposedCall *call, ssize_t result)
{
}
