/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <sys/socket.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/image-store.h"
#include "syscall-faults.h"
#include "test-dir.h"

#define KIB 1024
#define MIB (1024 * 1024)

static BerthImageStore *open_store(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    BerthImageStore *store = berth_image_store_open(dir->path, &error);
    g_assert_no_error(error);
    return store;
}

static char *qemu_img(void)
{
    return g_find_program_in_path("qemu-img");
}

static int open_file(TestDir *dir, const char *name)
{
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

/* What a caller says of an image, and what came of it. */
typedef struct {
    BerthImageImport in;
    GCancellable *cancellable;
    BerthImageProgress progress;
    gpointer data;
} Import;

static void import_init(Import *import, const char *name, int disk_fd)
{
    *import = (Import){.in = {qemu_img(), disk_fd, -1, -1, "", "", berth_image_meta_new(name)}};
}

static void import_clear(Import *import)
{
    g_free((char *) import->in.qemu_img);
    berth_autofd_close(&import->in.disk_fd);
    berth_autofd_close(&import->in.kernel_fd);
    berth_autofd_close(&import->in.initrd_fd);
    berth_image_meta_free(import->in.meta);
    g_clear_object(&import->cancellable);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Import, import_clear)

static void import_ok(BerthImageStore *store, Import *import)
{
    g_autoptr(GError) error = NULL;
    gboolean ok =
        berth_image_store_import(store, &import->in, import->cancellable, import->progress, import->data, &error);
    g_assert_no_error(error);
    g_assert_true(ok);
}

/* The image is not there, nor anything of it, and nothing has been filled in. */
static void import_fails(BerthImageStore *store, TestDir *dir, Import *import, BerthError code, const char *says)
{
    g_autoptr(GError) error = NULL;
    guint before = test_dir_count(dir, "images");
    g_assert_false(
        berth_image_store_import(store, &import->in, import->cancellable, import->progress, import->data, &error));
    g_assert_error(error, BERTH_ERROR, (int) code);
    if (!strstr(error->message, says))
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    g_assert_cmpuint(test_dir_count(dir, "images"), ==, before);
    g_assert_cmpstr(import->in.meta->sha256, ==, "");
    g_assert_cmpuint(import->in.meta->size, ==, 0);
}

/* Data, a hole, data, a hole at the end: @size bytes. (transfer full) */
static char *make_sparse(TestDir *dir, const char *name, gsize size)
{
    char *bytes = g_malloc0(size);
    memset(bytes, 'a', 5000);
    memset(bytes + size / 2, 'b', 100 * KIB);
    BERTH_AUTOFD fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(pwrite(fd, bytes, 5000, 0), ==, 5000);
    g_assert_cmpint(pwrite(fd, bytes + size / 2, 100 * KIB, size / 2), ==, 100 * KIB);
    g_assert_cmpint(ftruncate(fd, size), ==, 0);
    return bytes;
}

static void test_raw(TestDir *dir, gconstpointer unused)
{
    const gsize size = 16 * MIB + 100; /* no whole sectors */
    g_autofree char *bytes = make_sparse(dir, "disk.raw", size);
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *) bytes, size);
    g_autofree char *upper = g_ascii_strup(sum, -1);
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_auto(Import) import;
    import_init(&import, "debian-12", open_file(dir, "disk.raw"));
    import.in.sha256 = upper;
    mode_t old = umask(0077);
    import_ok(store, &import);
    umask(old);
    const BerthImageMeta *meta = import.in.meta;
    g_assert_cmpstr(meta->sha256, ==, sum);
    g_assert_cmpstr(meta->disk_format, ==, "raw");
    g_assert_cmpuint(meta->virtual_size, ==, 16 * MIB + 512);
    g_assert_cmpuint(meta->size, ==, size);
    g_assert_cmpint(meta->created, >, 0);

    g_autofree char *copy = NULL;
    gsize length;
    g_autofree char *path = berth_image_store_path(store, "debian-12");
    g_autofree char *disk = g_build_filename(path, "disk", NULL);
    g_assert_true(g_file_get_contents(disk, &copy, &length, NULL));
    g_assert_cmpuint(length, ==, 16 * MIB + 512);
    g_assert_cmpmem(copy, size, bytes, size);
    struct stat st;
    g_assert_cmpint(stat(disk, &st), ==, 0);
    g_assert_cmpint(st.st_blocks * 512, <, MIB); /* the holes are holes */
    g_assert_cmpuint(test_dir_mode(dir, "images"), ==, 0711);
    g_assert_cmpuint(test_dir_mode(dir, "images/debian-12"), ==, 0755);
    g_assert_cmpuint(test_dir_mode(dir, "images/debian-12/disk"), ==, 0444);
    g_assert_cmpuint(test_dir_mode(dir, "images/debian-12/image.json"), ==, 0444);
    g_assert_cmpuint(test_dir_count(dir, "images"), ==, 1);
}

/* What the caller has read already is his business: all of the file is taken, and his position stands for nothing. */
static void test_position(TestDir *dir, gconstpointer unused)
{
    g_autofree char *bytes = make_sparse(dir, "disk.raw", MIB);
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *) bytes, MIB);
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_auto(Import) import;
    import_init(&import, "x", open_file(dir, "disk.raw"));
    g_assert_cmpint(lseek(import.in.disk_fd, 0, SEEK_END), ==, MIB);
    import_ok(store, &import);
    g_assert_cmpstr(import.in.meta->sha256, ==, sum);
}

static void run_qemu_img(TestDir *dir, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    int status;
    g_autofree char *line = g_strconcat("qemu-img ", command, NULL);
    g_assert_true(g_shell_parse_argv(line, NULL, &argv, &error));
    g_spawn_sync(dir->path, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

static void test_qcow2(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    run_qemu_img(dir, "create -f qcow2 disk.qcow2 1G");
    g_auto(Import) import;
    import_init(&import, "x", open_file(dir, "disk.qcow2"));
    import_ok(store, &import);
    g_assert_cmpstr(import.in.meta->disk_format, ==, "qcow2");
    g_assert_cmpuint(import.in.meta->virtual_size, ==, 1024 * MIB);
    g_auto(Import) as_raw;
    import_init(&as_raw, "y", open_file(dir, "disk.qcow2"));
    as_raw.in.format = "raw";
    import_fails(store, dir, &as_raw, BERTH_ERROR_INVALID_ARGS, "raw");
    g_autofree char *bytes = make_sparse(dir, "disk.raw", MIB);
    g_auto(Import) as_qcow2;
    import_init(&as_qcow2, "y", open_file(dir, "disk.raw"));
    as_qcow2.in.format = "qcow2";
    import_fails(store, dir, &as_qcow2, BERTH_ERROR_INVALID_ARGS, "qcow2");
}

/* Disks that would make the guest's host read other files. */
static void test_dependent(TestDir *dir, gconstpointer unused)
{
    static const char *const disks[][3] = {
        {"backing.qcow2", "create -f qcow2 -F raw -b base.raw backing.qcow2", "backing file"},
        {"data.qcow2", "create -f qcow2 -o data_file=data.raw data.qcow2 1M", "another file"},
        {"aes.qcow2",
         "create -f qcow2 --object secret,id=s,data=x -o encrypt.format=aes,encrypt.key-secret=s aes.qcow2 1M",
         "encrypted"},
    };
    g_autoptr(BerthImageStore) store = open_store(dir);
    run_qemu_img(dir, "create -f raw base.raw 1M");
    for (guint i = 0; i < G_N_ELEMENTS(disks); i++) {
        run_qemu_img(dir, disks[i][1]);
        g_auto(Import) import;
        import_init(&import, "x", open_file(dir, disks[i][0]));
        import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, disks[i][2]);
    }
}

/* A qcow2 header and nothing behind it. */
static void test_damaged(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    test_dir_write(dir, "disk", "QFI\xfb\xff\xff\xff\xff and rubbish");
    g_auto(Import) import;
    g_autoptr(GError) error = NULL;
    import_init(&import, "x", open_file(dir, "disk"));
    g_assert_false(berth_image_store_import(store, &import.in, NULL, NULL, NULL, &error));
    g_assert_nonnull(error);
    g_assert_cmpuint(test_dir_count(dir, "images"), ==, 0);
}

static void write_kernel(TestDir *dir, const char *name)
{
    char kernel[2048] = "";
    kernel[0x1fe] = 0x55;
    kernel[0x1ff] = (char) 0xaa;
    memcpy(kernel + 0x202, "HdrS", 4);
    g_autofree char *path = g_build_filename(dir->path, name, NULL);
    g_assert_true(g_file_set_contents(path, kernel, sizeof kernel, NULL));
}

static void kernel_init(Import *import, TestDir *dir, const char *name)
{
    import_init(import, name, -1);
    write_kernel(dir, "bzImage");
    import->in.kernel_fd = open_file(dir, "bzImage");
}

static void test_kernel(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_auto(Import) import;
    kernel_init(&import, dir, "kernel");
    test_dir_write(dir, "initrd", "07070100");
    test_dir_write(dir, "empty", "");
    import.in.initrd_fd = open_file(dir, "initrd");
    import.in.disk_fd = open_file(dir, "empty");
    g_free(import.in.meta->cmdline);
    import.in.meta->cmdline = g_strdup("console=ttyS0");
    import_ok(store, &import);
    const BerthImageMeta *meta = import.in.meta;
    g_assert_true(meta->has_kernel && meta->has_initrd);
    g_assert_cmpstr(meta->disk_format, ==, "");
    g_assert_cmpuint(meta->virtual_size, ==, 0);
    g_assert_cmpuint(meta->size, ==, 2048 + 8);
    g_autofree char *bytes = NULL;
    gsize length;
    g_autofree char *path = berth_image_store_path(store, "kernel/kernel");
    g_assert_true(g_file_get_contents(path, &bytes, &length, NULL));
    g_autofree char *sum = g_compute_checksum_for_data(G_CHECKSUM_SHA256, (guchar *) bytes, length);
    g_assert_cmpstr(meta->sha256, ==, sum);
    g_assert_false(test_dir_has(dir, "images/kernel/disk"));
    g_assert_cmpuint(test_dir_mode(dir, "images/kernel/initrd"), ==, 0444);

    g_auto(Import) elf;
    import_init(&elf, "elf", -1);
    test_dir_write(dir, "vmlinux", "\177ELF\002\001");
    elf.in.kernel_fd = open_file(dir, "vmlinux");
    import_ok(store, &elf);
}

static void test_kernel_refused(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    test_dir_write(dir, "file", "no kernel at all");
    test_dir_write(dir, "empty", "");
    g_auto(Import) garbage;
    import_init(&garbage, "x", -1);
    garbage.in.kernel_fd = open_file(dir, "file");
    import_fails(store, dir, &garbage, BERTH_ERROR_INVALID_ARGS, "bzImage");
    g_auto(Import) empty;
    import_init(&empty, "x", -1);
    empty.in.kernel_fd = open_file(dir, "empty");
    import_fails(store, dir, &empty, BERTH_ERROR_INVALID_ARGS, "kernel is empty");
    g_auto(Import) alone;
    import_init(&alone, "x", -1);
    alone.in.initrd_fd = open_file(dir, "file");
    import_fails(store, dir, &alone, BERTH_ERROR_INVALID_ARGS, "neither a disk nor a kernel");
    g_auto(Import) nothing;
    import_init(&nothing, "x", open_file(dir, "empty"));
    import_fails(store, dir, &nothing, BERTH_ERROR_INVALID_ARGS, "neither a disk nor a kernel");
    g_auto(Import) large;
    kernel_init(&large, dir, "x");
    large.in.initrd_fd = openat(dir->fd, "large", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_cmpint(ftruncate(large.in.initrd_fd, 256ll * MIB + 1), ==, 0);
    import_fails(store, dir, &large, BERTH_ERROR_INVALID_ARGS, "larger than 256");
}

/* The same number where it is no open file at all. */
static int duplicate(int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return copy < 0 ? fd : copy;
}

/* What a caller may have put into the message in the place of a file. */
static void test_hostile_inputs(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    test_dir_write(dir, "file", "data");
    int pipes[2], sockets[2];
    g_assert_cmpint(pipe2(pipes, O_CLOEXEC), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), ==, 0);
    const int fds[] = {
        pipes[0],
        sockets[0],
        openat(dir->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        openat(dir->fd, "file", O_PATH | O_CLOEXEC),
        openat(dir->fd, "file", O_WRONLY | O_CLOEXEC),
        open("/dev/zero", O_RDONLY | O_CLOEXEC),
        9999, /* none at all */
    };
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++) {
        g_auto(Import) disk;
        import_init(&disk, "x", duplicate(fds[i]));
        import_fails(store, dir, &disk, BERTH_ERROR_INVALID_ARGS, "The disk is no");
        g_auto(Import) kernel;
        kernel_init(&kernel, dir, "x");
        kernel.in.initrd_fd = duplicate(fds[i]);
        import_fails(store, dir, &kernel, BERTH_ERROR_INVALID_ARGS, "The initrd is no");
    }
    for (guint i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    close(pipes[1]);
    close(sockets[1]);
}

static void test_sum(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_autofree char *wrong = g_strnfill(64, 'a');
    g_auto(Import) import;
    kernel_init(&import, dir, "x");
    import.in.sha256 = wrong;
    import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, "SHA-256");
    import.in.sha256 = "abc";
    import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, "64 hexadecimal digits");
    import.in.sha256 = "";
    import.in.format = "vmdk";
    import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, "format");
}

static void test_names(TestDir *dir, gconstpointer unused)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", ".new-x", "\377", "a b"};
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageStore) store = open_store(dir);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_auto(Import) import;
        kernel_init(&import, dir, bad[i]);
        import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, "");
        g_assert_false(berth_image_store_remove(store, bad[i], &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
        g_clear_error(&error);
    }
    g_auto(Import) first, second;
    kernel_init(&first, dir, "x");
    import_ok(store, &first);
    kernel_init(&second, dir, "x");
    import_fails(store, dir, &second, BERTH_ERROR_NAME_TAKEN, "x already");
}

typedef struct {
    guint calls;
    guint64 done, total;
    void (*act)(gpointer data); /* once, at the first call */
    gpointer data;
} Watcher;

static void watch(guint64 done, guint64 total, gpointer data)
{
    Watcher *watcher = data;
    g_assert_cmpuint(done, >=, watcher->done);
    g_assert_cmpuint(done, <=, total);
    watcher->done = done;
    watcher->total = total;
    if (watcher->calls++ == 0 && watcher->act)
        watcher->act(watcher->data);
}

static void test_progress(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    Watcher watcher = {0};
    g_auto(Import) import;
    kernel_init(&import, dir, "x");
    import.progress = watch;
    import.data = &watcher;
    import_ok(store, &import);
    g_assert_cmpuint(watcher.done, ==, 2048);
    g_assert_cmpuint(watcher.total, ==, 2048);
    g_assert_cmpuint(watcher.calls, >=, 1);
}

static void cancel(gpointer data)
{
    g_cancellable_cancel(data);
}

static void truncate_to_10(gpointer data)
{
    g_assert_cmpint(truncate(data, 10), ==, 0);
}

static void grow(gpointer data)
{
    g_assert_cmpint(truncate(data, 3 * MIB), ==, 0);
}

static void overwrite(gpointer data)
{
    BERTH_AUTOFD fd = open(data, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, "x", 1, 0), ==, 1);
}

/* Things that happen while the first bytes have been copied. */
static void test_meanwhile(TestDir *dir, gconstpointer unused)
{
    g_autoptr(BerthImageStore) store = open_store(dir);
    void (*const acts[])(gpointer data) = {truncate_to_10, grow, overwrite, cancel};
    g_autofree char *path = g_build_filename(dir->path, "disk", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(acts); i++) {
        g_assert_true(unlinkat(dir->fd, "disk", 0) == 0 || errno == ENOENT);
        g_autofree char *bytes = make_sparse(dir, "disk", 2 * MIB);
        g_auto(Import) import;
        import_init(&import, "x", open_file(dir, "disk"));
        import.cancellable = g_cancellable_new();
        Watcher watcher = {.act = acts[i], .data = acts[i] == cancel ? (gpointer) import.cancellable : path};
        import.progress = watch;
        import.data = &watcher;
        if (acts[i] == cancel)
            import_fails(store, dir, &import, BERTH_ERROR_CANCELLED, "cancelled");
        else
            import_fails(store, dir, &import, BERTH_ERROR_INVALID_ARGS, "while it was read");
        g_assert_cmpuint(watcher.calls, >, 0);
    }
}

static void with_full_disk(TestDir *dir)
{
    test_private_mounts(dir);
    test_dir_mkdir(dir, "small");
    test_mount_tmpfs(dir, "small", "size=256k");
    g_autofree char *path = g_build_filename(dir->path, "small", NULL);
    TestDir small = {path, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    g_autofree char *bytes = make_sparse(dir, "disk", MIB);
    BERTH_AUTOFD fd = openat(dir->fd, "disk", O_RDWR | O_CLOEXEC);
    memset(bytes, 'x', MIB);
    g_assert_cmpint(pwrite(fd, bytes, MIB, 0), ==, MIB);
    g_autoptr(BerthImageStore) store = open_store(&small);
    g_auto(Import) import;
    import_init(&import, "x", open_file(dir, "disk"));
    import_fails(store, &small, &import, BERTH_ERROR_STORAGE_FAILED, g_strerror(ENOSPC));
}

static void with_vanished_state(TestDir *dir)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = NULL, notes = NULL;
    test_private_mounts(dir);
    test_dir_mkdir(dir, "state");
    test_mount_tmpfs(dir, "state", "");
    g_autofree char *path = g_build_filename(dir->path, "state", NULL);
    TestDir state = {path, -1};
    g_autoptr(BerthImageStore) store = open_store(&state);
    g_assert_cmpint(umount2(path, MNT_DETACH), ==, 0);
    g_assert_false(berth_image_store_scan(store, &found, &notes, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_clear_error(&error);
    g_assert_false(berth_image_store_remove(store, "x", &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
}

static void test_child(TestDir *dir, gconstpointer vanished)
{
    test_in_child(vanished ? with_vanished_state : with_full_disk, dir, "needs root for a mount namespace");
}

static void test_scan(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) found = NULL, notes = NULL;
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_auto(Import) import;
    kernel_init(&import, dir, "good");
    import_ok(store, &import);
    g_auto(Import) lacking;
    kernel_init(&lacking, dir, "lacking");
    import_ok(store, &lacking);
    g_assert_cmpint(unlinkat(dir->fd, "images/lacking/kernel", 0), ==, 0);
    test_dir_link(dir, "../good/kernel", "images/lacking/kernel");
    test_dir_mkdir(dir, "images/empty");
    test_dir_mkdir(dir, "images/.new-unfinished");
    test_dir_link(dir, "good", "images/link");
    test_dir_write(dir, "images/\377", "");
    g_autofree char *text = test_dir_read(dir, "images/good/image.json");
    test_dir_mkdir(dir, "images/copied");
    test_dir_write(dir, "images/copied/image.json", text);
    g_assert_true(berth_image_store_scan(store, &found, &notes, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(found->len, ==, 1);
    const BerthImageMeta *meta = found->pdata[0];
    g_assert_cmpstr(meta->name, ==, "good");
    g_assert_cmpstr(meta->sha256, ==, import.in.meta->sha256);
    g_assert_cmpuint(notes->len, ==, 5);
    for (guint i = 0; i < notes->len; i++)
        g_assert_true(g_utf8_validate(notes->pdata[i], -1, NULL));
}

static void test_remove(TestDir *dir, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageStore) store = open_store(dir);
    g_auto(Import) import;
    kernel_init(&import, dir, "x");
    import_ok(store, &import);
    test_dir_link(dir, "x", "images/link");
    g_assert_true(berth_image_store_remove(store, "link", &error));
    g_assert_true(test_dir_has(dir, "images/x/kernel"));
    g_assert_true(berth_image_store_remove(store, "x", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(test_dir_count(dir, "images"), ==, 0);
    g_assert_false(berth_image_store_remove(store, "x", &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_NOT_FOUND);
}

static void keep_quiet(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
}

/* Warnings are what is expected of a store whose system calls fail. */
static void expect_warnings(void)
{
    g_log_set_always_fatal((GLogLevelFlags) G_LOG_FATAL_MASK);
    g_log_set_default_handler(keep_quiet, NULL);
}

static void import_one(TestDir *dir)
{
    expect_warnings();
    g_autoptr(BerthImageStore) store = berth_image_store_open(dir->path, NULL);
    g_auto(Import) import;
    import_init(&import, "x", -1);
    import.in.kernel_fd = openat(dir->fd, "bzImage", O_RDONLY | O_CLOEXEC);
    import.in.initrd_fd = openat(dir->fd, "bzImage", O_RDONLY | O_CLOEXEC);
    _exit(store && berth_image_store_import(store, &import.in, NULL, NULL, NULL, NULL) ? 0 : 42);
}

static void remove_one(TestDir *dir)
{
    expect_warnings();
    g_autoptr(BerthImageStore) store = berth_image_store_open(dir->path, NULL);
    _exit(store && berth_image_store_remove(store, "x", NULL) ? 0 : 42);
}

/* Whole and listed, or not there at all once a store has been opened, which sweeps. */
static gboolean is_there(BerthImageStore *store, TestDir *dir)
{
    g_autoptr(GPtrArray) found = NULL, notes = NULL;
    g_assert_true(berth_image_store_scan(store, &found, &notes, NULL));
    g_assert_cmpuint(notes->len, ==, 0);
    g_assert_cmpuint(test_dir_count(dir, "images"), ==, found->len);
    return found->len == 1;
}

static void test_killed(TestDir *dir, gconstpointer unused)
{
    guint n = 1, counts[2] = {0};
    write_kernel(dir, "bzImage");
    while (kill_at_syscall(import_one, dir, n++)) {
        g_autoptr(BerthImageStore) store = open_store(dir);
        gboolean there = is_there(store, dir);
        counts[there]++;
        if (there)
            g_assert_true(berth_image_store_remove(store, "x", NULL));
    }
    g_assert_cmpuint(counts[FALSE], >, 20);
    g_assert_cmpuint(counts[TRUE], >, 0);

    /* The last import was whole. */
    counts[FALSE] = counts[TRUE] = 0;
    n = 1;
    while (kill_at_syscall(remove_one, dir, n++)) {
        g_autoptr(BerthImageStore) store = open_store(dir);
        gboolean there = is_there(store, dir);
        counts[there]++;
        g_clear_pointer(&store, berth_image_store_close);
        if (!there)
            g_assert_false(kill_at_syscall(import_one, dir, G_MAXINT));
    }
    g_assert_cmpuint(counts[FALSE], >, 5);
    g_assert_cmpuint(counts[TRUE], >, 5);
}

#ifdef __x86_64__
static void test_each_fails(TestDir *dir, gconstpointer unused)
{
    int status = 0, failures = 0;
    guint n = 1;
    write_kernel(dir, "bzImage");
    for (gboolean more = TRUE; more; n++) {
        more = fail_at_syscall(import_one, dir, n, EIO, &status);
        g_assert_true(WIFEXITED(status));
        g_autoptr(BerthImageStore) store = open_store(dir);
        g_assert_cmpint(is_there(store, dir), ==, WEXITSTATUS(status) == 0);
        failures += WEXITSTATUS(status) != 0;
        if (WEXITSTATUS(status) == 0)
            g_assert_true(berth_image_store_remove(store, "x", NULL));
    }
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(failures, >, 20);
}
#endif

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *program = qemu_img();
    if (!program) {
        g_print("1..0 # SKIP qemu-img is not installed\n");
        return 0;
    }
    TEST_DIR_ADD("/image-store/raw", test_raw);
    TEST_DIR_ADD("/image-store/position", test_position);
    TEST_DIR_ADD("/image-store/qcow2", test_qcow2);
    TEST_DIR_ADD("/image-store/dependent", test_dependent);
    TEST_DIR_ADD("/image-store/damaged", test_damaged);
    TEST_DIR_ADD("/image-store/kernel", test_kernel);
    TEST_DIR_ADD("/image-store/kernel/refused", test_kernel_refused);
    TEST_DIR_ADD("/image-store/hostile", test_hostile_inputs);
    TEST_DIR_ADD("/image-store/sum", test_sum);
    TEST_DIR_ADD("/image-store/names", test_names);
    TEST_DIR_ADD("/image-store/progress", test_progress);
    TEST_DIR_ADD("/image-store/meanwhile", test_meanwhile);
    TEST_DIR_ADD("/image-store/scan", test_scan);
    TEST_DIR_ADD("/image-store/remove", test_remove);
    TEST_DIR_ADD("/image-store/full-disk", test_child);
    g_test_add("/image-store/vanished", TestDir, "vanished", test_dir_open, test_child, test_dir_close);
    g_test_add("/image-store/killed", TestDir, NULL, test_dir_open_fast, test_killed, test_dir_close);
#ifdef __x86_64__
    g_test_add("/image-store/each-fails", TestDir, NULL, test_dir_open_fast, test_each_fails, test_dir_close);
#endif
    return g_test_run();
}
