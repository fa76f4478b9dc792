/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-img.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/text.h"

#define UID_NOBODY 65534u
#define OUTPUT_MAX (256u * 1024)
/* The image's descriptor in the child. */
#define IMAGE_FD 3

/* What a child may do at most. Runs between fork and exec: only what is safe there. */
static void limit_child(gpointer data)
{
    const gboolean *drop = data;
    const struct rlimit memory = {BERTH_QEMU_IMG_MEMORY, BERTH_QEMU_IMG_MEMORY};
    const struct rlimit cpu = {BERTH_QEMU_IMG_SECONDS, BERTH_QEMU_IMG_SECONDS};
    const struct rlimit none = {0, 0};
    setrlimit(RLIMIT_AS, &memory);
    setrlimit(RLIMIT_CPU, &cpu);
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (!*drop)
        return;
    setrlimit(RLIMIT_FSIZE, &none);
    if (geteuid() == 0 &&
        (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 ||
         syscall(SYS_setresuid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0))
        _exit(127);
}

/* All of @fd's output to its end, at most OUTPUT_MAX bytes, by @deadline (monotonic µs). (nullable) */
static GString *read_output(int fd, gint64 deadline)
{
    g_autoptr(GString) output = g_string_new(NULL);
    char buffer[4096];
    for (;;) {
        gint64 left = deadline - g_get_monotonic_time();
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (left <= 0 || output->len > OUTPUT_MAX)
            return NULL;
        int ready = poll(&poll_fd, 1, (int) (left / 1000 + 1));
        if (ready < 0 && errno != EINTR)
            return NULL;
        ssize_t n = ready > 0 ? read(fd, buffer, sizeof buffer) : -1;
        if (n == 0)
            return g_steal_pointer(&output);
        if (n > 0)
            g_string_append_len(output, buffer, n);
    }
}

/* Runs it to its end; its standard output and error together are @output. In a worker: it blocks. */
static gboolean run(const char *const *argv, int image_fd, gboolean drop, char **output, GError **error)
{
    BERTH_AUTOFD from = -1;
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make a pipe for qemu-img");
        return FALSE;
    }
    from = pipe_fds[0];
    BERTH_AUTOFD to = pipe_fds[1];
    const int source = image_fd, target = IMAGE_FD;
    GPid pid = 0;
    char *const environment[] = {(char *) "LC_ALL=C", (char *) "PATH=/usr/bin:/bin", NULL};
    if (!g_spawn_async_with_pipes_and_fds("/", argv, (const char *const *) environment, G_SPAWN_DO_NOT_REAP_CHILD,
                                          limit_child, &drop, -1, to, to, &source, &target, image_fd < 0 ? 0 : 1, &pid,
                                          NULL, NULL, NULL, error)) {
        g_prefix_error(error, "Can't run %s: ", argv[0]);
        return FALSE;
    }
    berth_autofd_close(&to);
    to = -1;
    gint64 deadline = g_get_monotonic_time() + (gint64) BERTH_QEMU_IMG_SECONDS * G_USEC_PER_SEC;
    GString *said = read_output(from, deadline);
    if (!said)
        kill(pid, SIGKILL); /* not reaped yet: the PID is still its own */
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    g_autofree char *text = said ? g_string_free(said, FALSE) : g_strdup("it took too long, or said too much");
    if (!said || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        g_autofree char *quoted = berth_text_quote(text);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "qemu-img failed: %s", quoted);
        return FALSE;
    }
    *output = g_steal_pointer(&text);
    return TRUE;
}

/* What a qcow2 header says of other files and of encryption: known before any child opens the image, so that none is
 * ever led to another file of the host. Offsets are those of QEMU's docs/interop/qcow2.txt. */
#define QCOW2_HEADER_BYTES 80u
#define QCOW2_BACKING_FILE_OFFSET 8u
#define QCOW2_CRYPT_METHOD 32u
#define QCOW2_INCOMPATIBLE 72u
#define QCOW2_INCOMPATIBLE_DATA_FILE (1u << 2)

static guint64 big_endian(const guint8 *bytes, guint n)
{
    guint64 value = 0;
    for (guint i = 0; i < n; i++)
        value = value << 8 | bytes[i];
    return value;
}

static gboolean read_qcow2_header(int fd, BerthQemuImgInfo *info, GError **error)
{
    guint8 header[QCOW2_HEADER_BYTES] = {0};
    ssize_t n = pread(fd, header, sizeof header, 0);
    if (n < (ssize_t) 72 || memcmp(header, "QFI\xfb", 4) != 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The file is no qcow2 image: its header is wrong");
        return FALSE;
    }
    guint64 version = big_endian(header + 4, 4);
    info->has_backing_file = big_endian(header + QCOW2_BACKING_FILE_OFFSET, 8) != 0;
    info->is_encrypted = big_endian(header + QCOW2_CRYPT_METHOD, 4) != 0;
    info->has_data_file =
        version >= 3 && (big_endian(header + QCOW2_INCOMPATIBLE, 8) & QCOW2_INCOMPATIBLE_DATA_FILE) != 0;
    return TRUE;
}

static gboolean parse_info(const char *text, const char *format, BerthQemuImgInfo *info, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, strlen(text), error);
    if (!object)
        return FALSE;
    gint64 size = json_object_get_int_member_with_default(object, "virtual-size", -1);
    const char *found = json_object_get_string_member_with_default(object, "format", "");
    if (size < 0 || g_strcmp0(found, format) != 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "qemu-img does not take the file for a %s image",
                    format);
        return FALSE;
    }
    info->virtual_size = (guint64) size;
    info->has_backing_file |= json_object_has_member(object, "backing-filename");
    info->is_encrypted |= json_object_get_boolean_member_with_default(object, "encrypted", FALSE);
    return TRUE;
}

gboolean berth_qemu_img_info(const char *qemu_img, int fd, const char *format, BerthQemuImgInfo *info, GError **error)
{
    BerthQemuImgInfo found = {0};
    g_autofree char *output = NULL;
    g_autoptr(GError) failure = NULL;
    if (g_str_equal(format, "qcow2") && !read_qcow2_header(fd, &found, error))
        return FALSE;
    if (found.has_backing_file || found.has_data_file || found.is_encrypted) {
        *info = found;
        return TRUE;
    }
    g_autofree char *node =
        g_strdup_printf("driver=%s,file.driver=file,file.locking=off,file.filename=/dev/fd/%d", format, IMAGE_FD);
    const char *const argv[] = {qemu_img, "info", "--output=json", "--image-opts", node, NULL};
    if (!run(argv, fd, TRUE, &output, &failure)) {
        /* The child fails on what the caller gave: their image, not our disk. */
        g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, failure->message);
        return FALSE;
    }
    if (!parse_info(output, format, &found, error))
        return FALSE;
    *info = found;
    return TRUE;
}

gboolean berth_qemu_img_create(const char *qemu_img, const char *path, const char *format, guint64 size,
                               const char *backing, const char *backing_format, GError **error)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_autofree char *bytes = size > 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, size) : NULL;
    g_autofree char *output = NULL;
    const char *const fixed[] = {qemu_img, "create", "-q", "-f", format};
    for (guint i = 0; i < G_N_ELEMENTS(fixed); i++)
        g_ptr_array_add(argv, (gpointer) fixed[i]);
    if (backing) {
        const char *const overlay[] = {"-b", backing, "-F", backing_format};
        for (guint i = 0; i < G_N_ELEMENTS(overlay); i++)
            g_ptr_array_add(argv, (gpointer) overlay[i]);
    }
    g_ptr_array_add(argv, (gpointer) path);
    if (bytes)
        g_ptr_array_add(argv, bytes);
    g_ptr_array_add(argv, NULL);
    if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, EEXIST, "make the disk %s", path);
        return FALSE;
    }
    return run((const char *const *) argv->pdata, -1, FALSE, &output, error);
}
