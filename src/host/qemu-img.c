/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qemu-img.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/json-member.h"
#include "../core/qcow2-header.h"
#include "process.h"

#define UID_NOBODY 65534u
#define IMAGE_FD 3 /* in the child */

/* The description of an image with some hundred snapshots fits; one with thousands is no image to start VMs from. */
#define OUTPUT_MAX (256u * 1024u)
#define WORDS_MAX 300u
/* A qcow2 of 64 TiB begins with some 2 MiB of tables. */
#define CREATED_MAX (64ull * 1024 * 1024)

/* qemu-img reads with up to 64 threads. At glibc's usual 8 MiB of stack and 64 MiB of heap for each, their address space
 * alone would break the limit, now and then. */
#define STACK_SIZE (1024u * 1024u)

/* --- The child --- */

typedef struct {
    rlim_t file_size; /* the largest file it may write */
    gboolean unprivileged;
} Limits;

static void set_limit(int resource, rlim_t value)
{
    const struct rlimit limit = {value, value};
    if (setrlimit((__rlimit_resource_t) resource, &limit) < 0)
        _exit(126);
}

/* Between fork and exec of a process with threads: system calls and nothing else. By their numbers, since the C library's
 * setresuid() would reach for the other threads. */
static void enter_limits(gpointer data)
{
    const Limits *limits = data;
    set_limit(RLIMIT_AS, BERTH_QEMU_IMG_MEMORY);
    set_limit(RLIMIT_CPU, BERTH_QEMU_IMG_SECONDS);
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_STACK, STACK_SIZE);
    set_limit(RLIMIT_FSIZE, limits->file_size);
    if (limits->unprivileged && geteuid() == 0 &&
        (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0 ||
         syscall(SYS_setresuid, UID_NOBODY, UID_NOBODY, UID_NOBODY) < 0))
        _exit(126);
    /* After the change of user, which would reset the second. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        _exit(126);
}

typedef struct {
    pid_t pid;
    int pidfd;
    struct {
        int fd; /* -1 at its end */
        GString *text;
    } streams[2]; /* standard output, standard error */
} Child;

static void child_clear(Child *child)
{
    if (child->pid > 0) {
        kill(child->pid, SIGKILL); /* not reaped yet: the PID is still its own */
        waitpid(child->pid, NULL, 0);
    }
    berth_autofd_close(&child->pidfd);
    for (guint i = 0; i < G_N_ELEMENTS(child->streams); i++) {
        berth_autofd_close(&child->streams[i].fd);
        g_string_free(child->streams[i].text, TRUE);
    }
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Child, child_clear)

static void child_init(Child *child)
{
    *child = (Child){.pidfd = -1, .streams = {{-1, g_string_new(NULL)}, {-1, g_string_new(NULL)}}};
}

static gboolean child_start(Child *child, const char *const *argv, const Limits *limits, int image_fd, GError **error)
{
    static const char *const environment[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", "MALLOC_ARENA_MAX=1", NULL};
    const int target = IMAGE_FD;
    if (!g_spawn_async_with_pipes_and_fds("/", argv, environment, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_CLOEXEC_PIPES,
                                          enter_limits, (gpointer) limits, -1, -1, -1, &image_fd, &target,
                                          image_fd < 0 ? 0 : 1, &child->pid, NULL, &child->streams[0].fd,
                                          &child->streams[1].fd, error))
        return FALSE;
    for (guint i = 0; i < G_N_ELEMENTS(child->streams); i++)
        g_unix_set_fd_nonblocking(child->streams[i].fd, TRUE, NULL);
    child->pidfd = berth_pidfd_open(child->pid, error);
    return child->pidfd >= 0;
}

/* What is there now. FALSE where it is more than anything we ask for. */
static gboolean read_stream(Child *child, guint i)
{
    char buffer[16384];
    ssize_t n;
    while (child->streams[i].fd >= 0 && (n = read(child->streams[i].fd, buffer, sizeof buffer)) >= 0) {
        g_string_append_len(child->streams[i].text, buffer, n);
        if (child->streams[i].text->len > OUTPUT_MAX)
            return FALSE;
        if (n == 0)
            close(berth_steal_fd(&child->streams[i].fd));
    }
    return TRUE;
}

/* Until it has ended, or has had its chance. */
static gboolean child_attend(Child *child, GError **error)
{
    const gint64 deadline = g_get_monotonic_time() + (gint64) BERTH_QEMU_IMG_SECONDS * G_USEC_PER_SEC;
    for (gboolean ended = FALSE; !ended;) {
        struct pollfd fds[] = {
            {.fd = child->pidfd, .events = POLLIN},
            {.fd = child->streams[0].fd, .events = POLLIN},
            {.fd = child->streams[1].fd, .events = POLLIN},
        };
        const gint64 left = deadline - g_get_monotonic_time();
        if (left <= 0) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "qemu-img did not end within %u s",
                        BERTH_QEMU_IMG_SECONDS);
            return FALSE;
        }
        poll(fds, G_N_ELEMENTS(fds), (int) (left / 1000) + 1);
        ended = fds[0].revents != 0; /* asked for before the last reading: nothing comes after it */
        if (!read_stream(child, 0) || !read_stream(child, 1)) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                        "qemu-img has more than %u bytes to say of it: it has too many snapshots, or is nonsense",
                        OUTPUT_MAX);
            return FALSE;
        }
    }
    return TRUE;
}

/* qemu-img's first line, for a person: without its name, and without our own description of a node. (transfer full) */
static char *make_presentable(const char *said)
{
    g_autofree char *line = g_strndup(said, strcspn(said, "\n"));
    const char *begin = g_str_has_prefix(line, "qemu-img: ") ? line + strlen("qemu-img: ") : line;
    if (g_str_has_prefix(begin, "Could not open 'driver=") && strstr(begin, "': ") != NULL)
        begin = strstr(begin, "': ") + strlen("': ");
    g_autofree char *bounded = g_strndup(begin, WORDS_MAX);
    char *words = g_utf8_make_valid(bounded, -1);
    for (char *at = words; *at != '\0'; at++)
        if (g_ascii_iscntrl(*at))
            *at = ' ';
    return words;
}

static gboolean judge(int status, const char *said, GError **error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return TRUE;
    if (WIFSIGNALED(status)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "qemu-img was ended by signal %d (%s)",
                    WTERMSIG(status), g_strsignal(WTERMSIG(status)));
        return FALSE;
    }
    g_autofree char *words = make_presentable(said);
    g_set_error(error, BERTH_ERROR, WEXITSTATUS(status) == 126 ? BERTH_ERROR_STORAGE_FAILED : BERTH_ERROR_INVALID_ARGS,
                "qemu-img refused it: %s", words[0] != '\0' ? words : "no reason given");
    return FALSE;
}

/* Errors: StorageFailed where it can't be run, InvalidArgs where what it was given is to blame. */
static gboolean run(const char *const *argv, const Limits *limits, int image_fd, char **output, GError **error)
{
    g_auto(Child) child;
    child_init(&child);
    g_autoptr(GError) problem = NULL;
    if (!child_start(&child, argv, limits, image_fd, &problem)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "Can't run %s: %s", argv[0], problem->message);
        return FALSE;
    }
    if (!child_attend(&child, error))
        return FALSE;
    int status = 0;
    waitpid(child.pid, &status, 0);
    child.pid = 0;
    if (!judge(status, child.streams[1].text->str, error))
        return FALSE;
    *output = g_strdup(child.streams[0].text->str);
    return TRUE;
}

/* --- Info --- */

static gboolean read_header(int fd, BerthQcow2Header *header, GError **error)
{
    guint8 bytes[BERTH_QCOW2_HEADER_BYTES];
    ssize_t length = pread(fd, bytes, sizeof bytes, 0);
    if (length < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "read the image");
        return FALSE;
    }
    return berth_qcow2_header_parse(bytes, (gsize) length, header, error);
}

static gboolean check_readable(const struct stat *st, GError **error)
{
    if (geteuid() != 0 || (st->st_mode & S_IROTH) != 0)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED,
                "The image's mode %04o hides it from the unprivileged user that is to check it", st->st_mode & 07777);
    return FALSE;
}

static gboolean parse_size(const char *text, guint64 *size, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, strlen(text), error);
    if (object == NULL)
        return FALSE;
    const gint64 said = berth_json_get_number(object, "virtual-size");
    if (said < 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "qemu-img told no size of the image");
        return FALSE;
    }
    *size = (guint64) said;
    return TRUE;
}

static gboolean ask_child(const char *qemu_img, int fd, guint64 *size, GError **error)
{
    /* One constant: neither the format nor the file's name is anybody's to choose. */
    const char *const argv[] = {
        qemu_img,
        "info",
        "--output=json",
        "--image-opts",
        "driver=qcow2,read-only=on,file.driver=file,file.locking=off,file.filename=/dev/fd/" G_STRINGIFY(IMAGE_FD),
        NULL,
    };
    const Limits limits = {.file_size = 0, .unprivileged = TRUE};
    g_autofree char *output = NULL;
    return run(argv, &limits, fd, &output, error) && parse_size(output, size, error);
}

static gboolean info_of_qcow2(const char *qemu_img, int fd, const struct stat *st, BerthQemuImgInfo *info,
                              GError **error)
{
    BerthQcow2Header header;
    if (!read_header(fd, &header, error))
        return FALSE;
    guint64 size = header.virtual_size;
    const gboolean alone = !header.has_backing_file && !header.has_data_file && !header.is_encrypted;
    if (alone && (!check_readable(st, error) || !ask_child(qemu_img, fd, &size, error)))
        return FALSE;
    *info = (BerthQemuImgInfo){size, header.has_backing_file, header.has_data_file, header.is_encrypted};
    return TRUE;
}

gboolean berth_qemu_img_info(const char *qemu_img, int fd, const char *format, BerthQemuImgInfo *info, GError **error)
{
    struct stat st;
    if (fstat(fd, &st) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "look at the image");
        return FALSE;
    }
    if (g_str_equal(format, "qcow2"))
        return info_of_qcow2(qemu_img, fd, &st, info, error);
    if (!g_str_equal(format, "raw")) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The format \"%s\" is neither qcow2 nor raw", format);
        return FALSE;
    }
    /* QEMU counts in sectors, and rounds up. */
    *info = (BerthQemuImgInfo){.virtual_size = ((guint64) st.st_size + 511) / 512 * 512};
    return TRUE;
}

/* --- Create --- */

/* An empty file of our own in its place: qemu-img itself would take whatever lies there, and follow links. */
static int make_file(const char *path, GError **error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "make the disk %s", path);
    return fd;
}

static gboolean fill_raw(int fd, const char *path, guint64 size, GError **error)
{
    if (size <= G_MAXINT64 && ftruncate(fd, (off_t) size) == 0)
        return TRUE;
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, size <= G_MAXINT64 ? errno : EFBIG, "make the disk %s",
                          path);
    return FALSE;
}

static gboolean fill_qcow2(const char *qemu_img, const char *path, guint64 size, const char *backing,
                           const char *backing_format, GError **error)
{
    g_autofree char *bytes = size > 0 ? g_strdup_printf("%" G_GUINT64_FORMAT, size) : NULL;
    const char *const alone[] = {qemu_img, "create", "-q", "-f", "qcow2", path, bytes, NULL};
    const char *const overlay[] = {qemu_img, "create", "-q",           "-f", "qcow2", "-b",
                                   backing,  "-F",     backing_format, path, bytes,   NULL};
    const Limits limits = {.file_size = CREATED_MAX, .unprivileged = FALSE};
    g_autofree char *output = NULL;
    g_autoptr(GError) problem = NULL;
    if (run(backing != NULL ? overlay : alone, &limits, -1, &output, &problem))
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED, "Can't make the disk %s: %s", path, problem->message);
    return FALSE;
}

gboolean berth_qemu_img_create(const char *qemu_img, const char *path, const char *format, guint64 size,
                               const char *backing, const char *backing_format, GError **error)
{
    BERTH_AUTOFD fd = make_file(path, error);
    if (fd < 0)
        return FALSE;
    const gboolean made = g_str_equal(format, "raw") ? fill_raw(fd, path, size, error)
                                                     : fill_qcow2(qemu_img, path, size, backing, backing_format, error);
    if (!made)
        unlink(path);
    return made;
}
