/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "herd.h"

#include "../lib/await.h"
#include "client.h"
#include "src/core/names.h"

#define PATIENCE_MSEC (300 * 1000)

/* The system bus lets nobody wait for more than 128 answers at once. */
#define IN_FLIGHT 100

struct Herd {
    GPtrArray *paths;
    guint called, answered, gone;
    guint subscription;
};

static void on_answer(GObject *source, GAsyncResult *result, gpointer data);

static void remove_next(Herd *herd)
{
    if (herd->called < herd->paths->len)
        g_dbus_connection_call(client_bus(), BERTH_BUS_NAME, herd->paths->pdata[herd->called++], BERTH_IFACE_VM,
                               "Remove", client_no_options(), NULL, G_DBUS_CALL_FLAGS_NONE, PATIENCE_MSEC, NULL,
                               on_answer, herd);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Herd *herd = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) answer = g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &error);
    if (!answer)
        g_error("Remove: %s", error->message);
    herd->answered++;
    remove_next(herd);
}

static void on_gone(GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                    const char *signal, GVariant *arguments, gpointer data)
{
    ((Herd *) data)->gone++;
}

Herd *herd_new(guint n, const char *config)
{
    Herd *herd = g_new0(Herd, 1);
    herd->paths = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("bench-%u", i);
        g_ptr_array_add(herd->paths, client_create(name, config));
    }
    herd->subscription = g_dbus_connection_signal_subscribe(
        client_bus(), BERTH_BUS_NAME, "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", BERTH_PATH_ROOT, NULL,
        G_DBUS_SIGNAL_FLAGS_NONE, on_gone, herd, NULL);
    return herd;
}

void herd_free(Herd *herd)
{
    g_dbus_connection_signal_unsubscribe(client_bus(), herd->subscription);
    g_ptr_array_unref(herd->paths);
    g_free(herd);
}

const char *herd_path(const Herd *herd, guint i)
{
    return herd->paths->pdata[i];
}

void herd_start(Herd *herd)
{
    for (guint i = 0; i < herd->paths->len; i++)
        client_run(herd->paths->pdata[i], "Start");
}

static void await_gone(const Herd *herd, guint n)
{
    AwaitDeadline deadline;
    await_begin(&deadline, PATIENCE_MSEC);
    while (herd->gone < n || herd->answered < n)
        if (!await_step(&deadline))
            g_error("only %u of %u are gone", herd->gone, n);
    await_end(&deadline);
}

void herd_remove(Herd *herd)
{
    for (guint i = 0; i < IN_FLIGHT; i++)
        remove_next(herd);
    await_gone(herd, herd->paths->len);
}

void herd_remove_in_turn(Herd *herd)
{
    for (guint i = 0; i < herd->paths->len; i++) {
        client_run(herd->paths->pdata[i], "Remove");
        herd->answered++;
        await_gone(herd, i + 1);
    }
}
