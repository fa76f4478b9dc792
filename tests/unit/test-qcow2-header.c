/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/core/qcow2-header.h"

/* A header of version 3 for 1 GiB, nothing special about it. */
static const guint8 plain[BERTH_QCOW2_HEADER_BYTES] = {
    'Q', 'F', 'I', 0xfb, [7] = 3, [23] = 16, [28] = 0x40, [99] = 4, [103] = 104,
};

typedef struct {
    guint8 bytes[BERTH_QCOW2_HEADER_BYTES];
} Bytes;

static Bytes with(guint offset, guint8 value)
{
    Bytes header;
    memcpy(header.bytes, plain, sizeof plain);
    header.bytes[offset] = value;
    return header;
}

static BerthQcow2Header parse(Bytes header, gsize length)
{
    BerthQcow2Header parsed = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(berth_qcow2_header_parse(header.bytes, length, &parsed, &error));
    g_assert_no_error(error);
    return parsed;
}

static void assert_refused(Bytes header, gsize length)
{
    BerthQcow2Header parsed = {.virtual_size = 7};
    g_autoptr(GError) error = NULL;
    g_assert_false(berth_qcow2_header_parse(header.bytes, length, &parsed, &error));
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    g_assert_cmpuint(parsed.virtual_size, ==, 7);
}

static void test_plain(void)
{
    BerthQcow2Header header = parse(with(7, 3), sizeof plain);
    g_assert_cmpuint(header.virtual_size, ==, 1024 * 1024 * 1024);
    g_assert_false(header.has_backing_file || header.has_data_file || header.is_encrypted);
}

/* Each bit of each field counts, and version 2 has no feature bits: what lies there is something else. */
static void test_flags(void)
{
    for (guint i = 8; i < 16; i++)
        g_assert_true(parse(with(i, 0x80), sizeof plain).has_backing_file);
    for (guint i = 32; i < 36; i++)
        g_assert_true(parse(with(i, 0x80), sizeof plain).is_encrypted);
    g_assert_true(parse(with(79, 4), sizeof plain).has_data_file);
    g_assert_false(parse(with(79, 3), sizeof plain).has_data_file);
    Bytes old = with(79, 4);
    old.bytes[7] = 2;
    g_assert_false(parse(old, 72).has_data_file);
}

static void test_refused(void)
{
    assert_refused(with(0, 'q'), sizeof plain);
    assert_refused(with(3, 0), sizeof plain);
    assert_refused(with(7, 1), sizeof plain);
    assert_refused(with(7, 4), sizeof plain);
    assert_refused(with(4, 1), sizeof plain);
    assert_refused(with(24, 0x80), sizeof plain);
    assert_refused(with(7, 3), 0);
    assert_refused(with(7, 3), sizeof plain - 1);
    assert_refused(with(7, 2), 71);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qcow2-header/plain", test_plain);
    g_test_add_func("/qcow2-header/flags", test_flags);
    g_test_add_func("/qcow2-header/refused", test_refused);
    return g_test_run();
}
