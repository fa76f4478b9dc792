/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-import.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/names.h"
#include "durable-file.h"
#include "qemu-img.h"

/* Kernel and initrd are read into the guest's memory. */
#define BOOT_FILE_MAX (256ull * 1024 * 1024)
/* What image.json can say. */
#define DISK_MAX (1ull << 50)
#define SECTOR 512u
#define SHA256_DIGITS 64u

typedef struct {
    guint64 disk, kernel, initrd; /* bytes; 0 where there is none */
} Sizes;

static gboolean refuse(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static gboolean refuse(GError **error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, text);
    return FALSE;
}

static gboolean failed(GError **error, const char *what, const char *name)
{
    berth_error_set_errno(error, BERTH_ERROR_STORAGE_FAILED, errno, "%s %s", what, name);
    return FALSE;
}

static gboolean measure_boot_file(int fd, const char *what, guint64 *size, GError **error)
{
    if (fd < 0)
        return TRUE;
    if (!berth_copy_check_input(fd, what, BOOT_FILE_MAX, size, error))
        return FALSE;
    return *size > 0 || refuse(error, "The %s is empty", what);
}

static gboolean measure(const BerthImageImport *import, Sizes *sizes, GError **error)
{
    if ((import->disk_fd >= 0 && !berth_copy_check_input(import->disk_fd, "disk", DISK_MAX, &sizes->disk, error)) ||
        !measure_boot_file(import->kernel_fd, "kernel", &sizes->kernel, error) ||
        !measure_boot_file(import->initrd_fd, "initrd", &sizes->initrd, error))
        return FALSE;
    if (!sizes->disk && !sizes->kernel)
        return refuse(error, "The image has neither a disk nor a kernel");
    if (sizes->initrd && !sizes->kernel)
        return refuse(error, "The image has an initrd, but no kernel to go with it");
    if (*import->meta->cmdline && !sizes->kernel)
        return refuse(error, "The image has a kernel command line, but no kernel to go with it");
    return TRUE;
}

static gboolean check_options(const BerthImageImport *import, const Sizes *sizes, GError **error)
{
    if (*import->format && !sizes->disk)
        return refuse(error, "A format is given, but the image has no disk");
    if (*import->format && !g_str_equal(import->format, "qcow2") && !g_str_equal(import->format, "raw"))
        return refuse(error, "The format must be \"qcow2\" or \"raw\"");
    if (*import->sha256 &&
        (strlen(import->sha256) != SHA256_DIGITS || strspn(import->sha256, "0123456789abcdefABCDEF") != SHA256_DIGITS))
        return refuse(error, "The expected SHA-256 must be 64 hexadecimal digits");
    return TRUE;
}

/* Whether @fd has @magic at @at. An error reads as no. */
static gboolean has_magic(int fd, const char *magic, gsize length, off_t at)
{
    char found[8];
    g_assert(length <= sizeof found);
    return pread(fd, found, length, at) == (ssize_t) length && memcmp(found, magic, length) == 0;
}

/* What it is, not what it is said to be: a qcow2 that is taken for raw, or the other way round, lets a guest choose
 * which file of the host it reads. */
static const char *find_format(int fd, const char *said, GError **error)
{
    const char *format = has_magic(fd, "QFI\xfb", 4, 0) ? "qcow2" : "raw";
    if (!*said || g_str_equal(said, format))
        return format;
    refuse(error, "The disk is said to be %s, but its first bytes are those of a %s image", said, format);
    return NULL;
}

static gboolean inspect(const BerthImageImport *import, int dir_fd, BerthImageMeta *meta, GError **error)
{
    /* Not the descriptor that it was written with: qemu-img gets none that it could write to. */
    BERTH_AUTOFD fd = openat(dir_fd, BERTH_FILE_DISK, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return failed(error, "open", BERTH_FILE_DISK);
    BerthQemuImgInfo info = {0};
    if (!berth_qemu_img_info(import->qemu_img, fd, meta->disk_format, &info, error))
        return FALSE;
    if (info.has_backing_file)
        return refuse(error, "The disk has a backing file: convert it into an image that stands alone first "
                             "(qemu-img convert)");
    if (info.has_data_file)
        return refuse(error,
                      "The disk keeps its data in another file: convert it into an image that stands alone first "
                      "(qemu-img convert)");
    if (info.is_encrypted)
        return refuse(error, "The disk is encrypted, which is not supported: decrypt it first (qemu-img convert)");
    if (info.virtual_size == 0 || info.virtual_size > DISK_MAX)
        return refuse(error, "The disk has no usable size: %" G_GUINT64_FORMAT " bytes", info.virtual_size);
    meta->virtual_size = info.virtual_size;
    return TRUE;
}

/* QEMU counts raw disks in sectors. The sum is of what was given. */
static gboolean round_up(int fd, guint64 size, GError **error)
{
    guint64 rounded = (size + SECTOR - 1) / SECTOR * SECTOR;
    return rounded == size || ftruncate(fd, rounded) == 0 || failed(error, "write", BERTH_FILE_DISK);
}

static gboolean sync_file(int fd, const char *name, GError **error)
{
    return TEMP_FAILURE_RETRY(fsync(fd)) == 0 || failed(error, "write to stable storage:", name);
}

static gboolean take_sum(BerthImageMeta *meta, char *sha256)
{
    g_free(meta->sha256);
    meta->sha256 = sha256;
    return TRUE;
}

static gboolean stage_disk(const BerthImageImport *import, int dir_fd, guint64 size, BerthImageMeta *meta,
                           BerthCopyJob *job, GError **error)
{
    char *sha256 = NULL;
    BERTH_AUTOFD fd = berth_copy(job, import->disk_fd, size, dir_fd, BERTH_FILE_DISK, &sha256, error);
    if (fd < 0)
        return FALSE;
    take_sum(meta, sha256);
    meta->disk_format = find_format(fd, import->format, error);
    if (!meta->disk_format) {
        meta->disk_format = "";
        return FALSE;
    }
    if (g_str_equal(meta->disk_format, "raw") && !round_up(fd, size, error))
        return FALSE;
    return inspect(import, dir_fd, meta, error) && sync_file(fd, BERTH_FILE_DISK, error);
}

/* Linux' boot protocol (Documentation/arch/x86/boot.rst): boot_flag at 0x1fe, "HdrS" at 0x202. Or an ELF file, for PVH.
 */
static gboolean check_kernel(int fd, GError **error)
{
    if (has_magic(fd, "\177ELF", 4, 0) || (has_magic(fd, "\x55\xaa", 2, 0x1fe) && has_magic(fd, "HdrS", 4, 0x202)))
        return TRUE;
    return refuse(error, "The kernel is neither a bzImage nor an ELF file");
}

static gboolean stage_kernel(const BerthImageImport *import, int dir_fd, guint64 size, BerthImageMeta *meta,
                             BerthCopyJob *job, GError **error)
{
    g_autofree char *sha256 = NULL;
    BERTH_AUTOFD fd = berth_copy(job, import->kernel_fd, size, dir_fd, BERTH_FILE_KERNEL, &sha256, error);
    if (fd < 0 || !check_kernel(fd, error) || !sync_file(fd, BERTH_FILE_KERNEL, error))
        return FALSE;
    meta->has_kernel = TRUE;
    return *meta->disk_format || take_sum(meta, g_steal_pointer(&sha256));
}

static gboolean stage_initrd(const BerthImageImport *import, int dir_fd, guint64 size, BerthImageMeta *meta,
                             BerthCopyJob *job, GError **error)
{
    g_autofree char *sha256 = NULL;
    BERTH_AUTOFD fd = berth_copy(job, import->initrd_fd, size, dir_fd, BERTH_FILE_INITRD, &sha256, error);
    meta->has_initrd = fd >= 0;
    return fd >= 0 && sync_file(fd, BERTH_FILE_INITRD, error);
}

static gboolean check_sum(const BerthImageImport *import, const BerthImageMeta *meta, GError **error)
{
    if (!*import->sha256 || g_ascii_strcasecmp(import->sha256, meta->sha256) == 0)
        return TRUE;
    return refuse(error, "The %s has the SHA-256 %s, not %s as expected", *meta->disk_format ? "disk" : "kernel",
                  meta->sha256, import->sha256);
}

static gboolean write_meta(int dir_fd, const BerthImageMeta *meta, GError **error)
{
    gsize length;
    g_autofree char *text = berth_image_meta_to_json(meta, &length);
    /* Its last fsync is that of the directory, by then with all the names. */
    return berth_durable_write(dir_fd, BERTH_FILE_IMAGE, text, length, 0444, error);
}

BerthImageMeta *berth_image_stage(int dir_fd, const BerthImageImport *import, BerthCopyJob *job, GError **error)
{
    Sizes sizes = {0};
    if (!measure(import, &sizes, error) || !check_options(import, &sizes, error))
        return NULL;
    g_autoptr(BerthImageMeta) meta = berth_image_meta_copy(import->meta);
    meta->disk_format = "";
    meta->virtual_size = 0;
    meta->has_kernel = meta->has_initrd = FALSE;
    meta->size = job->total = sizes.disk + sizes.kernel + sizes.initrd;
    meta->created = g_get_real_time();
    /* The small ones first: what is wrong with them is said before a large disk is copied. */
    if ((sizes.kernel && !stage_kernel(import, dir_fd, sizes.kernel, meta, job, error)) ||
        (sizes.initrd && !stage_initrd(import, dir_fd, sizes.initrd, meta, job, error)) ||
        (sizes.disk && !stage_disk(import, dir_fd, sizes.disk, meta, job, error)) || !check_sum(import, meta, error) ||
        !write_meta(dir_fd, meta, error))
        return NULL;
    return g_steal_pointer(&meta);
}

void berth_image_fill(BerthImageMeta *meta, const BerthImageMeta *found)
{
    g_free(meta->sha256);
    meta->sha256 = g_strdup(found->sha256);
    meta->disk_format = found->disk_format;
    meta->virtual_size = found->virtual_size;
    meta->size = found->size;
    meta->has_kernel = found->has_kernel;
    meta->has_initrd = found->has_initrd;
    meta->created = found->created;
}
