/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "display-input.h"

#include <math.h>
#include <string.h>

#include "display-keys.h"

/* No wheel turns further between two frames; a broken one must not hold up the loop. */
#define WHEEL_MAX 16
#define N_KEYS 256u

struct _BerthUiDisplayInput {
    GObject parent_instance;
    BerthUiDisplay *display;
    GtkEventController *keys; /* the root's, before all the window's own, while the display has the focus */
    GtkWidget *root;          /* whose it is, weak */
    gboolean held[N_KEYS];    /* by the kernel's codes */
    guint n_held;
    gboolean is_chord; /* Control and Alt are held, and nothing else has come in between */
    guint buttons;     /* that are held, as bits */
    double x, y;       /* where the pointer was */
    double dx, dy;     /* parts of a guest's pixel that it has moved */
};

G_DEFINE_FINAL_TYPE(BerthUiDisplayInput, berth_ui_display_input, G_TYPE_OBJECT)

static BerthUiDisplayPeer *peer_of(BerthUiDisplayInput *self)
{
    return berth_ui_display_get_peer(self->display);
}

/* Keys. */

static void send_key(BerthUiDisplayInput *self, guint key, gboolean pressed)
{
    if (peer_of(self))
        berth_ui_display_peer_key(peer_of(self), berth_ui_key_to_qemu(key), pressed);
}

static void send_button(BerthUiDisplayInput *self, BerthUiButton button, gboolean pressed)
{
    if (peer_of(self))
        berth_ui_display_peer_button(peer_of(self), button, pressed);
}

void berth_ui_display_input_release_all(BerthUiDisplayInput *self)
{
    for (guint key = 0; key < N_KEYS; key++)
        if (self->held[key])
            send_key(self, key, FALSE);
    memset(self->held, 0, sizeof self->held);
    self->n_held = 0;
    self->is_chord = FALSE;
    for (guint button = 0; button < BERTH_UI_BUTTON_LAST; button++)
        if (self->buttons & 1u << button)
            send_button(self, button, FALSE);
    self->buttons = 0;
}

static gboolean is_held(BerthUiDisplayInput *self, guint left, guint right)
{
    return self->held[left] || self->held[right];
}

static gboolean on_key_pressed(GtkEventControllerKey *controller, guint value, guint code, GdkModifierType modifiers,
                               BerthUiDisplayInput *self)
{
    guint key = code - BERTH_UI_KEYCODE_OFFSET;
    if (key >= N_KEYS || !berth_ui_key_to_qemu(key))
        return FALSE;
    self->n_held += self->held[key] ? 0 : 1;
    self->held[key] = TRUE;
    self->is_chord = self->n_held == 2 && is_held(self, BERTH_UI_KEY_LEFT_CONTROL, BERTH_UI_KEY_RIGHT_CONTROL) &&
                     is_held(self, BERTH_UI_KEY_LEFT_ALT, BERTH_UI_KEY_RIGHT_ALT);
    send_key(self, key, TRUE);
    return TRUE;
}

static void on_key_released(GtkEventControllerKey *controller, guint value, guint code, GdkModifierType modifiers,
                            BerthUiDisplayInput *self)
{
    guint key = code - BERTH_UI_KEYCODE_OFFSET;
    if (key >= N_KEYS || !self->held[key])
        return; /* pressed before it was ours */
    self->held[key] = FALSE;
    self->n_held--;
    send_key(self, key, FALSE);
    if (!self->is_chord)
        return;
    berth_ui_display_input_release_all(self);
    g_signal_emit_by_name(self->display, "released");
}

/* The desktop's own shortcuts: where it lets us, they are the guest's, too. */
static void inhibit_shortcuts(BerthUiDisplayInput *self, gboolean inhibit)
{
    GdkSurface *surface = gtk_native_get_surface(GTK_NATIVE(self->root));
    if (!surface || !GDK_IS_TOPLEVEL(surface))
        return;
    if (inhibit)
        gdk_toplevel_inhibit_system_shortcuts(GDK_TOPLEVEL(surface), NULL);
    else
        gdk_toplevel_restore_system_shortcuts(GDK_TOPLEVEL(surface));
}

static void remove_keys(BerthUiDisplayInput *self)
{
    if (self->root && self->keys)
        gtk_widget_remove_controller(self->root, self->keys);
    g_clear_weak_pointer(&self->root);
    self->keys = NULL;
}

static void on_focus(BerthUiDisplayInput *self)
{
    remove_keys(self);
    self->keys = gtk_event_controller_key_new();
    g_set_weak_pointer(&self->root, GTK_WIDGET(gtk_widget_get_root(GTK_WIDGET(self->display))));
    gtk_event_controller_set_propagation_phase(self->keys, GTK_PHASE_CAPTURE);
    g_signal_connect(self->keys, "key-pressed", G_CALLBACK(on_key_pressed), self);
    g_signal_connect(self->keys, "key-released", G_CALLBACK(on_key_released), self);
    gtk_widget_add_controller(self->root, self->keys);
    inhibit_shortcuts(self, TRUE);
}

/* The controller stays, and hears nothing: it may be in the middle of the key that has led to this. */
static void on_focus_lost(BerthUiDisplayInput *self)
{
    berth_ui_display_input_release_all(self);
    if (!self->root || !self->keys)
        return;
    inhibit_shortcuts(self, FALSE);
    gtk_event_controller_set_propagation_phase(self->keys, GTK_PHASE_NONE);
}

/* The pointer. */

/* For a guest whose pointer can only be moved: there is no more to go by than how ours does. */
static void move_by(BerthUiDisplayInput *self, const BerthUiFit *fit, const BerthUiFrame *frame, double x, double y)
{
    self->dx += (x - self->x) * frame->width / fit->width;
    self->dy += (y - self->y) * frame->height / fit->height;
    double whole_x = round(self->dx), whole_y = round(self->dy);
    self->dx -= whole_x;
    self->dy -= whole_y;
    berth_ui_display_peer_move_by(peer_of(self), (int) whole_x, (int) whole_y);
}

static void point(BerthUiDisplayInput *self, double x, double y)
{
    BerthUiDisplayPeer *peer = peer_of(self);
    BerthUiFit fit = berth_ui_display_get_fit(self->display);
    if (fit.width > 0) {
        const BerthUiFrame *frame = berth_ui_display_peer_get_frame(peer);
        guint guest_x, guest_y;
        berth_ui_fit_to_guest(&fit, x, y, frame->width, frame->height, &guest_x, &guest_y);
        if (berth_ui_display_peer_is_absolute(peer))
            berth_ui_display_peer_move_to(peer, guest_x, guest_y);
        else
            move_by(self, &fit, frame, x, y);
    }
    self->x = x;
    self->y = y;
}

/* GTK repeats itself, where something below the pointer may have changed. */
static void on_motion(GtkEventControllerMotion *controller, double x, double y, BerthUiDisplayInput *self)
{
    if (x != self->x || y != self->y)
        point(self, x, y);
}

/* Where it comes in is no way that it went. */
static void on_enter(GtkEventControllerMotion *controller, double x, double y, BerthUiDisplayInput *self)
{
    self->x = x;
    self->y = y;
    point(self, x, y);
}

/* GDK's numbers are those of X11. BERTH_UI_BUTTON_LAST where QEMU has none. */
static BerthUiButton button_of(guint number)
{
    static const BerthUiButton buttons[] = {
        [GDK_BUTTON_PRIMARY] = BERTH_UI_BUTTON_LEFT,
        [GDK_BUTTON_MIDDLE] = BERTH_UI_BUTTON_MIDDLE,
        [GDK_BUTTON_SECONDARY] = BERTH_UI_BUTTON_RIGHT,
    };
    if (number == 8 || number == 9)
        return number == 8 ? BERTH_UI_BUTTON_SIDE : BERTH_UI_BUTTON_EXTRA;
    return number >= GDK_BUTTON_PRIMARY && number < G_N_ELEMENTS(buttons) ? buttons[number] : BERTH_UI_BUTTON_LAST;
}

/* Not a gesture: those know of one button at a time. */
static gboolean on_event(GtkEventControllerLegacy *controller, GdkEvent *event, BerthUiDisplayInput *self)
{
    GdkEventType type = gdk_event_get_event_type(event);
    if (type != GDK_BUTTON_PRESS && type != GDK_BUTTON_RELEASE)
        return FALSE;
    gboolean pressed = type == GDK_BUTTON_PRESS;
    BerthUiButton button = button_of(gdk_button_event_get_button(event));
    if (pressed)
        gtk_widget_grab_focus(GTK_WIDGET(self->display));
    self->is_chord = FALSE;
    if (button == BERTH_UI_BUTTON_LAST)
        return FALSE;
    send_button(self, button, pressed);
    self->buttons = pressed ? self->buttons | 1u << button : self->buttons & ~(1u << button);
    return TRUE;
}

static void turn(BerthUiDisplayInput *self, double steps, BerthUiButton back, BerthUiButton forth)
{
    BerthUiButton button = steps < 0 ? back : forth;
    for (int i = 0; i < MIN(fabs(steps), WHEEL_MAX); i++) {
        send_button(self, button, TRUE);
        send_button(self, button, FALSE);
    }
}

static gboolean on_scroll(GtkEventControllerScroll *controller, double dx, double dy, BerthUiDisplayInput *self)
{
    turn(self, dx, BERTH_UI_BUTTON_WHEEL_LEFT, BERTH_UI_BUTTON_WHEEL_RIGHT);
    turn(self, dy, BERTH_UI_BUTTON_WHEEL_UP, BERTH_UI_BUTTON_WHEEL_DOWN);
    return TRUE;
}

/* The object. */

static void add(BerthUiDisplayInput *self, GtkEventController *controller)
{
    gtk_widget_add_controller(GTK_WIDGET(self->display), controller);
}

BerthUiDisplayInput *berth_ui_display_input_new(BerthUiDisplay *display)
{
    BerthUiDisplayInput *self = g_object_new(BERTH_UI_TYPE_DISPLAY_INPUT, NULL);
    GtkEventController *focus = gtk_event_controller_focus_new(), *motion = gtk_event_controller_motion_new(),
                       *events = gtk_event_controller_legacy_new(),
                       *scroll = gtk_event_controller_scroll_new(GTK_EVENT_CONTROLLER_SCROLL_BOTH_AXES |
                                                                 GTK_EVENT_CONTROLLER_SCROLL_DISCRETE);
    self->display = display;
    g_signal_connect_object(focus, "enter", G_CALLBACK(on_focus), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(focus, "leave", G_CALLBACK(on_focus_lost), self, G_CONNECT_SWAPPED);
    g_signal_connect_object(motion, "enter", G_CALLBACK(on_enter), self, 0);
    g_signal_connect_object(motion, "motion", G_CALLBACK(on_motion), self, 0);
    g_signal_connect_object(events, "event", G_CALLBACK(on_event), self, 0);
    g_signal_connect_object(scroll, "scroll", G_CALLBACK(on_scroll), self, 0);
    add(self, focus);
    add(self, motion);
    add(self, events);
    add(self, scroll);
    return self;
}

static void berth_ui_display_input_dispose(GObject *object)
{
    on_focus_lost(BERTH_UI_DISPLAY_INPUT(object));
    remove_keys(BERTH_UI_DISPLAY_INPUT(object));
    G_OBJECT_CLASS(berth_ui_display_input_parent_class)->dispose(object);
}

static void berth_ui_display_input_class_init(BerthUiDisplayInputClass *klass)
{
    G_OBJECT_CLASS(klass)->dispose = berth_ui_display_input_dispose;
}

static void berth_ui_display_input_init(BerthUiDisplayInput *self)
{
}
