/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/autofd.h"
#include "src/core/error.h"
#include "src/host/qemu-img.h"
#include "test-dir.h"

#define MIB (1024 * 1024)
#define NO_PROGRAM "/nonexistent/qemu-img" /* a program that can't be started: no child, no answer */

static const char *program;

static char *in_dir(TestDir *dir, const char *name)
{
    return g_build_filename(dir->path, name, NULL);
}

static void run(TestDir *dir, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) argv = NULL;
    int status = -1;
    g_assert_true(g_shell_parse_argv(command, NULL, &argv, &error));
    g_spawn_sync(dir->path, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, NULL,
                 &status, &error);
    g_assert_no_error(error);
    g_assert_cmpint(status, ==, 0);
}

/* In the place of qemu-img. */
static char *make_program(TestDir *dir, const char *script)
{
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);
    char *path = in_dir(dir, "program");
    test_dir_write(dir, "program", text);
    g_assert_cmpint(chmod(path, 0755), ==, 0);
    g_assert_cmpint(chmod(dir->path, 0755), ==, 0);
    return path;
}

static gboolean info(TestDir *dir, const char *with, const char *name, const char *format, BerthQemuImgInfo *found,
                     GError **error)
{
    BERTH_AUTOFD fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    return berth_qemu_img_info(with, fd, format, found, error);
}

static BerthQemuImgInfo info_ok(TestDir *dir, const char *with, const char *name, const char *format)
{
    BerthQemuImgInfo found = {0};
    g_autoptr(GError) error = NULL;
    gboolean taken = info(dir, with, name, format, &found, &error);
    g_assert_no_error(error);
    g_assert_true(taken);
    return found;
}

static void info_fails(TestDir *dir, const char *with, const char *name, BerthError code, const char *says)
{
    BerthQemuImgInfo found = {.virtual_size = 7};
    g_autoptr(GError) error = NULL;
    g_assert_false(info(dir, with, name, "qcow2", &found, &error));
    g_assert_error(error, BERTH_ERROR, (int) code);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, says));
    g_assert_cmpuint(found.virtual_size, ==, 7);
}

static void patch(TestDir *dir, const char *name, off_t offset, const void *bytes, gsize length)
{
    BERTH_AUTOFD fd = openat(dir->fd, name, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(pwrite(fd, bytes, length, offset), ==, (ssize_t) length);
}

static void patch_be64(TestDir *dir, const char *name, off_t offset, guint64 value)
{
    value = GUINT64_TO_BE(value);
    patch(dir, name, offset, &value, sizeof value);
}

/* --- Info --- */

static void test_plain(TestDir *dir, gconstpointer unused)
{
    run(dir, "qemu-img create -f qcow2 disk 1G");
    BerthQemuImgInfo found = info_ok(dir, program, "disk", "qcow2");
    g_assert_cmpuint(found.virtual_size, ==, 1024 * MIB);
    g_assert_false(found.has_backing_file || found.has_data_file || found.is_encrypted);

    run(dir, "qemu-img create -f qcow2 -o compat=0.10 old 3M");
    g_assert_cmpuint(info_ok(dir, program, "old", "qcow2").virtual_size, ==, 3 * MIB);
}

/* A raw disk is never looked into, whatever it pretends to be. */
static void test_raw(TestDir *dir, gconstpointer unused)
{
    run(dir, "qemu-img create -f qcow2 disk 1G");
    run(dir, "truncate -s 1000000 disk");
    g_assert_cmpuint(info_ok(dir, NO_PROGRAM, "disk", "raw").virtual_size, ==, 1000448);
    BerthQemuImgInfo found;
    g_autoptr(GError) error = NULL;
    g_assert_false(info(dir, program, "disk", "vmdk", &found, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

/* No child may come near these: the program can't even be started. */
static void test_dependent(TestDir *dir, gconstpointer unused)
{
    test_dir_write(dir, "base", "something");
    run(dir, "qemu-img create -f qcow2 -u -F raw -b /etc/shadow backing 1M");
    g_assert_true(info_ok(dir, NO_PROGRAM, "backing", "qcow2").has_backing_file);
    run(dir, "qemu-img create -f qcow2 -u -F raw -b 'json:{\"driver\":\"file\",\"filename\":\"/etc/shadow\"}' json 1M");
    g_assert_true(info_ok(dir, NO_PROGRAM, "json", "qcow2").has_backing_file);
    g_assert_cmpuint(info_ok(dir, NO_PROGRAM, "json", "qcow2").virtual_size, ==, MIB);
    run(dir, "qemu-img create -f qcow2 -o data_file=base data 1M");
    g_assert_true(info_ok(dir, NO_PROGRAM, "data", "qcow2").has_data_file);
    run(dir, "qemu-img create -f qcow2 --object secret,id=s,data=x -o "
             "encrypt.format=aes,encrypt.key-secret=s aes 1M");
    g_assert_true(info_ok(dir, NO_PROGRAM, "aes", "qcow2").is_encrypted);
}

static void test_damaged(TestDir *dir, gconstpointer unused)
{
    static const struct {
        off_t offset; /* of a field of the header */
        guint64 value;
    } damages[] = {
        {20, 0x0000003f00000000}, /* clusters of 2^63 bytes */
        {24, G_MAXINT64},         /* 8 EiB, with a table for 1 MiB */
        {24, G_MAXUINT64},        /* more than that */
        {36, 0xffffffff00000000}, /* a table of 2^32 entries */
        {40, 0x7fffffffffff0000}, /* a table past the end */
        {40, 0x0000000000000123}, /* a table nowhere in particular */
        {56, 0xffffffff00000000}, /* reference counts without end */
        {72, 0x8000000000000000}, /* a feature that nobody knows */
        {96, 0x00000004ffffffff}, /* a header of 4 GiB */
    };
    test_dir_write(dir, "empty", "");
    info_fails(dir, NO_PROGRAM, "empty", BERTH_ERROR_INVALID_ARGS, "too short");
    test_dir_write(dir, "text",
                   "Once upon a time there was a file of at least one hundred and four bytes, which was no image at "
                   "all, but a tale.");
    info_fails(dir, NO_PROGRAM, "text", BERTH_ERROR_INVALID_ARGS, "no qcow2");
    for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
        run(dir, "qemu-img create -f qcow2 disk 1M");
        patch_be64(dir, "disk", damages[i].offset, damages[i].value);
        g_test_message("%u", i);
        info_fails(dir, program, "disk", BERTH_ERROR_INVALID_ARGS, "");
    }
}

/* @n snapshots with long names, in a table behind all else. */
static void add_snapshots(TestDir *dir, const char *name, guint32 n)
{
    enum { FIXED = 40, EXTRA = 16, ID = 8, NAME = 64 };
    GByteArray *table = g_byte_array_new();
    for (guint32 i = 0; i < n; i++) {
        guint8 entry[FIXED + EXTRA + ID + NAME] = {[13] = ID, [15] = NAME, [39] = EXTRA};
        g_autofree char *id = g_strdup_printf("%08u", i);
        memcpy(entry + FIXED + EXTRA, id, ID);
        memset(entry + FIXED + EXTRA + ID, 'n', NAME);
        g_byte_array_append(table, entry, sizeof entry);
    }
    struct stat st;
    g_assert_cmpint(fstatat(dir->fd, name, &st, 0), ==, 0);
    const off_t at = (st.st_size + 65535) / 65536 * 65536;
    const guint32 count = GUINT32_TO_BE(n);
    patch(dir, name, at, table->data, table->len);
    patch(dir, name, 60, &count, sizeof count);
    patch_be64(dir, name, 64, (guint64) at);
    g_byte_array_unref(table);
}

static void test_snapshots(TestDir *dir, gconstpointer unused)
{
    run(dir, "qemu-img create -f qcow2 few 1M");
    add_snapshots(dir, "few", 20);
    g_assert_cmpuint(info_ok(dir, program, "few", "qcow2").virtual_size, ==, MIB);
    run(dir, "qemu-img create -f qcow2 many 1M");
    add_snapshots(dir, "many", 20000);
    info_fails(dir, program, "many", BERTH_ERROR_INVALID_ARGS, "too many snapshots");
}

static void test_hidden(TestDir *dir, gconstpointer unused)
{
    run(dir, "qemu-img create -f qcow2 disk 1M");
    run(dir, "chmod 600 disk");
    if (geteuid() == 0)
        info_fails(dir, program, "disk", BERTH_ERROR_STORAGE_FAILED, "0600");
    else
        info_ok(dir, program, "disk", "qcow2");
}

/* --- The child --- */

static void test_limits(TestDir *dir, gconstpointer unused)
{
    g_autofree char *with = make_program(
        dir, "echo \"$(id -u) $(id -G) $(grep NoNewPrivs /proc/$$/status | tr -dc 0-9)"
             " $(ulimit -c) $(ulimit -f) $(ulimit -t) $(ulimit -v) $(ls /proc/$$/fd | tr '\\n' ' ')\" >&2; exit 1");
    run(dir, "qemu-img create -f qcow2 disk 1M");
    g_autofree char *own = g_strdup_printf("%d", (int) geteuid());
    const char *user = geteuid() == 0 ? "65534" : own;
    g_autofree char *expected = g_strdup_printf("it: %s %s 1 0 0 30 1048576 0 1 10 2 3 ", user, user);
    g_autofree char *without_shell_fd = g_strdup_printf("it: %s %s 1 0 0 30 1048576 0 1 2 3 ", user, user);
    BerthQemuImgInfo found;
    g_autoptr(GError) error = NULL;
    g_assert_false(info(dir, with, "disk", "qcow2", &found, &error));
    g_test_message("%s", error->message);
    g_assert_true(strstr(error->message, expected) != NULL || strstr(error->message, without_shell_fd) != NULL);
}

static void test_bad_children(TestDir *dir, gconstpointer unused)
{
    static const struct {
        const char *script;
        BerthError code;
        const char *says;
    } children[] = {
        {"while :; do echo yes; done", BERTH_ERROR_INVALID_ARGS, "too many snapshots"},
        {"while :; do echo yes >&2; done", BERTH_ERROR_INVALID_ARGS, "more than"},
        {"kill -9 $$", BERTH_ERROR_INVALID_ARGS, "signal 9"},
        {"exit 1", BERTH_ERROR_INVALID_ARGS, "no reason"},
        {"printf 'qemu-img: Could not open \\047driver=x\\047: \\033[31mred\\377\\nmore' >&2; exit 1",
         BERTH_ERROR_INVALID_ARGS, ":  [31mred\357\277\275"},
        {"echo '{}'", BERTH_ERROR_STORAGE_FAILED, "no size"},
        {"echo '{\"virtual-size\": -1}'", BERTH_ERROR_STORAGE_FAILED, "no size"},
        {"head -c 100000 /dev/zero | tr '\\0' '['", BERTH_ERROR_INVALID_ARGS, ""},
        {"exec <&- >&- 2>&-; exit 1", BERTH_ERROR_INVALID_ARGS, "no reason"},
    };
    run(dir, "qemu-img create -f qcow2 disk 1M");
    for (guint i = 0; i < G_N_ELEMENTS(children); i++) {
        g_autofree char *with = make_program(dir, children[i].script);
        g_test_message("%s", children[i].script);
        info_fails(dir, with, "disk", children[i].code, children[i].says);
    }
    info_fails(dir, NO_PROGRAM, "disk", BERTH_ERROR_STORAGE_FAILED, NO_PROGRAM);
    /* None is left, not even as a zombie. */
    g_assert_cmpint(waitpid(-1, NULL, WNOHANG), ==, -1);
    g_assert_cmpint(errno, ==, ECHILD);
}

/* Takes as long as the limit: only with -m slow. */
static void test_deadline(TestDir *dir, gconstpointer unused)
{
    if (!g_test_slow()) {
        g_test_skip("takes half a minute: run with -m slow");
        return;
    }
    g_autofree char *with = make_program(dir, "exec >&- 2>&-; exec sleep 1000");
    run(dir, "qemu-img create -f qcow2 disk 1M");
    gint64 before = g_get_monotonic_time();
    info_fails(dir, with, "disk", BERTH_ERROR_INVALID_ARGS, "within 30 s");
    g_assert_cmpint(g_get_monotonic_time() - before, <, 40 * G_USEC_PER_SEC);
}

/* --- Create --- */

static void create_ok(TestDir *dir, const char *name, const char *format, guint64 size, const char *backing,
                      const char *backing_format)
{
    g_autofree char *path = in_dir(dir, name);
    g_autofree char *base = backing != NULL ? in_dir(dir, backing) : NULL;
    g_autoptr(GError) error = NULL;
    gboolean made = berth_qemu_img_create(program, path, format, size, base, backing_format, &error);
    g_assert_no_error(error);
    g_assert_true(made);
    g_assert_cmpuint(test_dir_mode(dir, name), ==, 0600);
}

static guint64 virtual_size(TestDir *dir, const char *name)
{
    BERTH_AUTOFD fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC);
    guint64 size;
    g_assert_cmpint(pread(fd, &size, sizeof size, 24), ==, sizeof size);
    return GUINT64_FROM_BE(size);
}

static void test_create(TestDir *dir, gconstpointer unused)
{
    create_ok(dir, "disk.qcow2", "qcow2", 5 * MIB, NULL, NULL);
    g_assert_cmpuint(virtual_size(dir, "disk.qcow2"), ==, 5 * MIB);
    create_ok(dir, "large", "qcow2", 64ull << 40, NULL, NULL);
    g_assert_cmpuint(virtual_size(dir, "large"), ==, 64ull << 40);

    struct stat st;
    create_ok(dir, "disk.raw", "raw", 50ull << 30, NULL, NULL);
    g_assert_cmpint(fstatat(dir->fd, "disk.raw", &st, 0), ==, 0);
    g_assert_cmpint(st.st_size, ==, 50ll << 30);
    g_assert_cmpint(st.st_blocks, <, 1024);
}

#define ODD "-o, a=b: \"c\" json:{}"

static void test_overlay(TestDir *dir, gconstpointer unused)
{
    create_ok(dir, ODD ".base", "qcow2", 5 * MIB, NULL, NULL);
    create_ok(dir, ODD ".overlay", "qcow2", 0, ODD ".base", "qcow2");
    g_assert_cmpuint(virtual_size(dir, ODD ".overlay"), ==, 5 * MIB);
    create_ok(dir, "larger", "qcow2", 9 * MIB, ODD ".base", "qcow2");
    g_assert_cmpuint(virtual_size(dir, "larger"), ==, 9 * MIB);
    /* And what QEMU makes of it has the backing file that was meant. */
    run(dir, "sh -c 'qemu-img info larger | grep -q \"^backing file:.*json:{}.base\"'");
}

static void create_fails(TestDir *dir, const char *name, guint64 size, const char *backing, const char *says)
{
    g_autofree char *path = in_dir(dir, name);
    g_autofree char *base = backing != NULL ? in_dir(dir, backing) : NULL;
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_qemu_img_create(program, path, "qcow2", size, base, "qcow2", &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_STORAGE_FAILED);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, path));
    g_assert_nonnull(strstr(error->message, says));
}

static void test_create_fails(TestDir *dir, gconstpointer unused)
{
    test_dir_write(dir, "there", "precious");
    create_fails(dir, "there", MIB, NULL, "exists");
    g_autofree char *text = test_dir_read(dir, "there");
    g_assert_cmpstr(text, ==, "precious");

    test_dir_link(dir, "target", "link");
    create_fails(dir, "link", MIB, NULL, "exists");
    g_assert_false(test_dir_has(dir, "target"));

    create_fails(dir, "new", 0, "absent", "absent");
    g_assert_false(test_dir_has(dir, "new"));
    create_fails(dir, "new", 0, "there", "");
    g_assert_false(test_dir_has(dir, "new"));
    create_fails(dir, "no/such/directory", MIB, NULL, "directory");
}

/* --- Several at once --- */

static gpointer create_in_thread(gpointer data)
{
    g_autoptr(GError) error = NULL;
    berth_qemu_img_create(program, data, "qcow2", MIB, NULL, NULL, &error);
    g_assert_no_error(error);
    return NULL;
}

static void test_threads(TestDir *dir, gconstpointer unused)
{
    GThread *threads[8];
    char *paths[8];
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_autofree char *name = g_strdup_printf("disk%u", i);
        paths[i] = in_dir(dir, name);
        threads[i] = g_thread_new("create", create_in_thread, paths[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
        g_free(paths[i]);
    }
    g_assert_cmpuint(test_dir_count(dir, "."), ==, 8);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *found = g_find_program_in_path("qemu-img");
    if (found == NULL) {
        g_print("1..0 # SKIP qemu-img is not installed\n");
        return 0;
    }
    program = found;
    TEST_DIR_ADD("/qemu-img/plain", test_plain);
    TEST_DIR_ADD("/qemu-img/raw", test_raw);
    TEST_DIR_ADD("/qemu-img/dependent", test_dependent);
    TEST_DIR_ADD("/qemu-img/damaged", test_damaged);
    TEST_DIR_ADD("/qemu-img/snapshots", test_snapshots);
    TEST_DIR_ADD("/qemu-img/hidden", test_hidden);
    TEST_DIR_ADD("/qemu-img/limits", test_limits);
    TEST_DIR_ADD("/qemu-img/bad-children", test_bad_children);
    TEST_DIR_ADD("/qemu-img/deadline", test_deadline);
    TEST_DIR_ADD("/qemu-img/create", test_create);
    TEST_DIR_ADD("/qemu-img/overlay", test_overlay);
    TEST_DIR_ADD("/qemu-img/create-fails", test_create_fails);
    TEST_DIR_ADD("/qemu-img/threads", test_threads);
    return g_test_run();
}
