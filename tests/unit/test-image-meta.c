/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/core/image-meta.h"

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static BerthImageMeta *sample(void)
{
    BerthImageMeta *meta = berth_image_meta_new("debian-12");
    g_free(meta->sha256);
    meta->sha256 = g_strdup(SHA);
    g_free(meta->description);
    meta->description = g_strdup("Grüße,\n\"Welt\"");
    g_free(meta->cmdline);
    meta->cmdline = g_strdup("root=/dev/vda1 quiet");
    meta->disk_format = "qcow2";
    meta->virtual_size = G_GUINT64_CONSTANT(1) << 50;
    meta->size = 12345;
    meta->has_kernel = TRUE;
    meta->created = 1700000000000000;
    return meta;
}

static void assert_same(const BerthImageMeta *a, const BerthImageMeta *b)
{
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpstr(a->description, ==, b->description);
    g_assert_cmpstr(a->version, ==, b->version);
    g_assert_cmpstr(a->sha256, ==, b->sha256);
    g_assert_cmpstr(a->disk_format, ==, b->disk_format);
    g_assert_cmpuint(a->virtual_size, ==, b->virtual_size);
    g_assert_cmpuint(a->size, ==, b->size);
    g_assert_cmpstr(a->cmdline, ==, b->cmdline);
    g_assert_cmpint(a->has_kernel, ==, b->has_kernel);
    g_assert_cmpint(a->has_initrd, ==, b->has_initrd);
    g_assert_cmpint(a->created, ==, b->created);
}

static void test_roundtrip(void)
{
    BerthImageMeta *meta = sample();
    gsize length;
    g_autofree char *text = berth_image_meta_to_json(meta, &length);
    g_assert_cmpuint(length, ==, strlen(text));

    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageMeta) back = berth_image_meta_from_json(text, length, &error);
    g_assert_no_error(error);
    assert_same(meta, back);

    g_autoptr(BerthImageMeta) copy = berth_image_meta_copy(meta);
    berth_image_meta_free(meta);
    assert_same(copy, back);
}

/* A right document, in which @member's value is replaced by @value; NULL takes it away. */
static char *document(const char *member, const char *value)
{
    static const char *const members[][2] = {
        {"name", "\"a\""},         {"description", "\"\""},    {"version", "\"\""},     {"cmdline", "\"\""},
        {"sha256", "\"" SHA "\""}, {"disk-format", "\"raw\""}, {"virtual-size", "512"}, {"size", "512"},
        {"kernel", "false"},       {"initrd", "false"},        {"created", "0"},
    };
    GString *text = g_string_new("{");
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        gboolean changed = g_strcmp0(member, members[i][0]) == 0;
        const char *shown = changed ? value : members[i][1];
        if (shown)
            g_string_append_printf(text, "%s\"%s\":%s", text->len > 1 ? "," : "", members[i][0], shown);
    }
    g_string_append_c(text, '}');
    return g_string_free(text, FALSE);
}

static void assert_outcome(const char *member, const char *value, const char *message)
{
    g_autofree char *text = document(member, value);
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageMeta) meta = berth_image_meta_from_json(text, strlen(text), &error);
    g_assert_cmpstr(error ? error->message : NULL, ==, message);
    g_assert_true((meta == NULL) == (message != NULL));
    if (error)
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

static void test_good(void)
{
    assert_outcome(NULL, NULL, NULL);
    assert_outcome("kernel", "true", NULL);
    assert_outcome("created", "9223372036854775807", NULL);
    assert_outcome("virtual-size", "1125899906842624", NULL);
    assert_outcome("size", "0", NULL);
}

static void test_missing_and_types(void)
{
    static const char *const members[][2] = {
        {"name", "a text"},
        {"description", "a text"},
        {"version", "a text"},
        {"cmdline", "a text"},
        {"sha256", "a text"},
        {"disk-format", "a word"},
        {"virtual-size", "a number of bytes"},
        {"size", "a number of bytes"},
        {"kernel", "yes or no"},
        {"initrd", "yes or no"},
        {"created", "a whole number"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *missing = g_strdup_printf("%s is missing; it must be %s", members[i][0], members[i][1]);
        assert_outcome(members[i][0], NULL, missing);
        g_autofree char *wrong = g_strdup_printf("%s is null; it must be %s", members[i][0], members[i][1]);
        assert_outcome(members[i][0], "null", wrong);
    }
}

static void test_bad(void)
{
    assert_outcome(
        "name", "\"../a\"",
        "name is \"../a\"; it must be 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", beginning with a letter "
        "or digit, and no id");
    assert_outcome("description", "\"a\\u0007\"",
                   "description is \"a?\"; it must have no control characters but line feeds and tabulators");
    assert_outcome("version", "\"1\\n\"", "version is \"1?\"; it must have no control characters");
    assert_outcome("sha256", "\"ABC\"", "sha256 is \"ABC\"; it must be 64 hexadecimal digits in lower case");
    assert_outcome("disk-format", "\"vmdk\"", "disk-format is \"vmdk\"; it must be one of \"\", \"qcow2\", \"raw\"");
    assert_outcome("virtual-size", "1125899906842625", "virtual-size is 1125899906842625; it must be from 0 to 1024T");
    assert_outcome("size", "-1", "size is -1; it must be from 0 to 1024T");
    assert_outcome("created", "-1", "created is -1; it must be from 0 to 9223372036854775807");
    assert_outcome("created", "9223372036854775808",
                   "created is -9223372036854775808; it must be from 0 to 9223372036854775807");
    assert_outcome("size", "1, \"sise\": 1", "unknown key \"sise\"; did you mean \"size\"?");

    assert_outcome("virtual-size", "0", "disk-format and virtual-size must both be there or both be absent");
    assert_outcome("disk-format", "\"\"", "disk-format and virtual-size must both be there or both be absent");
    assert_outcome("initrd", "true", "an initrd makes sense only with a kernel");
    assert_outcome("cmdline", "\"quiet\"", "cmdline makes sense only with a kernel");
}

static void test_nothing_in_it(void)
{
    g_autoptr(BerthImageMeta) meta = sample();
    meta->disk_format = "";
    meta->virtual_size = 0;
    gsize length;
    g_autofree char *kernel_alone = berth_image_meta_to_json(meta, &length);
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageMeta) good = berth_image_meta_from_json(kernel_alone, length, &error);
    g_assert_no_error(error);
    g_assert_nonnull(good);

    meta->has_kernel = FALSE;
    g_autofree char *nothing = berth_image_meta_to_json(meta, &length);
    g_autoptr(BerthImageMeta) bad = berth_image_meta_from_json(nothing, length, &error);
    g_assert_null(bad);
    g_assert_cmpstr(error->message, ==, "there is neither a disk nor a kernel");
}

static void test_check(void)
{
    g_autoptr(BerthImageMeta) meta = berth_image_meta_new("a");
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_image_meta_check(meta, &error));
    g_assert_no_error(error);

    char **members[] = {&meta->description, &meta->version, &meta->cmdline, &meta->name};
    static const char *const names[] = {"description", "version", "cmdline", "name"};
    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autofree char *good = *members[i];
        *members[i] = (char *) "a\x1b";
        g_assert_false(berth_image_meta_check(meta, &error));
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
        g_assert_true(g_str_has_prefix(error->message, names[i]));
        g_clear_error(&error);
        *members[i] = g_steal_pointer(&good);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image-meta/roundtrip", test_roundtrip);
    g_test_add_func("/image-meta/good", test_good);
    g_test_add_func("/image-meta/missing-and-types", test_missing_and_types);
    g_test_add_func("/image-meta/bad", test_bad);
    g_test_add_func("/image-meta/nothing-in-it", test_nothing_in_it);
    g_test_add_func("/image-meta/check", test_check);
    return g_test_run();
}
