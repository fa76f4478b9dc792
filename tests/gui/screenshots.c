/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "src/core/names.h"
#include "ui-gtk/badge.h"

/* Takes a picture of each page in light, dark, narrow and from right to left, into the directory that BERTH_SCREENSHOTS
 * names; so each is drawn at least once, without a warning, and fits where it has to. */

#define WIDE 1000
#define NARROW 360
#define HEIGHT 700
#define FRAME "solid-csd" /* a thick one, on displays without a compositor: no part of the picture */

static const char *variant;

/* What @widget's window shows now, when everything has its place. */
static void take(GtkWidget *widget, const char *name)
{
    g_autofree char *file = g_strdup_printf("%s/%s-%s.png", g_getenv("BERTH_SCREENSHOTS"), name, variant);
    g_autoptr(GdkPaintable) paintable = gtk_widget_paintable_new(widget);
    int width = gtk_widget_get_width(widget), height = gtk_widget_get_height(widget);
    GtkSnapshot *snapshot = gtk_snapshot_new();
    gdk_paintable_snapshot(paintable, snapshot, width, height);
    g_autoptr(GskRenderNode) node = gtk_snapshot_free_to_node(snapshot);
    g_assert_nonnull(node);
    g_autoptr(GdkTexture) texture =
        gsk_renderer_render_texture(gtk_native_get_renderer(gtk_widget_get_native(widget)), node, NULL);
    g_assert_true(gdk_texture_save_to_png(texture, file));
}

/* After a change: the frame clock has come by, and nothing is left to be done. */
static gboolean on_tick(GtkWidget *widget, GdkFrameClock *clock, gpointer data)
{
    guint *frames = data;
    return ++*frames < 4 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void await_frames(GtkWidget *widget)
{
    guint frames = 0;
    gtk_widget_add_tick_callback(widget, on_tick, &frames, NULL);
    AWAIT(frames >= 4);
}

static void take_window(Stage *stage, const char *name)
{
    GtkWidget *top = stage_top(stage);
    gtk_widget_remove_css_class(top, FRAME);
    await_frames(top);
    take(top, name);
}

static void append_file(GUnixFDList *fds, const char *file)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    g_assert_cmpint(g_unix_fd_list_append(fds, fd, NULL), >=, 0);
    close(fd);
}

/* An image with nothing but a kernel: any ELF file will do. */
static void import_image(Fixture *fixture, const char *name)
{
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_autofree char *empty = g_build_filename(fixture->dir, "empty", NULL);
    g_assert_true(g_file_set_contents(empty, "", 0, NULL));
    append_file(fds, empty);
    append_file(fds, g_getenv("BERTH_FAKE_QEMU"));
    g_autoptr(GError) error = NULL;
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, NULL);
    g_autoptr(GVariant) job =
        fixture_call_with_fds(fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                              g_variant_new_parsed("(%s, @h 0, {'kernel': <@h 1>})", name), fds, NULL, &error);
    g_assert_no_error(error);
    AWAIT(recorder_count(recorder, "Completed") == 1);
}

static char *create(Fixture *fixture, const char *name, const char *image, const char *config)
{
    g_autoptr(GVariant) parsed = g_variant_ref_sink(g_variant_new_parsed(config));
    GVariantDict dict;
    g_variant_dict_init(&dict, parsed);
    if (image)
        g_variant_dict_insert(&dict, "image", "s", image);
    scripted_write(fixture, name, NULL);
    return fixture_create(fixture, name, g_variant_dict_end(&dict));
}

#define SERVER                                                                                                         \
    "{'vcpus': <uint32 4>, 'memory': <@t 4294967296>, 'restart': <'on-failure'>, 'disks': <[{'size': <@t "             \
    "21474836480>}]>, 'networks': <[{'mode': <'user'>, 'ports': <[{'protocol': <'tcp'>, 'host-port': <uint32 "         \
    "18080>, 'guest-port': <uint32 80>}, {'protocol': <'tcp'>, 'host-port': <uint32 18443>, 'guest-port': <uint32 "    \
    "443>}]>}]>}"
#define SMALL "{'vcpus': <uint32 2>, 'memory': <@t 1073741824>, 'disks': <[{'size': <@t 10737418240>}]>}"

static void make_vms(Stage *stage)
{
    Fixture *fixture = &stage->fixture;
    import_image(fixture, "debian-12");
    import_image(fixture, "fedora-38");
    g_autofree char *web = create(fixture, "web", "debian-12", SERVER);
    g_autofree char *database = create(fixture, "database", "debian-12", SMALL);
    g_autofree char *mail = create(fixture, "mail", "debian-12", SMALL);
    g_autofree char *build = create(fixture, "build-01", "fedora-38", SMALL);
    g_autofree char *old = create(fixture, "old-wiki", "debian-12", SMALL);
    g_autofree char *playground = create(fixture, "playground", "fedora-38", SMALL);
    scripted_write(fixture, "build-01", "on start exit 1 Could not allocate memory\n");
    fixture_vm(fixture, web, "Start");
    fixture_vm(fixture, mail, "Start");
    fixture_vm(fixture, playground, "Start");
    fixture_vm(fixture, playground, "Pause");
    fixture_vm_fails(fixture, build, "Start", "StartFailed", "");
    scripted_remove(fixture, old, "{'grace-seconds': <uint32 600>}");
    stage_await_badge(stage, "old-wiki", "Removing: can be undone");
    stage_await_badge(stage, "web", "Running");
}

static gboolean is_narrow(void)
{
    return g_str_equal(variant, "narrow");
}

/* Shows a VM's page, or in a narrow window goes there. */
static void open_vm(Stage *stage, const char *vm)
{
    stage_choose(stage, vm);
    if (is_narrow())
        stage_activate(stage, vm);
    await_frames(GTK_WIDGET(stage->window));
}

static void close_vm(Stage *stage)
{
    if (is_narrow())
        stage_click(stage, "Back");
    await_frames(GTK_WIDGET(stage->window));
}

static void take_vm(Stage *stage, const char *vm, const char *name)
{
    open_vm(stage, vm);
    take_window(stage, name);
    close_vm(stage);
}

static void take_dialog(Stage *stage, const char *name)
{
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    GtkWidget *dialog = stage_top(stage);
    take_window(stage, name);
    gtk_window_destroy(GTK_WINDOW(dialog));
}

static void take_all(Stage *stage, gconstpointer data)
{
    int width = is_narrow() ? NARROW : WIDE;
    adw_style_manager_set_color_scheme(adw_style_manager_get_default(), g_str_equal(variant, "dark")
                                                                            ? ADW_COLOR_SCHEME_FORCE_DARK
                                                                            : ADW_COLOR_SCHEME_FORCE_LIGHT);
    gtk_widget_remove_css_class(GTK_WIDGET(stage->window), FRAME);
    gtk_window_set_default_size(GTK_WINDOW(stage->window), width, HEIGHT);
    AWAIT(gtk_widget_get_width(GTK_WIDGET(stage->window)) == width);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    take_window(stage, "empty");
    make_vms(stage);
    take_window(stage, "list");
    take_vm(stage, "web", "running");
    take_vm(stage, "build-01", "failed");
    take_vm(stage, "old-wiki", "removing");
    open_vm(stage, "database");
    stage_click(stage, "Remove");
    take_dialog(stage, "remove");
    close_vm(stage);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    take_window(stage, "selecting");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.escape", NULL);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "app.preferences", NULL);
    take_dialog(stage, "preferences");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "app.about", NULL);
    take_dialog(stage, "about");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.show-help-overlay", NULL);
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    take_window(stage, "shortcuts");
    gtk_widget_hide(stage_top(stage));
    fixture_stop_daemon(&stage->fixture, SIGTERM);
    AWAIT(stage_sees(stage, "The Service Is Not Running"));
    take_window(stage, "not-running");
    g_assert_cmpint(gtk_widget_get_width(GTK_WIDGET(stage->window)), ==, width);
    fixture_start_daemon(&stage->fixture);
}

static void set_up(Stage *stage, gconstpointer which)
{
    variant = which;
    gtk_widget_set_default_direction(g_str_equal(variant, "rtl") ? GTK_TEXT_DIR_RTL : GTK_TEXT_DIR_LTR);
    stage_set_up(stage, "");
}

static void add(void)
{
    g_assert_true(g_mkdir_with_parents(g_getenv("BERTH_SCREENSHOTS"), 0755) == 0);
    g_test_add("/gui/screenshots/light", Stage, "light", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/dark", Stage, "dark", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/rtl", Stage, "rtl", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/narrow", Stage, "narrow", set_up, take_all, stage_tear_down);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
