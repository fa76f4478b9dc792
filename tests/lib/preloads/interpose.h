/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* For libraries that are preloaded into berthd: each of its calls on files and sockets goes through two
 * hooks, which such a library defines. interpose.c has the table of calls. Plain C, and nothing here allocates.
 *
 * The hooks may use what is interposed: within them a thread reaches the C library itself. So does a child of the
 * process, which is none of it, and is not preloaded either: LD_PRELOAD is taken out of the environment. */

typedef enum {
    CALL_OPEN, /* whatever its flags are */
    CALL_WRITE,
    CALL_TRUNCATE,
    CALL_SYNC,
    CALL_RENAME,
    CALL_LINK,
    CALL_SYMLINK,
    CALL_UNLINK, /* AT_REMOVEDIR in the flags for a directory */
    CALL_MKDIR,
    CALL_MODE,
    CALL_OWNER,
    CALL_COPY, /* from one file into another, within the kernel */
    CALL_SEND, /* on a socket */
} InterposedKind;

/* What does not apply is 0, NULL, or -1 for a descriptor. */
typedef struct {
    const char *name; /* of the function */
    InterposedKind kind;
    int fd;           /* that is written, synced, changed, sent on; of CALL_COPY the one that is written */
    int dir_fd;       /* AT_FDCWD where only a path is given */
    const char *path; /* of CALL_SYMLINK the link, not what it says */
    int to_dir_fd;    /* of rename and link */
    const char *to_path;
    const void *data; /* struct iovec for the vector forms, struct msghdr for sendmsg(), a link's text */
    size_t length;    /* bytes, or how many vectors; a hook may shorten a plain write here */
    off_t offset;     /* -1: at the file's own position */
    int flags;
    mode_t mode;
    uid_t uid;
    gid_t gid;
} InterposedCall;

/* FALSE: it is not made, and fails with errno, as the hook has set it. */
bool interpose_before(InterposedCall *call);
/* What it returned. errno is the call's, and is kept whatever happens here. Not after a call that was not made. */
void interpose_after(const InterposedCall *call, ssize_t result);
