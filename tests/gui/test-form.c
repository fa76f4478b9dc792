/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stage.h"

#include <signal.h>
#include <string.h>

#include "src/core/names.h"
#include "ui-gtk/form/port-row.h"
#include "ui-gtk/widgets/complaint.h"

/* Making and changing VMs by the window, with the real daemon behind it. */

static gboolean dialog_is_open(Stage *stage)
{
    return stage_top(stage) != GTK_WIDGET(stage->window);
}

/* The row of the dialog with this title. */
static GtkWidget *row(Stage *stage, const char *title)
{
    AWAIT(stage_find(stage_top(stage), GTK_TYPE_LABEL, title));
    return gtk_widget_get_ancestor(stage_find(stage_top(stage), GTK_TYPE_LABEL, title), GTK_TYPE_LIST_BOX_ROW);
}

static GtkWidget *field(Stage *stage, const char *title, GType type)
{
    GtkWidget *found = stage_find(row(stage, title), type, NULL);
    g_assert_nonnull(found);
    return found;
}

/* As a person does it: types, and goes on. */
static void type(Stage *stage, const char *title, const char *text)
{
    GtkWidget *spin = stage_find(row(stage, title), GTK_TYPE_SPIN_BUTTON, NULL);
    gtk_editable_set_text(GTK_EDITABLE(spin ? spin : row(stage, title)), text);
    if (spin)
        gtk_spin_button_update(GTK_SPIN_BUTTON(spin));
}

static void activate(Stage *stage, const char *title)
{
    gtk_widget_activate(row(stage, title));
}

static const char *shown(Stage *stage, const char *title)
{
    GtkWidget *spin = stage_find(row(stage, title), GTK_TYPE_SPIN_BUTTON, NULL);
    return gtk_editable_get_text(GTK_EDITABLE(spin ? spin : row(stage, title)));
}

/* (nullable): what the row says that stands right below the field of this title */
static const char *complaint(Stage *stage, const char *title)
{
    GtkWidget *below = gtk_widget_get_next_sibling(row(stage, title));
    char *text = NULL;
    if (!BERTH_UI_IS_COMPLAINT(below) || !gtk_widget_get_mapped(below))
        return NULL;
    g_object_get(below, "text", &text, NULL);
    const char *kept = g_intern_string(text);
    g_free(text);
    return kept;
}

static gboolean complains(Stage *stage, const char *title, const char *words)
{
    const char *text = complaint(stage, title);
    return text && strstr(text, words);
}

/* New, without an image: the form is there. */
static void open_new(Stage *stage)
{
    AWAIT(berth_ui_service_get_status(stage->service) == BERTH_UI_SERVICE_READY);
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.new-vm", "s", "");
    AWAIT(dialog_is_open(stage));
    activate(stage, "Without an Image");
    stage_await_button(stage, "Cr_eate", TRUE);
}

static GVariant *config_of(Stage *stage, const char *name)
{
    g_autoptr(GVariant) answer =
        fixture_call(&stage->fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name));
    const char *path;
    g_variant_get(answer, "(&o)", &path);
    return fixture_get(&stage->fixture, path, BERTH_IFACE_VM, "Config");
}

static guint32 number_of(GVariant *config, const char *key)
{
    guint32 number = 0;
    guint64 large = 0;
    g_variant_lookup(config, key, "u", &number);
    g_variant_lookup(config, key, "t", &large);
    return number + (guint32) (large >> 20); /* MiB */
}

static void test_create(Stage *stage, gconstpointer data)
{
    scripted_write(&stage->fixture, "web", NULL);
    stage_click(stage, "_New Virtual Machine");
    AWAIT(dialog_is_open(stage));
    activate(stage, "Without an Image");
    g_assert_cmpstr(shown(stage, "Name"), ==, "vm");
    type(stage, "Name", "web");
    type(stage, "Processors", "2");
    type(stage, "Memory", "256 MiB");
    type(stage, "Disk", "1");
    g_assert_cmpstr(shown(stage, "Disk"), ==, "1.0\u00a0GiB");
    stage_click(stage, "Cr_eate");
    AWAIT(!dialog_is_open(stage));
    stage_await_badge(stage, "web", "Running");
    /* It is what is shown. */
    stage_click(stage, "Power Off");
    stage_await_badge(stage, "web", "Stopped");
    g_autoptr(GVariant) config = config_of(stage, "web");
    g_assert_cmpuint(number_of(config, "vcpus"), ==, 2);
    g_assert_cmpuint(number_of(config, "memory"), ==, 256);
    g_autoptr(GVariant) disks = g_variant_lookup_value(config, "disks", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) disk = g_variant_get_child_value(disks, 0);
    g_assert_cmpuint(number_of(disk, "size"), ==, 1024);
}

/* What is wrong is told while one types, and nothing can be sent. */
static void test_checks(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "vm", NULL);
    stage_await_badge(stage, "vm", "Stopped");
    open_new(stage);
    g_assert_cmpstr(shown(stage, "Name"), ==, "vm-2");
    type(stage, "Name", "vm");
    AWAIT(complains(stage, "Name", "There is one of that name already"));
    stage_await_button(stage, "Cr_eate", FALSE);
    type(stage, "Name", "a b");
    AWAIT(complains(stage, "Name", "Letters"));
    type(stage, "Name", "fine");
    AWAIT(!complaint(stage, "Name"));
    stage_await_button(stage, "Cr_eate", TRUE);
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
}

static void add_port(Stage *stage)
{
    GtkWidget *network = gtk_widget_get_ancestor(row(stage, "Network 1"), ADW_TYPE_EXPANDER_ROW);
    adw_expander_row_set_expanded(ADW_EXPANDER_ROW(network), TRUE);
    activate(stage, "Forward a Port");
}

static void test_ports(Stage *stage, gconstpointer data)
{
    open_new(stage);
    add_port(stage);
    stage_await_button(stage, "Cr_eate", TRUE);
    AWAIT(stage_sees(stage, "Shared with this computer, 1 forwarded port"));
    type(stage, "Address of This Computer", "nowhere");
    AWAIT(complains(stage, "Address of This Computer", "127.0.0.1"));
    type(stage, "Address of This Computer", "127.0.0.1");
    /* The second one is at first the same. */
    add_port(stage);
    AWAIT(stage_sees(stage, "This port of the computer is forwarded already"));
    stage_await_button(stage, "Cr_eate", FALSE);
    stage_click(stage, "Remove This Port");
    stage_await_button(stage, "Cr_eate", TRUE);
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
}

#define HOST_PORT "{'networks': <[{'ports': <[{'host-port': <uint32 8080>, 'guest-port': <uint32 1>}]>}]>}"

/* By the window's own key, which goes back to where images come from. */
static void test_from_file(Stage *stage, gconstpointer data)
{
    AWAIT(berth_ui_service_get_status(stage->service) == BERTH_UI_SERVICE_READY);
    g_auto(GStrv) keys =
        gtk_application_get_accels_for_action(gtk_window_get_application(GTK_WINDOW(stage->window)), "win.new-vm::");
    g_assert_cmpstr(keys[0], ==, "<Control>n");
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.new-vm", "s", "");
    AWAIT(dialog_is_open(stage));
    activate(stage, "From a File");
    AWAIT(stage_sees(stage, "Disk Image"));
    gtk_window_close(GTK_WINDOW(stage_top(stage)));
    AWAIT(!dialog_is_open(stage));
    /* With what came of it. */
    gtk_widget_activate_action(GTK_WIDGET(stage->window), "win.new-vm", "s", "debian");
    AWAIT(dialog_is_open(stage));
    stage_click(stage, "Cr_eate");
    AWAIT(stage_sees(stage, "image: there is no image \"debian\"; import it first"));
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
}

/* What only the daemon knows: its own words, below the field that they are about. */
static void test_refused(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm_with(&stage->fixture, "other", HOST_PORT, NULL);
    open_new(stage);
    add_port(stage);
    stage_click(stage, "Cr_eate");
    AWAIT(complains(stage, "Port of This Computer", "8080 of the host is forwarded to VM \"other\" already"));
    g_assert_true(dialog_is_open(stage));
    type(stage, "Port of This Computer", "8081");
    AWAIT(!complaint(stage, "Port of This Computer"));
    gtk_switch_set_active(GTK_SWITCH(field(stage, "Start Right Away", GTK_TYPE_SWITCH)), FALSE);
    stage_click(stage, "Cr_eate");
    stage_await_badge(stage, "vm", "Stopped");
    AWAIT(!dialog_is_open(stage));
}

/* An error about no field stands above them all. */
static void test_no_place(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "only", NULL);
    open_new(stage);
    stage_click(stage, "Cr_eate");
    AWAIT(stage_sees(stage, "A limit of this computer’s configuration is reached"));
    stage_await_button(stage, "Cr_eate", TRUE);
    g_assert_cmpuint(stage_n_rows(stage), ==, 1);
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
}

/* The daemon takes its time, as while polkit asks, and the user loses patience. */
static void test_cancelled(Stage *stage, gconstpointer data)
{
    open_new(stage);
    kill(stage->fixture.daemon, SIGSTOP);
    stage_click(stage, "Cr_eate");
    stage_await_button(stage, "Cr_eate", FALSE);
    g_assert_false(gtk_widget_is_sensitive(row(stage, "Name")));
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
    kill(stage->fixture.daemon, SIGCONT);
    /* What came of it is seen where everything is; it is not what is shown. */
    stage_await_badge(stage, "vm", "Running");
    AWAIT(stage_sees(stage, "Choose a Virtual Machine"));
}

static void open_change(Stage *stage, const char *vm)
{
    stage_choose(stage, vm);
    stage_click(stage, "Change…");
    AWAIT(dialog_is_open(stage));
    stage_await_button(stage, "_Apply", FALSE); /* nothing is changed yet */
}

#define NOTE "This takes effect when it is started the next time."

static void test_change_stopped(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm_with(&stage->fixture, "web", HOST_PORT, NULL);
    open_change(stage, "web");
    type(stage, "Memory", "512 MiB");
    g_assert_false(stage_sees(stage, NOTE));
    stage_click(stage, "_Apply");
    AWAIT(!dialog_is_open(stage));
    g_autoptr(GVariant) config = config_of(stage, "web");
    g_assert_cmpuint(number_of(config, "memory"), ==, 512);
    /* The network, which was not touched, is as it was. */
    g_autoptr(GVariant) networks = g_variant_lookup_value(config, "networks", G_VARIANT_TYPE("aa{sv}"));
    g_autoptr(GVariant) network = g_variant_get_child_value(networks, 0);
    g_autoptr(GVariant) ports = g_variant_lookup_value(network, "ports", G_VARIANT_TYPE("aa{sv}"));
    g_assert_cmpuint(g_variant_n_children(ports), ==, 1);
}

static void test_change_running(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_running(&stage->fixture, "{}", NULL);
    open_change(stage, "web");
    gtk_switch_set_active(GTK_SWITCH(field(stage, "Protected", GTK_TYPE_SWITCH)), TRUE);
    stage_await_button(stage, "_Apply", TRUE);
    g_assert_false(stage_sees(stage, NOTE)); /* it holds at once */
    type(stage, "Processors", "3");
    AWAIT(stage_sees(stage, NOTE));
    stage_click(stage, "_Apply");
    AWAIT(!dialog_is_open(stage));
    g_assert_cmpstr(stage_await_button(stage, "Remove", FALSE), ==, "It is protected from being removed");
    g_autoptr(GVariant) config = config_of(stage, "web");
    g_assert_cmpuint(number_of(config, "vcpus"), ==, 3);
    fixture_call(&stage->fixture, path, BERTH_IFACE_VM, "Configure",
                 g_variant_new_parsed("({'protected': <false>}, @a{sv} {})"));
}

/* Its VM goes while it is open. */
static void test_change_gone(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm(&stage->fixture, "web", NULL);
    open_change(stage, "web");
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(!dialog_is_open(stage));
    AWAIT(stage_n_rows(stage) == 0);
}

/* A clone is shown when it is there; what it began with is the same. */
static void test_clone(Stage *stage, gconstpointer data)
{
    g_autofree char *path = scripted_vm_with(&stage->fixture, "web", HOST_PORT, NULL);
    stage_choose(stage, "web");
    stage_click(stage, "Clone…");
    AWAIT(dialog_is_open(stage));
    g_assert_cmpstr(shown(stage, "Name"), ==, "web-2");
    type(stage, "Name", "web");
    AWAIT(complains(stage, "Name", "There is one of that name already"));
    stage_await_button(stage, "C_lone", FALSE);
    type(stage, "Name", "copy");
    stage_click(stage, "C_lone");
    AWAIT(!dialog_is_open(stage));
    stage_await_badge(stage, "copy", "Stopped");
    AWAIT(stage_find(GTK_WIDGET(stage->window), GTK_TYPE_LABEL, "copy"));
    scripted_write(&stage->fixture, "copy", NULL);
    stage_click(stage, "Start");
    stage_await_badge(stage, "copy", "Running");
    g_assert_cmpstr(stage_await_button(stage, "Clone…", FALSE), ==, "It is running: shut it down first");
    stage_await_badge(stage, "web", "Stopped");
}

/* The daemon's clone takes as long as the test wants. */
static void test_clone_cancelled(Stage *stage, gconstpointer data)
{
    fake_berth_add(stage->fake, "web", "stopped");
    stage_await_badge(stage, "web", "Stopped");
    stage_choose(stage, "web");
    stage_click(stage, "Clone…");
    stage_click(stage, "C_lone");
    AWAIT(stage_sees(stage, "Copying to “web-2”"));
    fake_berth_progress(stage->fake, 0.5);
    GtkWidget *bar = stage_find(stage_top(stage), GTK_TYPE_PROGRESS_BAR, NULL);
    AWAIT(gtk_progress_bar_get_fraction(GTK_PROGRESS_BAR(bar)) == 0.5);
    fake_berth_complete(stage->fake, BERTH_ERROR_PREFIX "StorageFailed", "write the copy: No space left on device");
    AWAIT(complains(stage, "Name", "No space left on device"));
    stage_click(stage, "C_lone");
    AWAIT(stage_sees(stage, "Copying to “web-2”"));
    stage->fake->job_cancelled = FALSE;
    stage_click(stage, "_Cancel");
    AWAIT(!dialog_is_open(stage));
    AWAIT(stage->fake->job_cancelled);
    fake_berth_complete(stage->fake, BERTH_ERROR_PREFIX "Cancelled", "The clone was cancelled");
}

static void add(void)
{
    STAGE_ADD("/gui/form/create", test_create);
    STAGE_ADD("/gui/form/checks", test_checks);
    STAGE_ADD("/gui/form/ports", test_ports);
    STAGE_ADD("/gui/form/from-file", test_from_file);
    STAGE_ADD("/gui/form/refused", test_refused);
    g_test_add("/gui/form/no-place", Stage, "[Manager]\nMaxVMs=1\n", stage_set_up, test_no_place, stage_tear_down);
    STAGE_ADD("/gui/form/cancelled", test_cancelled);
    STAGE_ADD("/gui/form/change-stopped", test_change_stopped);
    STAGE_ADD("/gui/form/change-running", test_change_running);
    STAGE_ADD("/gui/form/change-gone", test_change_gone);
    STAGE_ADD("/gui/form/clone", test_clone);
    STAGE_ADD_FAKE("/gui/form/clone-cancelled", test_clone_cancelled);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
