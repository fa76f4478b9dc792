/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree-delete.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/printable.h"
#include "durable-file.h"

/* Depth first, with one open directory at a time: down by openat(), up by "..", which is believed only where it is the
 * directory that we came from. Files are unlinked while a directory is read, its directories are remembered, a
 * batch at a time, and entered afterwards. */

/* How many directories' names are remembered for one level. */
#define BATCH_MAX 1024u
/* How often a directory that others fill while we empty it is read again. */
#define PASSES_MAX 16u

typedef struct {
    dev_t dev;
    ino_t ino;
    guint64 mount; /* 0 where the kernel does not tell */
} Place;

/* A directory on the way from the tree's parent to where we are. */
typedef struct {
    char *name; /* in the directory above */
    Place place;
    GPtrArray *below; /* (element-type filename) directories to be entered yet */
    guint stuck;      /* directories below that would not go: the first ones that the next pass reads */
    guint passes;
    gboolean more;   /* to be read once more, e.g. since the batch was full */
    gboolean failed; /* something in it, at any depth, would not go */
} Level;

typedef struct {
    GPtrArray *levels; /* (element-type Level): the tree's parent, the tree's top, ... */
    int fd;            /* the innermost level's directory */
    const char *const *last;
    char *blocker; /* the first one */
    _Alignas(struct dirent64) char buffer[32768];
} Walk;

static void level_free(Level *level)
{
    g_free(level->name);
    g_ptr_array_unref(level->below);
    g_free(level);
}

static Level *innermost(Walk *walk)
{
    return walk->levels->pdata[walk->levels->len - 1];
}

static gboolean is_parent(Walk *walk)
{
    return walk->levels->len == 1;
}

static gboolean is_top(Walk *walk)
{
    return walk->levels->len == 2;
}

/* The path of @name in the directory that we are in, from the tree's top; the top itself by its name. */
static char *path_of(Walk *walk, const char *name)
{
    g_autoptr(GString) path = g_string_new(NULL);
    for (guint i = 2; i < walk->levels->len; i++)
        g_string_append_printf(path, "%s/", ((Level *) walk->levels->pdata[i])->name);
    g_string_append(path, name);
    return berth_printable(path->len > 0 ? path->str : innermost(walk)->name);
}

/* What the kernel says of @name in @dir_fd beside errno. */
static guint64 attributes_of(int dir_fd, const char *name)
{
    struct statx st;
    int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | (*name ? 0 : AT_EMPTY_PATH);
    return statx(dir_fd, name, flags, 0, &st) == 0 ? st.stx_attributes : 0;
}

static char *reason_of(int dir_fd, const char *name, int errnum)
{
    guint64 attributes = attributes_of(dir_fd, name);
    guint64 above = attributes_of(dir_fd, "");
    guint64 keeping = STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND;
    if ((errnum == EBUSY || errnum == EXDEV) && attributes & STATX_ATTR_MOUNT_ROOT)
        return g_strdup_printf("is a mount point (%s)", g_strerror(EBUSY));
    if (errnum == EPERM && attributes & keeping)
        return g_strdup_printf("has the immutable or append-only attribute, see lsattr (%s)", g_strerror(errnum));
    if (errnum == EPERM && above & keeping)
        return g_strdup_printf("is in a directory with the immutable or append-only attribute, see lsattr (%s)",
                               g_strerror(errnum));
    if (errnum == EXDEV)
        return g_strdup("is on another file system");
    if (errnum == ESTALE)
        return g_strdup("was moved while it was being deleted");
    return g_strdup_printf("can't be deleted: %s", g_strerror(errnum));
}

static void fail_at(Walk *walk, const char *name, int errnum)
{
    innermost(walk)->failed = TRUE;
    if (walk->blocker)
        return;
    g_autofree char *path = path_of(walk, name);
    g_autofree char *reason = reason_of(walk->fd, name, errnum);
    walk->blocker = g_strconcat(path, " ", reason, NULL);
}

/* Where a directory is, and whether it is ours and closed to us. */
static gboolean look(int fd, Place *place, gboolean *locked)
{
    struct statx st;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, &st) < 0)
        return FALSE;
    place->dev = makedev(st.stx_dev_major, st.stx_dev_minor);
    place->ino = st.stx_ino;
    place->mount = st.stx_mask & STATX_MNT_ID ? st.stx_mnt_id : 0;
    if (locked)
        *locked = st.stx_uid == geteuid() && (st.stx_mode & S_IRWXU) != S_IRWXU;
    return TRUE;
}

static gboolean same_mount(const Place *a, const Place *b)
{
    return a->mount && b->mount ? a->mount == b->mount : a->dev == b->dev;
}

/* Opens what we may not even read, where it is ours: its mode is changed through a descriptor, since by name we might
 * be given something else meanwhile. */
static int open_locked(int dir_fd, const char *name)
{
    BERTH_AUTOFD path_fd = openat(dir_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    Place place;
    gboolean locked;
    if (path_fd < 0)
        return -1;
    if (!look(path_fd, &place, &locked) || !locked) {
        errno = EACCES;
        return -1;
    }
    g_autofree char *magic = g_strdup_printf("/proc/self/fd/%d", path_fd);
    if (chmod(magic, S_IRWXU) < 0)
        return -1;
    return openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

/* An open directory on the tree's own mount, that we may write to; -1 with errno. */
static int open_below(Walk *walk, const char *name, Place *place)
{
    const Level *parent = walk->levels->pdata[0];
    BERTH_AUTOFD fd = openat(walk->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        fd = open_locked(walk->fd, name);
    gboolean locked;
    if (fd < 0 || !look(fd, place, &locked))
        return -1;
    if (!same_mount(place, &parent->place)) {
        errno = EXDEV;
        return -1;
    }
    /* Where that fails, unlinking will say why. */
    if (locked && fchmod(fd, S_IRWXU) < 0)
        g_debug("Can't change the mode of a directory: %s", g_strerror(errno));
    return berth_steal_fd(&fd);
}

static void push_level(Walk *walk, const char *name, const Place *place, int fd)
{
    Level *level = g_new0(Level, 1);
    level->name = g_strdup(name);
    level->place = *place;
    level->below = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(walk->levels, level);
    berth_autofd_close(&walk->fd);
    walk->fd = fd;
}

/* TRUE where we are in it now. */
static gboolean enter(Walk *walk, const char *name)
{
    Place place;
    int fd = open_below(walk, name, &place);
    if (fd >= 0) {
        push_level(walk, name, &place, fd);
        return TRUE;
    }
    if (errno != ENOENT) {
        fail_at(walk, name, errno);
        innermost(walk)->stuck++;
    }
    return FALSE;
}

/* Unlinks what is no directory. A directory is left to the caller: FALSE. */
static gboolean unlink_file(Walk *walk, const char *name)
{
    if (unlinkat(walk->fd, name, 0) == 0 || errno == ENOENT)
        return TRUE;
    int errnum = errno;
    struct stat st;
    /* On a directory Linux says EISDIR, or whatever else it checks first. */
    if (fstatat(walk->fd, name, &st, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && S_ISDIR(st.st_mode))
        return FALSE;
    fail_at(walk, name, errnum);
    return TRUE;
}

static gboolean goes_last(Walk *walk, const char *name)
{
    return is_top(walk) && walk->last && g_strv_contains(walk->last, name);
}

/* The names that stay keep their place in the directory: what is stuck comes first, and needs no second try. */
static void remember(Level *level, const char *name, guint *seen)
{
    if ((*seen)++ < level->stuck)
        return;
    if (level->below->len < BATCH_MAX)
        g_ptr_array_add(level->below, g_strdup(name));
    else
        level->more = TRUE;
}

static void handle(Walk *walk, const struct dirent64 *entry, guint *seen)
{
    const char *name = entry->d_name;
    if (g_str_equal(name, ".") || g_str_equal(name, "..") || goes_last(walk, name))
        return;
    if (entry->d_type == DT_DIR || !unlink_file(walk, name))
        remember(innermost(walk), name, seen);
}

/* One pass over the directory that we are in. */
static void read_level(Walk *walk)
{
    Level *level = innermost(walk);
    guint seen = 0;
    level->more = FALSE;
    level->passes++;
    ssize_t n = lseek(walk->fd, 0, SEEK_SET);
    while (n >= 0 && (n = getdents64(walk->fd, walk->buffer, sizeof walk->buffer)) > 0) {
        for (ssize_t at = 0; at < n;) {
            const struct dirent64 *entry = (const struct dirent64 *) (walk->buffer + at);
            handle(walk, entry, &seen);
            at += entry->d_reclen;
        }
    }
    if (n < 0 && errno != ENOENT)
        fail_at(walk, "", errno);
}

/* Back to the directory above, which somebody may have exchanged meanwhile. */
static gboolean go_up(Walk *walk)
{
    const Level *above = walk->levels->pdata[walk->levels->len - 2];
    BERTH_AUTOFD fd = openat(walk->fd, "..", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    Place place;
    if (fd < 0 || !look(fd, &place, NULL))
        return FALSE;
    if (place.dev != above->place.dev || place.ino != above->place.ino || !same_mount(&place, &above->place)) {
        errno = ESTALE;
        return FALSE;
    }
    berth_autofd_close(&walk->fd);
    walk->fd = berth_steal_fd(&fd);
    return TRUE;
}

/* We are above it again. */
static void remove_directory(Walk *walk, const char *name, guint passes)
{
    if (unlinkat(walk->fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
        return;
    /* Something came meanwhile, or the file system hides entries while others are deleted. */
    if ((errno == ENOTEMPTY || errno == EEXIST) && passes < PASSES_MAX) {
        if (enter(walk, name)) {
            innermost(walk)->passes = passes;
            innermost(walk)->more = TRUE;
        }
        return;
    }
    fail_at(walk, name, errno);
    innermost(walk)->stuck++;
}

/* Out of the innermost directory, which goes where it is empty. FALSE where the way up is lost. */
static gboolean leave(Walk *walk)
{
    if (is_top(walk) && !innermost(walk)->failed && fsync(walk->fd) < 0)
        fail_at(walk, "", errno);
    if (!go_up(walk)) {
        fail_at(walk, "", errno);
        return FALSE;
    }
    Level *level = g_ptr_array_steal_index(walk->levels, walk->levels->len - 1);
    if (level->failed) {
        innermost(walk)->failed = TRUE;
        innermost(walk)->stuck++;
    } else {
        remove_directory(walk, level->name, level->passes);
    }
    level_free(level);
    return TRUE;
}

/* Everything else has gone: the next of those that go last. */
static gboolean take_last(Walk *walk)
{
    while (walk->last && *walk->last && !innermost(walk)->failed) {
        const char *name = *walk->last++;
        if (!unlink_file(walk, name)) {
            g_ptr_array_add(innermost(walk)->below, g_strdup(name));
            return TRUE;
        }
    }
    return FALSE;
}

/* FALSE at the end. */
static gboolean step(Walk *walk)
{
    Level *level = innermost(walk);
    if (level->below->len > 0) {
        g_autofree char *name = g_ptr_array_steal_index(level->below, level->below->len - 1);
        enter(walk, name);
        return TRUE;
    }
    if (is_parent(walk))
        return FALSE;
    if (level->passes == 0 || level->more) {
        read_level(walk);
        return TRUE;
    }
    return (is_top(walk) && take_last(walk)) || leave(walk);
}

static Walk *walk_new(int parent_fd, const char *const *last, GError **error)
{
    Place place;
    int fd = berth_dir_open(parent_fd, ".", error);
    if (fd < 0)
        return NULL;
    if (!look(fd, &place, NULL)) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at a directory");
        close(fd);
        return NULL;
    }
    Walk *walk = g_new0(Walk, 1);
    walk->levels = g_ptr_array_new_with_free_func((GDestroyNotify) level_free);
    walk->last = last;
    walk->fd = -1;
    push_level(walk, "", &place, fd);
    return walk;
}

static void walk_free(Walk *walk)
{
    g_ptr_array_unref(walk->levels);
    berth_autofd_close(&walk->fd);
    g_free(walk->blocker);
    g_free(walk);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Walk, walk_free)

static gboolean delete_entry(int parent_fd, const char *name, const char *const *last, GError **error)
{
    g_autoptr(Walk) walk = walk_new(parent_fd, last, error);
    if (!walk)
        return FALSE;
    if (!unlink_file(walk, name)) {
        g_ptr_array_add(innermost(walk)->below, g_strdup(name));
        while (step(walk))
            ;
    }
    if (!walk->blocker)
        return berth_dir_sync(parent_fd, error);
    g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, walk->blocker);
    return FALSE;
}

gboolean berth_tree_delete(int parent_fd, const char *name, const char *const *last, char **blocker, GError **error)
{
    g_autoptr(GError) failure = NULL;
    if (delete_entry(parent_fd, name, last, &failure))
        return TRUE;
    if (blocker)
        *blocker = g_strdup(failure->message);
    g_autofree char *shown = berth_printable(name);
    g_propagate_prefixed_error(error, g_steal_pointer(&failure), "Can't delete all of %s: ", shown);
    return FALSE;
}

gboolean berth_tree_sweep(int dir_fd, const char *prefix, GError **error)
{
    g_autoptr(GError) first = NULL;
    g_autoptr(GPtrArray) names = berth_dir_list(dir_fd, &first);
    for (guint i = 0; names && i < names->len; i++)
        if (g_str_has_prefix(names->pdata[i], prefix))
            berth_tree_delete(dir_fd, names->pdata[i], NULL, NULL, first ? NULL : &first);
    gboolean ok = !first;
    if (first)
        g_propagate_error(error, g_steal_pointer(&first));
    return ok;
}
