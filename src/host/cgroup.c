/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "cgroup.h"
#include "process.h"

#define DEPTH_MAX 16u /* of cgroups in a VM's own: nobody makes more than one or two */
#define PIDS_TEXT_MAX (1024u * 1024u)

/* They are small but of no known size. */
char *berth_kernel_file_read(int dir_fd, const char *name, int *errnum)
{
    BERTH_AUTOFD fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        *errnum = errno;
        return NULL;
    }

    g_autoptr(GString) text = g_string_new(NULL);
    char buffer[4096];
    for (;;) {
        ssize_t n = read(fd, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 || text->len > PIDS_TEXT_MAX) {
            *errnum = n < 0 ? errno : EFBIG;
            return NULL;
        }
        if (n == 0)
            return g_string_free(g_steal_pointer(&text), FALSE);
        g_string_append_len(text, buffer, n);
    }
}

/* One line of /proc/self/mountinfo: "36 35 98:0 /root /mount/point options - type source options". */
static char *mount_point_of(const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    const guint n = g_strv_length(words);

    for (guint i = 6; i + 1 < n; i++)
        if (g_str_equal(words[i], "-"))
            return g_str_equal(words[i + 1], "cgroup2") ? g_strcompress(words[4]) : NULL; /* \040 for a blank */
    return NULL;
}

static char *find_mount_point(void)
{
    int errnum;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, "/proc/self/mountinfo", &errnum);
    g_auto(GStrv) lines = g_strsplit(text ? text : "", "\n", -1);

    for (guint i = 0; lines[i]; i++) {
        char *mount_point = mount_point_of(lines[i]);
        if (mount_point)
            return mount_point;
    }
    return NULL;
}

/* Where the unified hierarchy is: /sys/fs/cgroup, or elsewhere on hosts that also mount the old ones. It does not move
 * while the host is up. */
static const char *mount_point(GError **error)
{
    static char *found;

    if (!found)
        found = find_mount_point();
    if (!found)
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED,
                    "No unified cgroup hierarchy (cgroup2) is mounted on this host");
    return found;
}

/* A path that leads elsewhere would make "does not exist" a lie. */
char *berth_cgroup_directory(const char *path, GError **error)
{
    const char *top = mount_point(error);
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    if (!top)
        return NULL;
    if (*path != '/' || g_strv_contains((const char *const *) parts, "..")) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "\"%s\" is no path of a cgroup", path);
        return NULL;
    }
    return g_strconcat(top, path, NULL);
}

char *berth_cgroup_of(pid_t pid, GError **error)
{
    g_autofree char *name = g_strdup_printf("/proc/%d/cgroup", (int) pid);
    int errnum = 0;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, name, &errnum);

    if (!text) {
        berth_error_set_errno(error, BERTH_ERROR_NOT_FOUND, errnum, "find the cgroup of process %d", (int) pid);
        return NULL;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++)
        if (g_str_has_prefix(lines[i], "0::/"))
            return g_strdup(lines[i] + strlen("0::"));
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED, "Process %d is in no unified cgroup", (int) pid);
    return NULL;
}

static char *vm_of_component(const char *component)
{
    if (!g_str_has_prefix(component, BERTH_UNIT_PREFIX) || !g_str_has_suffix(component, BERTH_UNIT_SUFFIX))
        return NULL;

    const gsize length = strlen(component) - strlen(BERTH_UNIT_SUFFIX);
    g_autofree char *id = g_strndup(component, length);
    memmove(id, id + strlen(BERTH_UNIT_PREFIX), length + 1 - strlen(BERTH_UNIT_PREFIX));
    g_autofree char *lower = g_ascii_strdown(id, -1);
    return g_uuid_string_is_valid(id) && g_str_equal(id, lower) ? g_steal_pointer(&id) : NULL;
}

char *berth_cgroup_vm_of(pid_t pid)
{
    g_autofree char *path = berth_cgroup_of(pid, NULL);
    g_auto(GStrv) components = g_strsplit(path ? path : "", "/", -1);

    for (guint i = 0; components[i]; i++) {
        char *id = vm_of_component(components[i]);
        if (id)
            return id;
    }
    return NULL;
}

/* A cgroup that is removed while one of its files is open answers ENODEV. */
static gboolean means_gone(int errnum)
{
    return errnum == ENOENT || errnum == ENODEV;
}

gboolean berth_cgroup_is_empty(const char *path, gboolean *empty, GError **error)
{
    g_autofree char *directory = berth_cgroup_directory(path, error);
    if (!directory)
        return FALSE;

    g_autofree char *name = g_build_filename(directory, "cgroup.events", NULL);
    int errnum = 0;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, name, &errnum);
    /* The root has no such file; so the directory must be gone as well. */
    if (!text && means_gone(errnum) && access(directory, F_OK) < 0 && errno == ENOENT) {
        *empty = TRUE;
        return TRUE;
    }
    if (!text) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, errnum, "read %s", name);
        return FALSE;
    }

    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const gboolean none = g_strv_contains((const char *const *) lines, "populated 0");
    if (!none && !g_strv_contains((const char *const *) lines, "populated 1")) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_UNSUPPORTED, "%s does not say whether it is populated", name);
        return FALSE;
    }
    *empty = none;
    return TRUE;
}

static void add_pids(GArray *pids, const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

    for (guint i = 0; lines[i]; i++) {
        gint64 number;
        /* 0 stands for a process of another PID namespace: it has no name here. */
        if (!g_ascii_string_to_signed(lines[i], 10, 1, G_MAXINT, &number, NULL))
            continue;
        gint pid = (gint) number;
        g_array_append_val(pids, pid);
    }
}

static gboolean collect_pids(const char *directory, guint depth, GArray *pids, GError **error)
{
    g_autofree char *name = g_build_filename(directory, "cgroup.procs", NULL);
    int errnum = 0;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, name, &errnum);

    /* EOPNOTSUPP: a threaded one; its processes are listed above it. */
    if (!text && !means_gone(errnum) && errnum != EOPNOTSUPP) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, errnum, "read %s", name);
        return FALSE;
    }
    add_pids(pids, text ? text : "");

    g_autoptr(GDir) dir = depth < DEPTH_MAX ? g_dir_open(directory, 0, NULL) : NULL;
    for (const char *entry; dir && (entry = g_dir_read_name(dir));) {
        g_autofree char *below = g_build_filename(directory, entry, NULL);
        if (g_file_test(below, G_FILE_TEST_IS_DIR) && !collect_pids(below, depth + 1, pids, error))
            return FALSE;
    }
    return TRUE;
}

GArray *berth_cgroup_pids(const char *path, GError **error)
{
    g_autofree char *directory = berth_cgroup_directory(path, error);
    g_autoptr(GArray) pids = g_array_new(FALSE, FALSE, sizeof(gint));

    return directory && collect_pids(directory, 0, pids, error) ? g_steal_pointer(&pids) : NULL;
}

/* /proc/<pid>/stat is "4711 (name) S …", and the name may hold anything, parentheses too. */
static char *describe_process(gint pid)
{
    g_autofree char *name = g_strdup_printf("/proc/%d/stat", pid);
    int errnum;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, name, &errnum);
    char *open = text ? strchr(text, '(') : NULL;
    char *close_ = text ? strrchr(text, ')') : NULL;

    if (!open || !close_ || close_ < open || close_[1] != ' ')
        return g_strdup_printf("process %d", pid);
    *close_ = '\0';
    g_autofree char *command = g_utf8_make_valid(open + 1, -1);
    for (char *c = command; *c; c++)
        if (g_ascii_iscntrl(*c))
            *c = '?'; /* the VM's user chose it, and it is shown to people */
    return g_strdup_printf("process %d (%s) in state %c", pid, command, close_[2]);
}

static gboolean is_frozen(const char *path)
{
    g_autofree char *directory = berth_cgroup_directory(path, NULL);
    g_autofree char *name = g_build_filename(directory, "cgroup.events", NULL);
    int errnum;
    g_autofree char *text = berth_kernel_file_read(AT_FDCWD, name, &errnum);
    return text && strstr(text, "frozen 1");
}

char *berth_cgroup_describe(const char *path)
{
    g_autoptr(GArray) pids = berth_cgroup_pids(path, NULL);
    if (!pids || pids->len == 0)
        return NULL;

    g_autofree char *process = describe_process(g_array_index(pids, gint, 0));
    /* A frozen process is in state S, as one that merely waits. */
    return g_strconcat(process, is_frozen(path) ? ", frozen by the cgroup freezer" : NULL, NULL);
}

gboolean berth_cgroup_kill(const char *path, GError **error)
{
    g_autofree char *directory = berth_cgroup_directory(path, error);
    if (!directory)
        return FALSE;

    g_autofree char *name = g_build_filename(directory, "cgroup.kill", NULL);
    BERTH_AUTOFD fd = open(name, O_WRONLY | O_CLOEXEC);
    if ((fd < 0 || write(fd, "1", 1) < 0) && !means_gone(errno)) {
        berth_error_set_errno(error, BERTH_ERROR_CANCELLED, errno, "kill the processes in cgroup %s", path);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_cgroup_expect_move(void)
{
    g_autofree char *path = berth_cgroup_of(getpid(), NULL);
    g_autofree char *directory = path ? berth_cgroup_directory(path, NULL) : NULL;
    if (!directory)
        return FALSE;

    g_autofree char *name = g_build_filename(directory, "cgroup.procs", NULL);
    BERTH_AUTOFD fd = open(name, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "0", 1) == 1; /* whoever writes it */
}
