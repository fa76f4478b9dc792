/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "console.h"

#include <glib/gi18n.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream.h"
#include "terminal.h"
#include "transcript.h"
#include "ui-gtk/model/words.h"

#define CATCH_UP_MAX (64 * 1024)

struct _BerthUiConsole {
    BerthUiVmView parent_instance;
    GtkStack *stack;     /* a page of words, or the terminal with words above it */
    GtkRevealer *notice; /* those */
    GtkLabel *title, *text;
    GtkButton *button;
    AdwBin *place;             /* of the terminal */
    BerthUiTerminal *terminal; /* of this VM alone: what one guest has left there is no other's */
    BerthUiService *service;   /* the parent's, as the VM is */
    BerthUiVm *vm;
    gboolean is_wanted; /* somebody has looked at it */

    GCancellable *opening; /* what follows is being opened */
    int fd;                /* of the stream, until the log is read; else -1 */
    BerthUiStream *stream;
    guint64 run;        /* when the run began that the stream is of */
    gboolean has_text;  /* something is shown */
    gboolean has_log;   /* it was read */
    guint64 position;   /* in the log, of what is shown last */
    gboolean has_ended; /* though the VM seems to run */
    gboolean is_late;   /* the VM has changed since the stream was asked for */
    GError *failure;
};

G_DEFINE_FINAL_TYPE(BerthUiConsole, berth_ui_console, BERTH_UI_TYPE_VM_VIEW)

static gboolean allows(BerthUiConsole *self, BerthVmMethod method)
{
    BerthVmState state = berth_ui_vm_get_state(self->vm);
    return state != BERTH_VM_STATE_LAST && berth_vm_state_allows(state, method, "", NULL);
}

/* Words, where there are any to say. */

typedef struct {
    const char *title, *text;   /* text: (nullable) */
    const char *label, *action; /* of a button, or NULL */
} Notice;

static Notice notice_of_state(BerthUiConsole *self)
{
    BerthVmState state = berth_ui_vm_get_state(self->vm);
    if (state == BERTH_VM_STOPPED || state == BERTH_VM_EXITED)
        return (Notice){_("Not Running"), berth_ui_describe_exit(self->vm), _("_Start"), "vm.start"};
    return (Notice){_(berth_ui_state_words(self->vm)->label), berth_ui_describe_removal(self->vm), NULL, NULL};
}

/* Without a title: there is nothing to say. */
static Notice notice_of(BerthUiConsole *self)
{
    const char *again = _("_Try Again"), *reconnect = "console.reconnect";
    if (self->stream && berth_ui_vm_get_state(self->vm) == BERTH_VM_PAUSED)
        return (Notice){_("Paused"), NULL, _("_Resume"), "vm.resume"};
    if (!self->vm || self->stream || self->opening)
        return (Notice){NULL, NULL, NULL, NULL};
    if (self->failure)
        return (Notice){_("Console Not Available"), berth_ui_describe_error(self->failure), again, reconnect};
    if (!allows(self, BERTH_METHOD_OPEN_CONSOLE))
        return notice_of_state(self);
    if (self->has_ended && berth_ui_vm_get_state(self->vm) != BERTH_VM_STOPPING)
        return (Notice){_("Console Closed"), NULL, again, reconnect};
    return (Notice){NULL, NULL, NULL, NULL};
}

/* What is not to be seen any more stays as it was until it is gone. */
static void show(BerthUiConsole *self)
{
    const Notice notice = notice_of(self);
    gtk_revealer_set_reveal_child(self->notice, notice.title != NULL);
    gtk_stack_set_visible_child_name(self->stack,
                                     notice.title && !self->stream && !self->has_text ? "words" : "terminal");
    if (self->terminal)
        berth_ui_terminal_set_live(self->terminal, self->stream != NULL);
    if (!notice.title)
        return;
    gtk_label_set_label(self->title, notice.title);
    gtk_label_set_label(self->text, notice.text ? notice.text : "");
    gtk_widget_set_visible(GTK_WIDGET(self->text), notice.text && *notice.text);
    gtk_widget_set_tooltip_text(GTK_WIDGET(self->text), self->failure ? self->failure->message : NULL);
    gtk_widget_set_visible(GTK_WIDGET(self->button), notice.action != NULL);
    gtk_actionable_set_action_name(GTK_ACTIONABLE(self->button), notice.action);
    gtk_button_set_label(self->button, notice.label ? notice.label : "");
}

/* The stream. */

static void update(BerthUiConsole *self);

static void show_bytes(BerthUiConsole *self, const char *bytes, gsize length)
{
    berth_ui_terminal_feed(self->terminal, bytes, length);
    self->has_text = self->has_text || length > 0;
}

static void on_received(const char *bytes, gsize length, gpointer data)
{
    BerthUiConsole *self = data;
    self->position = berth_ui_transcript_advance(self->position, length);
    show_bytes(self, bytes, length);
}

static guint64 run_of(BerthUiVm *vm)
{
    guint64 started;
    g_object_get(vm, "started", &started, NULL);
    return started;
}

/* Of a run that is over by now, it is no wonder; of the present one, nothing is tried until the VM changes. */
static void on_ended(gpointer data)
{
    BerthUiConsole *self = data;
    g_clear_pointer(&self->stream, berth_ui_stream_free);
    self->has_ended = run_of(self->vm) == self->run;
    update(self);
}

static void on_typed(BerthUiTerminal *terminal, GBytes *bytes, BerthUiConsole *self)
{
    gsize length;
    const char *text = g_bytes_get_data(bytes, &length);
    if (self->stream && !berth_ui_stream_write(self->stream, text, length))
        gtk_widget_error_bell(GTK_WIDGET(terminal));
}

/* The log was read after the stream was opened: what came in between is in both. */
static void catch_up(BerthUiConsole *self, GBytes *log)
{
    g_autofree char *bytes = g_malloc(CATCH_UP_MAX);
    gssize n = recv(self->fd, bytes, CATCH_UP_MAX, MSG_DONTWAIT);
    if (n <= 0)
        return;
    gsize known = log ? berth_ui_transcript_overlap(log, bytes, (gsize) n) : 0;
    on_received(bytes + known, (gsize) n - known, self);
}

static void attach(BerthUiConsole *self, GBytes *log)
{
    static const BerthUiStreamEvents events = {on_received, on_ended};
    catch_up(self, log);
    self->stream = berth_ui_stream_new(self->fd, &events, self);
    self->fd = -1;
}

/* Opening: the stream first, so that nothing is missed, then the log, then both are shown. */

static void end_opening(BerthUiConsole *self, GBytes *log)
{
    g_clear_object(&self->opening);
    if (self->fd >= 0)
        attach(self, log);
    update(self);
}

static gboolean is_cancelled(const GError *error)
{
    return g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void on_log_read(GObject *source, GAsyncResult *result, gpointer data)
{
    BerthUiConsole *self = data;
    g_autoptr(GError) error = NULL;
    guint64 position = 0;
    g_autoptr(GBytes) log = berth_ui_transcript_read_finish(result, &position, &error);
    if (is_cancelled(error))
        return;
    if (log) {
        self->position = position;
        berth_ui_terminal_replay(self->terminal, log);
        self->has_text = self->has_text || g_bytes_get_size(log) > 0;
    }
    end_opening(self, log);
}

/* A console without a past will do. */
static void on_log_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    BerthUiConsole *self = data;
    g_autoptr(GError) error = NULL;
    int fd = berth_ui_service_open_finish(BERTH_UI_SERVICE(source), result, &error);
    if (is_cancelled(error))
        return;
    if (fd >= 0)
        berth_ui_transcript_read_async(fd, self->position, self->opening, on_log_read, self);
    else
        end_opening(self, NULL);
}

static void open_log(BerthUiConsole *self)
{
    self->has_log = TRUE;
    berth_ui_service_open_async(self->service, self->vm, BERTH_METHOD_OPEN_LOG,
                                g_variant_new_parsed("('serial', @a{sv} {})"), self->opening, on_log_opened, self);
}

/* Where a VM ends, its console may be asked for once more before that is told: such a refusal says nothing of what is
 * true now. */
static gboolean is_of_the_past(BerthUiConsole *self, const GError *error)
{
    return self->is_late && !g_error_matches(error, BERTH_ERROR, BERTH_ERROR_ACCESS_DENIED);
}

static void on_stream_opened(GObject *source, GAsyncResult *result, gpointer data)
{
    BerthUiConsole *self = data;
    g_autoptr(GError) error = NULL;
    int fd = berth_ui_service_open_finish(BERTH_UI_SERVICE(source), result, &error);
    if (is_cancelled(error))
        return;
    if (fd < 0) {
        self->failure = is_of_the_past(self, error) ? NULL : g_steal_pointer(&error);
        end_opening(self, NULL);
        return;
    }
    self->fd = fd;
    if (self->has_text)
        berth_ui_terminal_begin_anew(self->terminal);
    open_log(self);
}

static void open_stream(BerthUiConsole *self)
{
    self->run = run_of(self->vm);
    self->is_late = FALSE;
    berth_ui_service_open_async(self->service, self->vm, BERTH_METHOD_OPEN_CONSOLE,
                                g_variant_new_parsed("(@a{sv} {},)"), self->opening, on_stream_opened, self);
}

static gboolean may_open(BerthUiConsole *self)
{
    return self->is_wanted && self->vm && self->service && !self->opening && !self->stream && !self->failure &&
           berth_ui_service_get_status(self->service) == BERTH_UI_SERVICE_READY;
}

/* Opens what there is to open now, and shows how things are. */
static void update(BerthUiConsole *self)
{
    const gboolean may = may_open(self);
    const gboolean has_stream = may && allows(self, BERTH_METHOD_OPEN_CONSOLE);
    const gboolean has_log = may && allows(self, BERTH_METHOD_OPEN_LOG);
    if ((has_stream && !self->has_ended) || (has_log && !self->has_log))
        self->opening = g_cancellable_new();
    if (has_stream && !self->has_ended)
        open_stream(self);
    else if (has_log && !self->has_log)
        open_log(self);
    show(self);
}

static void close_all(BerthUiConsole *self)
{
    g_cancellable_cancel(self->opening);
    g_clear_object(&self->opening);
    g_clear_pointer(&self->stream, berth_ui_stream_free);
    g_clear_error(&self->failure);
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    self->has_ended = self->has_text = self->has_log = FALSE;
    self->position = 0;
}

/* What happens elsewhere. */

/* Something is different, so it is worth another try; but who was refused is not asked for a password again. */
static void on_changed(BerthUiConsole *self)
{
    self->has_ended = FALSE;
    self->is_late = TRUE;
    if (!g_error_matches(self->failure, BERTH_ERROR, BERTH_ERROR_ACCESS_DENIED))
        g_clear_error(&self->failure);
    update(self);
}

static void on_status_changed(BerthUiConsole *self)
{
    if (berth_ui_service_get_status(self->service) == BERTH_UI_SERVICE_READY)
        on_changed(self);
}

static void on_reconnect(GtkWidget *widget, const char *name, GVariant *parameter)
{
    BerthUiConsole *self = BERTH_UI_CONSOLE(widget);
    self->has_ended = FALSE;
    g_clear_error(&self->failure);
    update(self);
}

/* The object. */

static void berth_ui_console_changed(BerthUiVmView *view, BerthUiService *service, BerthUiVm *vm)
{
    BerthUiConsole *self = BERTH_UI_CONSOLE(view);
    close_all(self);
    self->service = service;
    self->vm = vm;
    self->terminal = vm ? berth_ui_terminal_new() : NULL;
    adw_bin_set_child(self->place, GTK_WIDGET(self->terminal));
    if (self->terminal)
        g_signal_connect_object(self->terminal, "typed", G_CALLBACK(on_typed), self, 0);
    self->is_wanted = gtk_widget_get_mapped(GTK_WIDGET(self));
    update(self);
}

static void berth_ui_console_map(GtkWidget *widget)
{
    BerthUiConsole *self = BERTH_UI_CONSOLE(widget);
    GTK_WIDGET_CLASS(berth_ui_console_parent_class)->map(widget);
    self->is_wanted = TRUE;
    update(self);
}

static gboolean berth_ui_console_grab_focus(GtkWidget *widget)
{
    BerthUiConsole *self = BERTH_UI_CONSOLE(widget);
    return self->terminal && gtk_widget_grab_focus(GTK_WIDGET(self->terminal));
}

static void class_bind_template(GtkWidgetClass *klass)
{
    gtk_widget_class_set_template_from_resource(klass, "/org/berth/Berth/console.ui");
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, stack);
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, notice);
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, title);
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, text);
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, button);
    gtk_widget_class_bind_template_child(klass, BerthUiConsole, place);
}

static void berth_ui_console_class_init(BerthUiConsoleClass *klass)
{
    GtkWidgetClass *widget_class = GTK_WIDGET_CLASS(klass);
    BERTH_UI_VM_VIEW_CLASS(klass)->changed = berth_ui_console_changed;
    widget_class->map = berth_ui_console_map;
    widget_class->grab_focus = berth_ui_console_grab_focus;
    class_bind_template(widget_class);
    gtk_widget_class_install_action(widget_class, "console.reconnect", NULL, on_reconnect);
}

static void berth_ui_console_init(BerthUiConsole *self)
{
    BerthUiVmView *view = BERTH_UI_VM_VIEW(self);
    gtk_widget_init_template(GTK_WIDGET(self));
    self->fd = -1;
    berth_ui_vm_view_follow_service(view, "notify::status", G_CALLBACK(on_status_changed));
    berth_ui_vm_view_follow_vm(view, "notify::state", G_CALLBACK(on_changed));
    berth_ui_vm_view_follow_vm(view, "notify::started", G_CALLBACK(on_changed));
    berth_ui_vm_view_follow_vm(view, "notify::exit-reason", G_CALLBACK(show));
    berth_ui_vm_view_follow_vm(view, "notify::removal-phase", G_CALLBACK(show));
}
