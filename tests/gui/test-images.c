/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <gio/gfiledescriptorbased.h>
#include <string.h>
#include <unistd.h>

#include "src/core/names.h"
#include "ui-gtk/images/file-row.h"
#include "ui-gtk/images/image-row.h"
#include "ui-gtk/widgets/job-row.h"

/* Images: what there is, imports by a file or by dropping one, and their removal. */

/* Between a number and its unit is a no-break space. */

#define MIB ((off_t) 1 << 20)
#define SHA256_OF_A_MIB "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58"
#define FOR_EVER ((off_t) 1 << 40) /* so many zeroes take hours */

/* (transfer full): a file of zeroes below the fixture's directory */
static GFile *make_file(Stage *stage, const char *name, off_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(stage->fixture.dir, name, NULL);
    g_assert_true(g_file_set_contents(path, "", 0, &error));
    g_assert_no_errno(truncate(path, size));
    return g_file_new_for_path(path);
}

/* Any file will do. (transfer full) */
static GFile *any_file(void)
{
    return g_file_new_for_path("/proc/self/exe");
}

static void open_images(Stage *stage)
{
    AWAIT(berth_ui_service_get_status(stage->service) == BERTH_UI_SERVICE_READY);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.images", NULL);
    AWAIT(stage_top(stage) != GTK_WIDGET(stage->window));
}

static void open_import(Stage *stage)
{
    AWAIT(berth_ui_service_get_status(stage->service) == BERTH_UI_SERVICE_READY);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.import-image", NULL);
    AWAIT(stage_sees(stage, "Disk Image"));
}

/* What the user would have done in the desktop's own dialog. @title: of the row */
static void choose_file(Stage *stage, const char *title, GFile *file)
{
    AWAIT(stage_sees(stage, title));
    GtkWidget *label = stage_find(stage_top(stage), GTK_TYPE_LABEL, title);
    GtkWidget *row = gtk_widget_get_ancestor(label, BERTH_UI_TYPE_FILE_ROW);
    berth_ui_file_row_set_file(BERTH_UI_FILE_ROW(row), file);
}

static GtkEditable *entry(Stage *stage, const char *title)
{
    GtkWidget *label = stage_find(stage_top(stage), GTK_TYPE_LABEL, title);
    return GTK_EDITABLE(gtk_widget_get_ancestor(label, ADW_TYPE_ENTRY_ROW));
}

static gboolean sees_part(GtkWidget *widget, const char *part)
{
    if (!gtk_widget_get_mapped(widget))
        return FALSE;
    if (GTK_IS_LABEL(widget) && strstr(gtk_label_get_text(GTK_LABEL(widget)), part))
        return TRUE;
    gboolean found = FALSE;
    for (GtkWidget *child = gtk_widget_get_first_child(widget); child && !found;
         child = gtk_widget_get_next_sibling(child))
        found = sees_part(child, part);
    return found;
}

static void await_part(Stage *stage, const char *part)
{
    AWAIT(sees_part(stage_top(stage), part));
}

static guint n_images(Stage *stage)
{
    return g_list_model_get_n_items(berth_ui_service_get_images(stage->service));
}

static void close_top(Stage *stage)
{
    gtk_window_close(GTK_WINDOW(stage_top(stage)));
}

/* From a file to a row. */
static void test_import(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "My Disk (1).QCOW2", MIB);
    open_images(stage);
    AWAIT(stage_sees(stage, "No Images"));
    stage_click(stage, "_Import…");
    stage_await_button(stage, "_Import", FALSE);
    choose_file(stage, "Disk Image", file);
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "My-Disk-1");
    gtk_editable_set_text(entry(stage, "Description"), "Zeroes <b>");
    gtk_editable_set_text(entry(stage, "Version"), "7");
    gtk_editable_set_text(entry(stage, "Expected SHA-256"), SHA256_OF_A_MIB);
    stage_click(stage, "_Import");
    AWAIT(stage_sees(stage, "“My-Disk-1” Is Imported"));
    stage_click(stage, "_Done");
    AWAIT(stage_find(stage_top(stage), BERTH_UI_TYPE_IMAGE_ROW, NULL));
    AWAIT(stage_sees(stage, "My-Disk-1"));
    AWAIT(stage_sees(stage, "Zeroes <b> · 7\n1.0 MiB · Not used"));
    AWAIT(!stage_find(stage_top(stage), BERTH_UI_TYPE_JOB_ROW, NULL));
    g_object_set(stage_find(stage_top(stage), BERTH_UI_TYPE_IMAGE_ROW, NULL), "expanded", TRUE, NULL);
    AWAIT(stage_sees(stage, SHA256_OF_A_MIB));
}

static gboolean is_chosen(GtkFileChooser *chooser, GFile *file)
{
    g_autoptr(GFile) chosen = gtk_file_chooser_get_file(chooser);
    return chosen && g_file_equal(chosen, file);
}

/* The desktop's own dialog, or GTK's where there is no portal, as here. */
static void test_chooser(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "chosen.img", MIB);
    g_autoptr(GError) error = NULL;
    open_import(stage);
    stage_click(stage, "Choose a File");
    AWAIT(GTK_IS_FILE_CHOOSER(stage_top(stage)));
    GtkFileChooser *chooser = GTK_FILE_CHOOSER(stage_top(stage));
    g_assert_cmpstr(gtk_file_filter_get_name(gtk_file_chooser_get_filter(chooser)), ==, "Disk Images");
    gtk_file_chooser_set_file(chooser, file, &error);
    g_assert_no_error(error);
    AWAIT(is_chosen(chooser, file));
    gtk_dialog_response(GTK_DIALOG(chooser), GTK_RESPONSE_ACCEPT);
    AWAIT(!GTK_IS_FILE_CHOOSER(stage_top(stage)));
    AWAIT(stage_sees(stage, "chosen.img"));
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "chosen");
}

/* What is typed is checked at once; what was typed stays when another file is chosen. */
static void test_name(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "a.raw", MIB), other = make_file(stage, "b.raw", MIB);
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "a");
    choose_file(stage, "Disk Image", other);
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "b");
    gtk_editable_set_text(entry(stage, "Name"), "-mine");
    stage_await_button(stage, "_Import", FALSE);
    await_part(stage, "beginning with a letter or digit");
    gtk_editable_set_text(entry(stage, "Name"), "mine");
    stage_await_button(stage, "_Import", TRUE);
    choose_file(stage, "Disk Image", file);
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "mine");
    stage_click(stage, "_Import");
    AWAIT(stage_sees(stage, "“mine” Is Imported"));
    close_top(stage);
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    gtk_editable_set_text(entry(stage, "Name"), "mine");
    AWAIT(stage_sees(stage, "There is one of that name already"));
    stage_await_button(stage, "_Import", FALSE);
}

/* It is checked as it is typed, and by the daemon. */
static void test_sum(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "a.raw", MIB + 512);
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    gtk_editable_set_text(entry(stage, "Expected SHA-256"), "30e14");
    stage_await_button(stage, "_Import", FALSE);
    await_part(stage, "64 digits from 0 to 9");
    gtk_editable_set_text(entry(stage, "Expected SHA-256"), SHA256_OF_A_MIB);
    stage_click(stage, "_Import");
    await_part(stage, "The disk has the SHA-256 ");
    g_assert_cmpuint(n_images(stage), ==, 0);
}

static void test_cancel(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "large.img", FOR_EVER);
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    stage_click(stage, "_Import");
    AWAIT(stage_sees(stage, "Importing “large”"));
    await_part(stage, " of 1.0 TiB");
    stage_click(stage, "Cancel the Import");
    AWAIT(stage_sees(stage, "The import was cancelled"));
    /* All is as it was, to be tried again. */
    stage_await_button(stage, "_Import", TRUE);
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "large");
    g_assert_cmpuint(n_images(stage), ==, 0);
}

/* What the daemon finds out only when it looks. */
static void test_job_fails(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "vmlinuz", MIB);
    open_import(stage);
    g_object_set(stage_find(stage_top(stage), ADW_TYPE_EXPANDER_ROW, NULL), "expanded", TRUE, NULL);
    choose_file(stage, "Kernel", file);
    stage_click(stage, "_Import");
    await_part(stage, "The service did not accept the request\nThe kernel");
    stage_await_button(stage, "_Import", TRUE);
}

static void test_unreadable(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) gone = make_file(stage, "gone.img", 1), remote = g_file_new_for_uri("sftp://host/disk.img");
    open_import(stage);
    g_assert_true(g_file_delete(gone, NULL, NULL));
    choose_file(stage, "Disk Image", gone);
    stage_click(stage, "_Import");
    await_part(stage, "“gone.img” could not be opened: No such file or directory");
    choose_file(stage, "Disk Image", remote);
    stage_click(stage, "_Import");
    await_part(stage, "“disk.img” is not on this computer");
}

/* (transfer none): what takes drops on @widget */
static GtkEventController *drop_target(GtkWidget *widget)
{
    g_autoptr(GListModel) controllers = gtk_widget_observe_controllers(widget);
    for (guint i = 0; i < g_list_model_get_n_items(controllers); i++) {
        g_autoptr(GtkEventController) controller = g_list_model_get_item(controllers, i);
        if (GTK_IS_DROP_TARGET(controller))
            return controller;
    }
    return NULL;
}

static gboolean drop_files(GtkWidget *widget, GSList *files)
{
    g_auto(GValue) value = G_VALUE_INIT;
    gboolean taken = FALSE;
    g_value_init(&value, GDK_TYPE_FILE_LIST);
    g_value_take_boxed(&value, gdk_file_list_new_from_list(files));
    g_signal_emit_by_name(drop_target(widget), "drop", &value, 1.0, 1.0, &taken);
    return taken;
}

static gboolean drop(GtkWidget *widget, GFile *file)
{
    GSList files = {.data = file};
    return drop_files(widget, &files);
}

static void test_drop(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "dropped.img", MIB), other = make_file(stage, "other.img", MIB);
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    g_assert_true(drop(GTK_WIDGET(stage->window), file));
    AWAIT(stage_sees(stage, "dropped.img"));
    g_assert_cmpstr(gtk_editable_get_text(entry(stage, "Name")), ==, "dropped");
    g_assert_true(drop(stage_top(stage), other));
    AWAIT(stage_sees(stage, "other.img"));
    stage_click(stage, "_Import");
    AWAIT(stage_sees(stage, "“other” Is Imported"));
    g_assert_false(drop(stage_top(stage), file));
    close_top(stage);
    open_images(stage);
    g_assert_true(drop(stage_top(stage), file));
    AWAIT(stage_sees(stage, "dropped.img"));
}

/* An image is made of one disk: whoever drops more is told what becomes of them. */
static void test_drop_several(Stage *stage, gconstpointer data)
{
    static const char one[] = "1 more file was dropped. Import it afterwards, by itself.",
                      two[] = "2 more files were dropped. Import each afterwards, by itself.";
    g_autoptr(GFile) a = make_file(stage, "a.img", MIB), b = make_file(stage, "b.img", MIB);
    GSList third = {.data = a}, second = {.data = b, .next = &third}, first = {.data = a, .next = &second};
    AWAIT(stage_sees(stage, "No Virtual Machines"));
    g_assert_true(drop_files(GTK_WIDGET(stage->window), &first));
    AWAIT(stage_sees(stage, two));
    g_assert_true(stage_sees(stage, "a.img"));
    g_assert_true(drop(stage_top(stage), b));
    AWAIT(stage_sees(stage, "b.img") && !stage_sees(stage, two));
    GtkWidget *row = stage_find(stage_top(stage), BERTH_UI_TYPE_FILE_ROW, NULL);
    g_assert_true(drop_files(row, &second));
    AWAIT(stage_sees(stage, one));
    close_top(stage);
    open_images(stage);
    g_assert_true(drop_files(stage_top(stage), &second));
    AWAIT(stage_sees(stage, one));
    g_assert_true(drop_files(stage_top(stage), &first));
    AWAIT(stage_sees(stage, two));
}

/* The form for a new VM is there, and knows what it is made of. */
static void await_form(Stage *stage, const char *image)
{
    AWAIT(stage_sees(stage, "New Virtual Machine"));
    AWAIT(stage_sees(stage, image));
    stage_await_button(stage, "Cr_eate", TRUE);
    close_top(stage);
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
}

/* From the form to the import and back, and from the list. */
static void test_create(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "debian.img", MIB);
    AWAIT(berth_ui_service_get_status(stage->service) == BERTH_UI_SERVICE_READY);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.new-vm", "s", "");
    AWAIT(stage_sees(stage, "From a File"));
    gtk_widget_activate(
        gtk_widget_get_ancestor(stage_find(stage_top(stage), GTK_TYPE_LABEL, "From a File"), GTK_TYPE_LIST_BOX_ROW));
    choose_file(stage, "Disk Image", file);
    stage_click(stage, "_Import");
    stage_click(stage, "Create _Virtual Machine");
    await_form(stage, "debian");
    open_images(stage);
    stage_click(stage, "Create a Virtual Machine From It");
    await_form(stage, "debian");
}

static void import_one(Stage *stage, const char *name)
{
    g_autoptr(GFile) file = make_file(stage, name, MIB);
    guint before = n_images(stage);
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    stage_click(stage, "_Import");
    stage_click(stage, "_Done");
    AWAIT(n_images(stage) == before + 1);
}

static void test_remove(Stage *stage, gconstpointer data)
{
    import_one(stage, "debian");
    open_images(stage);
    stage_click(stage, "Remove");
    AWAIT(stage_sees(stage, "Remove “debian”?"));
    stage_click(stage, "_Cancel");
    AWAIT(stage_find(stage_top(stage), BERTH_UI_TYPE_IMAGE_ROW, NULL));
    g_assert_cmpuint(n_images(stage), ==, 1);
    stage_click(stage, "Remove");
    stage_click(stage, "_Remove");
    AWAIT(stage_sees(stage, "No Images"));
    g_assert_cmpuint(n_images(stage), ==, 0);
}

/* As long as there is a VM of it. */
static void test_in_use(Stage *stage, gconstpointer data)
{
    import_one(stage, "debian");
    g_autofree char *vm = fixture_create(&stage->fixture, "web", g_variant_new_parsed("{'image': <'debian'>}"));
    open_images(stage);
    stage_await_button(stage, "There are virtual machines that are made from it", FALSE);
    AWAIT(stage_sees(stage, "1.0 MiB · Used by 1 virtual machine"));
    fixture_vm(&stage->fixture, vm, "Remove");
    stage_await_button(stage, "Remove", TRUE);
    AWAIT(stage_sees(stage, "1.0 MiB · Not used"));
}

/* Somebody else's import is shown too, and can be cancelled. */
static void test_of_others(Stage *stage, gconstpointer data)
{
    g_autoptr(GFile) file = make_file(stage, "large", FOR_EVER);
    g_autoptr(GError) error = NULL;
    g_autoptr(GFileInputStream) stream = g_file_read(file, NULL, &error);
    g_assert_no_error(error);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_unix_fd_list_append(fds, g_file_descriptor_based_get_fd(G_FILE_DESCRIPTOR_BASED(stream)), &error);
    g_autoptr(GVariant) job =
        fixture_call_with_fds(&stage->fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                              g_variant_new_parsed("('large', @h 0, @a{sv} {})"), fds, NULL, &error);
    g_assert_no_error(error);
    open_images(stage);
    AWAIT(stage_sees(stage, "Importing an image"));
    stage_click(stage, "Cancel the Import");
    AWAIT(stage_sees(stage, "No Images"));
}

/* What the fake does: progress at will, and refusals. */

static void begin_fake_import(Stage *stage)
{
    g_autoptr(GFile) file = any_file();
    open_import(stage);
    choose_file(stage, "Disk Image", file);
    gtk_editable_set_text(entry(stage, "Name"), "mine");
    stage_click(stage, "_Import");
}

static void test_progress(Stage *stage, gconstpointer data)
{
    begin_fake_import(stage);
    AWAIT(stage_sees(stage, "Beginning…"));
    fake_berth_progress(stage->fake, 0.5);
    AWAIT(stage_sees(stage, "512.0 KiB of 1.0 MiB"));
    GtkWidget *bar = stage_find(stage_top(stage), GTK_TYPE_PROGRESS_BAR, NULL);
    g_assert_cmpfloat(gtk_progress_bar_get_fraction(GTK_PROGRESS_BAR(bar)), ==, 0.5);
    fake_berth_complete(stage->fake, "", "");
    AWAIT(stage_sees(stage, "“mine” Is Imported"));
}

/* It is the daemon's word that counts, and it is told where it belongs. */
static void test_refused(Stage *stage, gconstpointer data)
{
    stage->fake->refuse = g_strdup("org.berth.Berth1.Error.NameTaken");
    begin_fake_import(stage);
    await_part(stage, "This name is taken already\nThe fake refuses");
    g_assert_true(gtk_widget_has_css_class(GTK_WIDGET(entry(stage, "Name")), "error"));
    g_clear_pointer(&stage->fake->refuse, g_free);
    stage_click(stage, "_Import");
    AWAIT(stage_sees(stage, "Importing “mine”"));
}

/* The daemon goes on, the list shows it, and how it ends is told. */
static void close_meanwhile(Stage *stage)
{
    begin_fake_import(stage);
    AWAIT(stage_sees(stage, "Importing “mine”"));
    close_top(stage);
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
    open_images(stage);
    AWAIT(stage_sees(stage, "Importing “mine”"));
    fake_berth_progress(stage->fake, 0.25);
    AWAIT(stage_sees(stage, "256.0 KiB of 1.0 MiB"));
    close_top(stage);
    AWAIT(stage_top(stage) == GTK_WIDGET(stage->window));
}

static void test_closed(Stage *stage, gconstpointer data)
{
    close_meanwhile(stage);
    fake_berth_complete(stage->fake, "", "");
    AWAIT(stage_sees(stage, "“mine” is imported"));
    stage_click(stage, "_Create Virtual Machine");
    AWAIT(stage_sees(stage, "New Virtual Machine"));
    AWAIT(stage_sees(stage, "mine"));
}

static void test_closed_and_fails(Stage *stage, gconstpointer data)
{
    close_meanwhile(stage);
    fake_berth_complete(stage->fake, "org.berth.Berth1.Error.StorageFailed", "No space left on device");
    AWAIT(stage_sees(stage, "“mine” could not be imported"));
    stage_click(stage, "_Details");
    await_part(stage, "No space left on device");
}

/* Nothing has begun that could go on: this is taken back as soon as it has a name. */
static void test_closed_before(Stage *stage, gconstpointer data)
{
    begin_fake_import(stage);
    AWAIT(stage->fake->job_exists); /* and the answer is on its way */
    stage_click(stage, "_Cancel");
    AWAIT(stage->fake->job_cancelled);
}

/* With its dialogs. */
static void test_asking(Stage *stage, gconstpointer data)
{
    open_images(stage);
    AWAIT(stage_sees(stage, "debian"));
    stage_click(stage, "Remove");
    AWAIT(stage_sees(stage, "Remove “debian”?"));
    /* All go with the window. */
}

static void test_removal_fails(Stage *stage, gconstpointer data)
{
    open_images(stage);
    stage->fake->refuse = g_strdup("org.berth.Berth1.Error.ImageInUse");
    stage_click(stage, "Remove");
    stage_click(stage, "_Remove");
    AWAIT(stage_sees(stage, "“debian” could not be removed"));
}

static void add(void)
{
    STAGE_ADD("/gui/images/import", test_import);
    STAGE_ADD("/gui/images/chooser", test_chooser);
    STAGE_ADD("/gui/images/name", test_name);
    STAGE_ADD("/gui/images/sum", test_sum);
    STAGE_ADD("/gui/images/cancel", test_cancel);
    STAGE_ADD("/gui/images/job-fails", test_job_fails);
    STAGE_ADD("/gui/images/unreadable", test_unreadable);
    STAGE_ADD("/gui/images/drop", test_drop);
    STAGE_ADD("/gui/images/drop-several", test_drop_several);
    STAGE_ADD("/gui/images/create", test_create);
    STAGE_ADD("/gui/images/remove", test_remove);
    STAGE_ADD("/gui/images/in-use", test_in_use);
    STAGE_ADD("/gui/images/of-others", test_of_others);
    STAGE_ADD_FAKE("/gui/images/progress", test_progress);
    STAGE_ADD_FAKE("/gui/images/refused", test_refused);
    STAGE_ADD_FAKE("/gui/images/closed", test_closed);
    STAGE_ADD_FAKE("/gui/images/closed-and-fails", test_closed_and_fails);
    STAGE_ADD_FAKE("/gui/images/closed-before", test_closed_before);
    STAGE_ADD_FAKE("/gui/images/asking", test_asking);
    STAGE_ADD_FAKE("/gui/images/removal-fails", test_removal_fails);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
