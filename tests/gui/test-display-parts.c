/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>

#include "tests/lib/await.h"
#include "ui-gtk/display/display-backlog.h"
#include "ui-gtk/display/display-frame.h"
#include "ui-gtk/display/display-geometry.h"
#include "ui-gtk/display/display-keys.h"

/* The display's pure parts: keys, places, and pictures from a QEMU that may say anything. */

#define XRGB 0x20020888u
#define XBGR 0x20030888u

static void test_keys(void)
{
    /* The first block, which is common; the prefix 0xe0 as 0x80; and what is no key. */
    g_assert_cmpuint(berth_ui_key_to_qemu(30), ==, 0x1e);
    g_assert_cmpuint(berth_ui_key_to_qemu(83), ==, 0x53);
    g_assert_cmpuint(berth_ui_key_to_qemu(88), ==, 0x58);
    g_assert_cmpuint(berth_ui_key_to_qemu(BERTH_UI_KEY_RIGHT_CONTROL), ==, 0x9d);
    g_assert_cmpuint(berth_ui_key_to_qemu(BERTH_UI_KEY_DELETE), ==, 0xd3);
    g_assert_cmpuint(berth_ui_key_to_qemu(125), ==, 0xdb);
    g_assert_cmpuint(berth_ui_key_to_qemu(0), ==, 0);
    g_assert_cmpuint(berth_ui_key_to_qemu(84), ==, 0);
    g_assert_cmpuint(berth_ui_key_to_qemu(240), ==, 0);
    g_assert_cmpuint(berth_ui_key_to_qemu(G_MAXUINT), ==, 0);
}

/* Two keys with one number would be one key to the guest. */
static void test_keys_are_apart(void)
{
    guint by_number[256] = {0};
    for (guint key = 1; key < 256; key++) {
        guint number = berth_ui_key_to_qemu(key);
        g_assert_cmpuint(number, <, G_N_ELEMENTS(by_number));
        if (number)
            g_assert_cmpuint(by_number[number]++, ==, 0);
    }
}

static void test_combinations(void)
{
    const guint *keys = berth_ui_key_combination("ctrl-alt-delete");
    g_assert_cmpuint(keys[0], ==, 29);
    g_assert_cmpuint(keys[1], ==, 56);
    g_assert_cmpuint(keys[2], ==, 111);
    g_assert_cmpuint(keys[3], ==, 0);
    g_assert_null(berth_ui_key_combination("ctrl-alt-f9"));
}

static void assert_fit(BerthUiFit fit, double x, double y, double width, double height, guint enlarge)
{
    g_assert_cmpfloat(fit.x, ==, x);
    g_assert_cmpfloat(fit.y, ==, y);
    g_assert_cmpfloat(fit.width, ==, width);
    g_assert_cmpfloat(fit.height, ==, height);
    g_assert_cmpuint(fit.enlarge, ==, enlarge);
}

static void test_fit(void)
{
    /* Exactly; with bars beside it; above and below it. */
    assert_fit(berth_ui_fit(640, 480, 1, 640, 480), 0, 0, 640, 480, 1);
    assert_fit(berth_ui_fit(1000, 240, 1, 640, 480), 340, 0, 320, 240, 0);
    assert_fit(berth_ui_fit(320, 1000, 1, 640, 480), 0, 380, 320, 240, 0);
    /* A little more room than twice as large: twice. Much more: all of it. */
    assert_fit(berth_ui_fit(1344, 1000, 1, 640, 480), 32, 20, 1280, 960, 2);
    assert_fit(berth_ui_fit(960, 720, 1, 640, 480), 0, 0, 960, 720, 0);
    /* On a dense screen a pixel of the guest's is one of the screen's, not one of the widget's. */
    assert_fit(berth_ui_fit(320, 240, 2, 640, 480), 0, 0, 320, 240, 1);
    assert_fit(berth_ui_fit(640, 480, 2, 640, 480), 0, 0, 640, 480, 2);
    /* No area. */
    assert_fit(berth_ui_fit(0, 480, 1, 640, 480), 0, 0, 0, 0, 0);
    assert_fit(berth_ui_fit(640, 480, 1, 0, 0), 0, 0, 0, 0, 0);
}

static void assert_place(const BerthUiFit *fit, double x, double y, guint guest_x, guint guest_y)
{
    guint found_x, found_y;
    berth_ui_fit_to_guest(fit, x, y, 640, 480, &found_x, &found_y);
    g_assert_cmpuint(found_x, ==, guest_x);
    g_assert_cmpuint(found_y, ==, guest_y);
}

static void test_places(void)
{
    BerthUiFit fit = berth_ui_fit(1000, 240, 1, 640, 480);
    assert_place(&fit, 340, 0, 0, 0);
    assert_place(&fit, 340.4, 0.6, 0, 1);
    assert_place(&fit, 500, 120, 320, 240);
    assert_place(&fit, 659.9, 239.9, 639, 479);
    /* Beside the picture, the nearest pixel. */
    assert_place(&fit, 0, -5, 0, 0);
    assert_place(&fit, 999, 1e9, 639, 479);
    BerthUiFit nothing = {0};
    assert_place(&nothing, 10, 10, 0, 0);
}

/* Pictures. */

static BerthUiPixels pixels_of(const void *data, gsize size, guint32 stride, guint32 format)
{
    return (BerthUiPixels){.data = data, .size = size, .stride = stride, .format = format};
}

static void test_frame(void)
{
    BerthUiFrame frame = {0};
    g_autoptr(GError) error = NULL;
    const guint32 whole[] = {1, 2, 0xbad, 3, 4}; /* two rows of two, with something between */
    BerthUiPixels pixels = pixels_of(whole, sizeof whole, 12, XRGB);
    g_assert_true(berth_ui_frame_replace(&frame, 2, 2, &pixels, &error));
    const guint32 expected[] = {0xff000001, 0xff000002, 0xff000003, 0xff000004};
    g_assert_cmpmem(frame.pixels, 16, expected, sizeof expected);

    /* A part, whose colours come in the other order; what lies beyond the edge is left out. */
    const guint32 part[] = {0x00112233, 7};
    pixels = pixels_of(part, sizeof part, 8, XBGR);
    g_assert_true(berth_ui_frame_update(&frame, 1, 1, 2, 1, &pixels, &error));
    const guint32 updated[] = {0xff000001, 0xff000002, 0xff000003, 0xff332211};
    g_assert_cmpmem(frame.pixels, 16, updated, sizeof updated);
    g_assert_true(berth_ui_frame_update(&frame, 2, 2, 2, 1, &pixels, &error));
    g_assert_cmpmem(frame.pixels, 16, updated, sizeof updated);

    g_autoptr(GBytes) twice = berth_ui_frame_copy(&frame, 2);
    const guint32 enlarged[] = {0xff000001, 0xff000001, 0xff000002, 0xff000002, 0xff000001, 0xff000001,
                                0xff000002, 0xff000002, 0xff000003, 0xff000003, 0xff332211, 0xff332211,
                                0xff000003, 0xff000003, 0xff332211, 0xff332211};
    g_assert_cmpmem(g_bytes_get_data(twice, NULL), g_bytes_get_size(twice), enlarged, sizeof enlarged);
    berth_ui_frame_clear(&frame);
    g_assert_cmpuint(frame.width, ==, 0);
    g_assert_true(berth_ui_frame_update(&frame, 0, 0, 2, 1, &pixels, &error));
}

/* Whatever it says, nothing is read beside what came. The data lies at the end of a block of its own, where a
 * sanitizer sees a step too far. */
static void test_hostile_frames(void)
{
    static const struct {
        guint32 width, height, stride, format;
        gsize size;
    } bad[] = {
        {0, 2, 8, XRGB, 16},
        {2, 0, 8, XRGB, 16},
        {2, 2, 8, XRGB, 15},
        {2, 2, 7, XRGB, 16},
        {2, 2, 0, XRGB, 16},
        {2, 2, G_MAXUINT32, XRGB, 16},
        {2, 2, 8, 0x10020565, 16},
        {2, 2, 8, 0, 16},
        {BERTH_UI_FRAME_MAX + 1, 1, 4 * (BERTH_UI_FRAME_MAX + 1), XRGB, 16},
        {BERTH_UI_FRAME_MAX, BERTH_UI_FRAME_MAX, 4 * BERTH_UI_FRAME_MAX, XRGB, 16},
        {0x40000001, 1, 4, XRGB, 16}, /* times 4 it is 4 */
        {0x80000000, 2, 8, XRGB, 16}, /* times 2 it is 0 */
        {G_MAXUINT32, G_MAXUINT32, G_MAXUINT32, XRGB, 16},
    };
    BerthUiFrame frame = {0};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL, again = NULL;
        g_autofree guint8 *data = g_malloc0(bad[i].size);
        BerthUiPixels pixels = pixels_of(data, bad[i].size, bad[i].stride, bad[i].format);
        g_assert_false(berth_ui_frame_replace(&frame, bad[i].width, bad[i].height, &pixels, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
        g_assert_cmpuint(frame.width, ==, 0);
        g_assert_false(
            berth_ui_frame_update(&frame, 0, 0, (gint32) bad[i].width, (gint32) bad[i].height, &pixels, &again));
    }
}

static void test_hostile_updates(void)
{
    static const gint32 bad[][4] = {
        {-1, 0, 1, 1}, {0, -1, 1, 1}, {G_MININT32, 0, 1, 1}, {0, 0, -1, 1}, {0, 0, 1, G_MININT32}, {0, 0, 0, 1},
    };
    BerthUiFrame frame = {0};
    const guint32 one[4] = {1, 1, 1, 1};
    BerthUiPixels pixels = pixels_of(one, sizeof one, 8, XRGB);
    g_assert_true(berth_ui_frame_replace(&frame, 2, 2, &pixels, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(berth_ui_frame_update(&frame, bad[i][0], bad[i][1], bad[i][2], bad[i][3], &pixels, &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
    /* Far beside it, and as far as a number goes. */
    g_assert_true(berth_ui_frame_update(&frame, G_MAXINT32, 0, 1, 1, &pixels, NULL));
    g_assert_true(berth_ui_frame_update(&frame, 1, G_MAXINT32, 2, 2, &pixels, NULL));
    berth_ui_frame_clear(&frame);
}

static void test_cursors(void)
{
    g_assert_true(berth_ui_cursor_check(16, 16, 0, 15, 1024, NULL));
    static const gint32 bad[][5] = {
        {0, 16, 0, 0, 0},        {16, -1, 0, 0, 64},   {16, 16, 16, 0, 1024},
        {16, 16, 0, -1, 1024},   {16, 16, 0, 0, 1023}, {BERTH_UI_CURSOR_MAX + 1, 1, 0, 0, 4 * BERTH_UI_CURSOR_MAX + 4},
        {65536, 65536, 0, 0, 0},
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(berth_ui_cursor_check(bad[i][0], bad[i][1], bad[i][2], bad[i][3], (gsize) bad[i][4], &error));
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA);
    }
}

/* Two ends of a connection. */

static void on_end(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    *(GDBusConnection **) data = g_dbus_connection_new_finish(result, &error);
    g_assert_no_error(error);
}

static void open_end(int fd, GDBusConnectionFlags flags, GDBusConnection **end)
{
    g_autoptr(GSocket) socket = g_socket_new_from_fd(fd, NULL);
    g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);
    g_autofree char *guid = g_dbus_generate_guid();
    gboolean is_server = flags & G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER;
    g_dbus_connection_new(G_IO_STREAM(stream), is_server ? guid : NULL, flags, NULL, NULL, on_end, end);
}

static void tell(GDBusConnection *end, guint8 filling)
{
    g_autoptr(GError) error = NULL;
    guint8 bytes[1000];
    memset(bytes, filling, sizeof bytes);
    g_dbus_connection_emit_signal(
        end, NULL, "/a", "a.b", "C",
        g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, bytes, sizeof bytes, 1)), &error);
    g_assert_no_error(error);
}

static void on_told(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *parameters, gpointer data)
{
    ++*(guint *) data;
}

typedef struct {
    BerthUiBacklog *backlog;
    GDBusConnection *peer, *end;
    guint subscription, n_told;
} Watched;

/* Nobody is told of anything before the backlog counts. @max: bytes */
static void watched_open(Watched *watched, gsize max)
{
    int pair[2];
    *watched = (Watched){.backlog = berth_ui_backlog_new(max)};
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair));
    open_end(pair[0], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, &watched->peer);
    open_end(pair[1], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
             &watched->end);
    AWAIT(watched->peer && watched->end);
    berth_ui_backlog_watch(watched->backlog, watched->end);
    watched->subscription = g_dbus_connection_signal_subscribe(
        watched->end, NULL, "a.b", "C", "/a", NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_told, &watched->n_told, NULL);
    g_dbus_connection_start_message_processing(watched->end);
}

/* What came was too much. */
static void watched_await_over(Watched *watched)
{
    AWAIT(g_dbus_connection_is_closed(watched->end));
    g_assert_true(berth_ui_backlog_is_over(watched->backlog));
    AWAIT(g_dbus_connection_is_closed(watched->peer));
}

static void watched_close(Watched *watched)
{
    g_dbus_connection_signal_unsubscribe(watched->end, watched->subscription);
    g_object_unref(watched->end);
    g_object_unref(watched->peer);
    berth_ui_backlog_unref(watched->backlog);
}

/* Three are taken; then one is dealt with, and a fourth is; the fifth is too much, and ends the connection. */
static void test_backlog(void)
{
    Watched watched;
    watched_open(&watched, 3 * (1000 + BERTH_UI_BACKLOG_MESSAGE) + 500);
    for (guint8 i = 0; i < 3; i++)
        tell(watched.peer, i);
    AWAIT(watched.n_told == 3);
    g_assert_false(berth_ui_backlog_is_over(watched.backlog));
    g_autoptr(GVariant) body = g_variant_ref_sink(
        g_variant_new("(@ay)", g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, (guint8[1000]){0}, 1000, 1)));
    berth_ui_backlog_take(watched.backlog, body);
    tell(watched.peer, 3);
    AWAIT(watched.n_told == 4);
    g_assert_false(berth_ui_backlog_is_over(watched.backlog));
    tell(watched.peer, 4);
    watched_await_over(&watched);
    g_assert_cmpuint(watched.n_told, ==, 4);
    watched_close(&watched);
}

static void tell_nothing(GDBusConnection *end)
{
    g_autoptr(GError) error = NULL;
    g_dbus_connection_emit_signal(end, NULL, "/a", "a.b", "C", NULL, &error);
    g_assert_no_error(error);
}

/* Messages without a body are kept too. */
static void test_backlog_of_nothing(void)
{
    Watched watched;
    g_autoptr(GVariant) nothing = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
    watched_open(&watched, 2 * BERTH_UI_BACKLOG_MESSAGE);
    for (guint i = 1; i <= 5; i++) {
        tell_nothing(watched.peer);
        AWAIT(watched.n_told == i);
        berth_ui_backlog_take(watched.backlog, nothing);
    }
    g_assert_false(berth_ui_backlog_is_over(watched.backlog));
    for (guint i = 0; i < 3; i++)
        tell_nothing(watched.peer);
    watched_await_over(&watched);
    watched_close(&watched);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/display/keys", test_keys);
    g_test_add_func("/display/keys-are-apart", test_keys_are_apart);
    g_test_add_func("/display/combinations", test_combinations);
    g_test_add_func("/display/fit", test_fit);
    g_test_add_func("/display/places", test_places);
    g_test_add_func("/display/frame", test_frame);
    g_test_add_func("/display/hostile-frames", test_hostile_frames);
    g_test_add_func("/display/hostile-updates", test_hostile_updates);
    g_test_add_func("/display/cursors", test_cursors);
    g_test_add_func("/display/backlog", test_backlog);
    g_test_add_func("/display/backlog-of-nothing", test_backlog_of_nothing);
    return g_test_run();
}
