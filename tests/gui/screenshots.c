/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

#include "hands.h"
#include "journal-files.h"
#include "src/core/autofd.h"
#include "src/core/names.h"
#include "tests/lib/fakes/fake-screen.h"
#include "ui-gtk/display/display.h"
#include "ui-gtk/images/file-row.h"
#include "ui-gtk/images/image-row.h"
#include "ui-gtk/journal/journal-page.h"
#include "ui-gtk/journal/journal-row.h"
#include "ui-gtk/overview/graph.h"
#include "ui-gtk/widgets/badge.h"

/* Takes a picture of each page in light, dark, narrow and from right to left, into the directory that BERTH_SCREENSHOTS
 * names; so each is drawn at least once, without a warning, and fits where it has to. */

#define WIDE 1000
#define NARROW 360
#define HEIGHT 700
#define FRAME "solid-csd" /* a thick one, on displays without a compositor: no part of the picture */

static const char *variant;
static char *journal_missing; /* why there is no picture of it */

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

/* Each window fits on a small screen; but that of the shortcuts is laid out by GTK alone. */
static void assert_narrow(GtkWidget *window)
{
    int minimum;
    if (GTK_IS_SHORTCUTS_WINDOW(window))
        return;
    gtk_widget_measure(window, GTK_ORIENTATION_HORIZONTAL, -1, &minimum, NULL, NULL, NULL);
    g_assert_cmpint(minimum, <=, NARROW);
}

static void take_window(Stage *stage, const char *name)
{
    GtkWidget *top = stage_top(stage);
    gtk_widget_remove_css_class(top, FRAME);
    await_frames(top);
    assert_narrow(top);
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

/* The last lines of a guest's start. */
#define BOOT                                                                                                           \
    "once ready say [\033[0;32m  OK  \033[0m] Started \033[0;1;39mnginx.service\033[0m - A high performance web "      \
    "server\n"                                                                                                         \
    "once ready say [\033[0;32m  OK  \033[0m] Reached target \033[0;1;39mmulti-user.target\033[0m - Multi-User "       \
    "System\n"                                                                                                         \
    "once ready say \n"                                                                                                \
    "once ready say Debian GNU/Linux 12 web ttyS0\n"                                                                   \
    "once ready say \n"                                                                                                \
    "once ready say \033[31mred \033[32mgreen \033[33myellow \033[34mblue \033[35mmagenta \033[36mcyan\033[0m\n"       \
    "once ready say web login:\n"

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
    scripted_write(fixture, "web", BOOT);
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

/* Of the processors' graph, which needs two of them. */
static gboolean has_figures(Stage *stage)
{
    GtkWidget *graph = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_GRAPH, NULL);
    return graph && berth_ui_graph_get_last(BERTH_UI_GRAPH(graph), NULL) >= 0;
}

/* A minute of something to be seen, which a QEMU that is a fake does not do. */
static void draw_graphs(Stage *stage)
{
    GtkWidget *graph;
    for (guint n = 0; (graph = stage_find_nth(GTK_WIDGET(stage->window), BERTH_UI_TYPE_GRAPH, n)); n++) {
        BerthUiGraphPoint points[50];
        for (guint i = 0; i < G_N_ELEMENTS(points); i++)
            points[i] = (BerthUiGraphPoint){i, n ? 0.6 : i == 20 ? -1 : (i * 7 % 11) / 20.0 + (i > 35) * 0.5};
        berth_ui_graph_set_points(BERTH_UI_GRAPH(graph), points, G_N_ELEMENTS(points), 60, "");
    }
}

static void take_vm(Stage *stage, const char *vm, const char *name)
{
    open_vm(stage, vm);
    take_window(stage, name);
    close_vm(stage);
}

static void write_journal(const char *file, const char *id)
{
    const guint64 now = (guint64) g_get_real_time() - (guint64) (10 * G_TIME_SPAN_MINUTE);
    g_autofree char *daemon = g_strdup_printf("BERTH_VM_ID=%s\n_UID=0\nPRIORITY=5\nSYSLOG_IDENTIFIER=berthd\n", id);
    g_autofree char *systemd =
        g_strdup_printf("UNIT=berth-%s.scope\n_PID=1\nPRIORITY=6\nSYSLOG_IDENTIFIER=systemd\n", id);
    g_autofree char *inside = g_strdup_printf("_SYSTEMD_UNIT=berth-%s.scope\n", id);
    g_autofree char *console = g_strconcat(inside, "PRIORITY=6\nSYSLOG_IDENTIFIER=berth-console\n", NULL);
    g_autofree char *qemu = g_strconcat(inside, "PRIORITY=4\nSYSLOG_IDENTIFIER=berth-qemu\n", NULL);
    g_autofree char *keeper = g_strconcat(inside, "PRIORITY=3\nSYSLOG_IDENTIFIER=berth-keeper\n", NULL);
    const JournalMessage messages[] = {
        {now - (guint64) G_TIME_SPAN_DAY, daemon, "web: created as a machine of its own", -1},
        {now, daemon, "web: stopped → starting: by a call of Start", -1},
        {now + 1, systemd, "Started Berth virtual machine web.", -1},
        {now + 2, qemu, "warning: host doesn't support requested feature: CPUID.80000001H:ECX.svm [bit 2]", -1},
        {now + 3, daemon, "web: starting → running: the emulator is ready", -1},
        {now + 4, console, "[    0.000000] Linux version 6.1.0-28-cloud-amd64 (debian-kernel@lists.debian.org)", -1},
        {now + 5, console, "[    1.204113] EXT4-fs (vda1): mounted filesystem with ordered data mode", -1},
        {now + 6, keeper, "The exit record can't be written: No space left on device", -1},
    };
    journal_files_write(file, messages, G_N_ELEMENTS(messages));
}

static void take_journal(Stage *stage)
{
    g_autoptr(BerthUiVm) vm = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("berth-journal-XXXXXX", &error);
    g_assert_no_error(error);
    g_autofree char *file = g_build_filename(dir, "system.journal", NULL);
    open_vm(stage, "web");
    g_object_get(stage->window, "vm", &vm, NULL);
    write_journal(file, berth_ui_vm_get_id(vm));
    stage_view(stage, "journal");
    GtkWidget *page;
    AWAIT((page = stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_JOURNAL_PAGE, NULL)));
    g_object_set(page, "directory", dir, NULL);
    AWAIT(stage_find(page, BERTH_UI_TYPE_JOURNAL_ROW, NULL));
    take_window(stage, "journal");
    g_object_set(page, "directory", "/nowhere", NULL);
    AWAIT(stage_sees(stage, "The Journal Can’t Be Read"));
    take_window(stage, "journal-problem");
    stage_view(stage, "overview");
    close_vm(stage);
    g_unlink(file);
    g_rmdir(dir);
}

static gboolean terminal_ends_with(Stage *stage, const char *text)
{
    g_autofree char *all = stage_terminal_text(stage);
    return g_str_has_suffix(g_strchomp(all), text);
}

/* @sees: words on the page, or at the end of the terminal */
static void take_console(Stage *stage, const char *vm, const char *sees, const char *name)
{
    open_vm(stage, vm);
    stage_view(stage, "console");
    AWAIT(stage_sees(stage, sees) || terminal_ends_with(stage, sees));
    take_window(stage, name);
    stage_view(stage, "overview");
    close_vm(stage);
}

static void take_dialog(Stage *stage, const char *name)
{
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    GtkWidget *dialog = stage_top(stage);
    take_window(stage, name);
    gtk_window_destroy(GTK_WINDOW(dialog));
}

static GtkWidget *row(Stage *stage, const char *title, GType type)
{
    AWAIT(stage_find(stage_top(stage), GTK_TYPE_LABEL, title));
    return gtk_widget_get_ancestor(stage_find(stage_top(stage), GTK_TYPE_LABEL, title), type);
}

/* Choosing an image, a form that is as proposed, and one that is unfolded and wrong. */
static void take_form(Stage *stage)
{
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.new-vm", "s", "");
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    gtk_window_set_default_size(GTK_WINDOW(stage_top(stage)), is_narrow() ? NARROW : 520, HEIGHT);
    take_window(stage, "new-image");
    gtk_widget_activate(row(stage, "debian-12", GTK_TYPE_LIST_BOX_ROW));
    await_frames(stage_top(stage));
    take_window(stage, "new");
    gtk_editable_set_text(GTK_EDITABLE(row(stage, "Name", ADW_TYPE_ENTRY_ROW)), "web");
    adw_expander_row_set_expanded(ADW_EXPANDER_ROW(row(stage, "Network 1", ADW_TYPE_EXPANDER_ROW)), TRUE);
    gtk_widget_activate(row(stage, "Forward a Port", GTK_TYPE_LIST_BOX_ROW));
    gtk_window_set_default_size(GTK_WINDOW(stage_top(stage)), is_narrow() ? NARROW : 520, 2 * HEIGHT);
    await_frames(stage_top(stage));
    take_dialog(stage, "new-wrong");
}

static void take_change(Stage *stage, const char *vm)
{
    open_vm(stage, vm);
    stage_click(stage, "Change…");
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
    gtk_window_set_default_size(GTK_WINDOW(stage_top(stage)), is_narrow() ? NARROW : 520, 2 * HEIGHT);
    GtkWidget *processors = stage_find(row(stage, "Processors", GTK_TYPE_LIST_BOX_ROW), GTK_TYPE_SPIN_BUTTON, NULL);
    gtk_spin_button_set_value(GTK_SPIN_BUTTON(processors), 200);
    await_frames(stage_top(stage));
    take_dialog(stage, "change");
    close_vm(stage);
}

/* A dialog with an own size, which is made smaller where there is no room for that. */
static void take_sized(Stage *stage, const char *words, const char *name)
{
    AWAIT(stage_sees(stage, words));
    GtkWindow *dialog = GTK_WINDOW(stage_top(stage));
    gtk_widget_remove_css_class(GTK_WIDGET(dialog), FRAME);
    if (is_narrow())
        gtk_window_set_default_size(dialog, NARROW, HEIGHT);
    AWAIT(!is_narrow() || gtk_widget_get_width(GTK_WIDGET(dialog)) == NARROW);
    take_window(stage, name);
}

/* There is no window manager that would give the focus back: a window without it is one that nobody looks at. */
static void close_top(Stage *stage)
{
    gtk_window_close(GTK_WINDOW(stage_top(stage)));
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
    gtk_window_present(GTK_WINDOW(stage->window));
    AWAIT(gtk_window_is_active(GTK_WINDOW(stage->window)));
}

static void open_import(Stage *stage, const char *name, off_t size)
{
    g_autofree char *path = g_build_filename(stage->fixture.dir, name, NULL);
    g_autoptr(GFile) file = g_file_new_for_path(path);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_no_errno(truncate(path, size));
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.import-image", NULL);
    AWAIT(stage_sees(stage, "Disk Image"));
    GtkWidget *row = stage_find(stage_top(stage), BERTH_UI_TYPE_FILE_ROW, NULL);
    berth_ui_file_row_set_file(BERTH_UI_FILE_ROW(row), file);
}

/* One that succeeds, and one so large that it goes on for as long as anybody looks. */
static void take_images(Stage *stage)
{
    open_import(stage, "Alpine 3.20.qcow2", (off_t) 1 << 20);
    g_object_set(stage_find(stage_top(stage), ADW_TYPE_EXPANDER_ROW, NULL), "expanded", TRUE, NULL);
    take_sized(stage, "Initial RAM Disk", "import");
    stage_click(stage, "_Import");
    take_sized(stage, "“Alpine-3.20” Is Imported", "import-done");
    close_top(stage);
    open_import(stage, "debian-12.raw", (off_t) 1 << 40);
    GtkWidget *name = stage_find(stage_top(stage), ADW_TYPE_ENTRY_ROW, NULL);
    gtk_editable_set_text(GTK_EDITABLE(name), "debian-12");
    take_sized(stage, "There is one of that name already", "import-refused");
    gtk_editable_set_text(GTK_EDITABLE(name), "debian-13");
    stage_click(stage, "_Import");
    take_sized(stage, "Importing “debian-13”", "importing");
    close_top(stage);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.images", NULL);
    AWAIT(stage_find(stage_top(stage), BERTH_UI_TYPE_IMAGE_ROW, NULL));
    g_object_set(stage_find(stage_top(stage), BERTH_UI_TYPE_IMAGE_ROW, NULL), "expanded", TRUE, NULL);
    take_sized(stage, "Importing “debian-13”", "images");
    stage_click(stage, "Cancel the Import");
    close_top(stage);
}

static void prepare_window(Stage *stage)
{
    int width = is_narrow() ? NARROW : WIDE;
    adw_style_manager_set_color_scheme(adw_style_manager_get_default(), g_str_equal(variant, "dark")
                                                                            ? ADW_COLOR_SCHEME_FORCE_DARK
                                                                            : ADW_COLOR_SCHEME_FORCE_LIGHT);
    gtk_widget_remove_css_class(GTK_WIDGET(stage->window), FRAME);
    gtk_window_set_default_size(GTK_WINDOW(stage->window), width, HEIGHT);
    AWAIT(gtk_widget_get_width(GTK_WIDGET(stage->window)) == width);
    hands_focus(stage); /* else the desktop would be told of what fails, and there is none */
}

static void take_all(Stage *stage, gconstpointer data)
{
    prepare_window(stage);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    take_window(stage, "empty");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.images", NULL);
    take_sized(stage, "No Images", "no-images");
    close_top(stage);
    /* Nobody manages windows here; of a VM that fails behind a user's back the desktop would be told. */
    gtk_window_present(GTK_WINDOW(stage->window));
    AWAIT(gtk_window_is_active(GTK_WINDOW(stage->window)));
    make_vms(stage);
    take_window(stage, "list");
    open_vm(stage, "web");
    AWAIT(has_figures(stage));
    draw_graphs(stage);
    take_window(stage, "running");
    close_vm(stage);
    take_console(stage, "web", "web login:", "console");
    take_console(stage, "playground", "Paused", "console-paused");
    take_console(stage, "database", "Not Running", "console-not-running");
    take_vm(stage, "build-01", "failed");
    take_vm(stage, "old-wiki", "removing");
    if (!journal_missing)
        take_journal(stage);
    open_vm(stage, "database");
    stage_click(stage, "Remove");
    take_dialog(stage, "remove");
    close_vm(stage);
    take_form(stage);
    open_vm(stage, "database");
    stage_click(stage, "Clone…");
    take_dialog(stage, "clone");
    close_vm(stage);
    take_change(stage, "web");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.select-all", NULL);
    take_window(stage, "selecting");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.escape", NULL);
    take_images(stage);
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
    g_assert_cmpint(gtk_widget_get_width(GTK_WIDGET(stage->window)), ==, is_narrow() ? NARROW : WIDE);
    fixture_start_daemon(&stage->fixture);
}

/* A guest's screen: a picture of two colours stands for it. */
static void take_display(Stage *stage, gconstpointer data)
{
    prepare_window(stage);
    FakeVm *vm = fake_berth_add(stage->fake, "desktop", "running");
    open_vm(stage, "desktop");
    stage_view(stage, "display");
    AWAIT(stage_sees(stage, "No Display"));
    take_window(stage, "display-none");
    fake_berth_configure(stage->fake, vm, g_variant_new_parsed("{'display': <'virtio'>}"));
    AWAIT(stage->fake->display >= 0);
    take_window(stage, "display-connecting");
    g_autoptr(FakeScreen) display = fake_screen_new(berth_steal_fd(&stage->fake->display), TRUE);
    fake_screen_fill(display, 640, 400, 0x204a87);
    fake_screen_fill_part(display, 40, 40, 400, 240, 0xeeeeec);
    AWAIT(stage_find(GTK_WIDGET(stage->window), BERTH_UI_TYPE_DISPLAY, NULL));
    take_window(stage, "display");
    g_clear_pointer(&display, fake_screen_free);
    AWAIT(stage_sees(stage, "The Screen Was Closed"));
    take_window(stage, "display-closed");
    fake_berth_change(stage->fake, vm, "stopped", "", "");
    AWAIT(stage_sees(stage, "Its screen is here as soon as it runs."));
    take_window(stage, "display-stopped");
}

static void choose_variant(const char *which)
{
    variant = which;
    gtk_widget_set_default_direction(g_str_equal(variant, "rtl") ? GTK_TEXT_DIR_RTL : GTK_TEXT_DIR_LTR);
}

static void set_up(Stage *stage, gconstpointer which)
{
    choose_variant(which);
    stage_set_up(stage, "");
}

static void set_up_fake(Stage *stage, gconstpointer which)
{
    choose_variant(which);
    stage_set_up_fake(stage, NULL);
}

static void add(void)
{
    g_assert_true(g_mkdir_with_parents(g_getenv("BERTH_SCREENSHOTS"), 0755) == 0);
    if ((journal_missing = journal_files_missing()))
        g_test_message("No picture of the journal: %s", journal_missing);
    static const char *const variants[] = {"light", "dark", "rtl", "narrow"};
    for (guint i = 0; i < G_N_ELEMENTS(variants); i++) {
        g_autofree char *path = g_strconcat("/gui/screenshots/display-", variants[i], NULL);
        g_test_add(path, Stage, variants[i], set_up_fake, take_display, stage_tear_down_fake);
    }
    g_test_add("/gui/screenshots/light", Stage, "light", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/dark", Stage, "dark", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/rtl", Stage, "rtl", set_up, take_all, stage_tear_down);
    g_test_add("/gui/screenshots/narrow", Stage, "narrow", set_up, take_all, stage_tear_down);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
