/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "scripted.h"
#include "src/core/names.h"

/* A daemon that comes back to many VMs: where a QEMU hangs, neither the bus name nor another VM waits for it. */

#define VMS 200u
#define IN_FLIGHT 25u /* starts: more at once would be waited for by the clock of each */
#define TRIES 3

typedef enum {
    WELL,
    STOPPED, /* by SIGSTOP */
    SILENT,  /* its monitor is connected to, and says nothing */
} Health;

static Health health(guint i)
{
    return i % 20 == 3 ? STOPPED : i % 20 == 7 ? SILENT : WELL;
}

typedef struct {
    Fixture *fixture;
    char *paths[VMS];
    pid_t stopped[VMS];
} Host;

/* Those that are well, or the others, in turn, so many at once. */
static void call_all(Host *host, const char *method, gboolean well, guint at_once)
{
    FixtureCall *calls[VMS] = {NULL};
    for (guint i = 0; i < VMS + at_once; i++) {
        if (i >= at_once && calls[i - at_once])
            scripted_succeeds(calls[i - at_once]);
        if (i < VMS && (health(i) == WELL) == well)
            calls[i] = scripted_begin(host->fixture, host->paths[i], method);
    }
}

static void host_init(Host *host, Fixture *fixture)
{
    host->fixture = fixture;
    scripted_touch(fixture, "open");
    for (guint i = 0; i < VMS; i++) {
        g_autofree char *name = g_strdup_printf("vm%u", i);
        host->paths[i] = scripted_vm(fixture, name, health(i) == SILENT ? "on connect wait open" : NULL);
    }
    call_all(host, "Start", TRUE, IN_FLIGHT);
    call_all(host, "Start", FALSE, IN_FLIGHT);
}

static void host_clear(Host *host)
{
    for (guint i = 0; i < VMS; i++)
        g_free(host->paths[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Host, host_clear)

static void hang(Host *host)
{
    scripted_untouch(host->fixture, "open");
    for (guint i = 0; i < VMS; i++) {
        host->stopped[i] = health(i) == STOPPED ? scripted_qemu(host->fixture, host->paths[i]) : 0;
        if (host->stopped[i])
            g_assert_cmpint(kill(host->stopped[i], SIGSTOP), ==, 0);
    }
    for (guint i = 0; i < VMS; i++)
        if (host->stopped[i])
            fixture_await_property(host->fixture, host->paths[i], "Responsive", g_variant_new_boolean(FALSE));
}

static void let_go_on(Host *host)
{
    scripted_touch(host->fixture, "open");
    for (guint i = 0; i < VMS; i++)
        if (host->stopped[i])
            g_assert_cmpint(kill(host->stopped[i], SIGCONT), ==, 0);
}

/* All are running, and of those that were stopped it is known at once. Returns on how many of the others' answers the daemon
 * has given up. */
static guint look_at_all(Host *host)
{
    g_autoptr(GVariant) answer =
        fixture_call(host->fixture, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
    g_autoptr(GVariant) objects = g_variant_get_child_value(answer, 0);
    guint n_given_up = 0;
    g_assert_cmpuint(g_variant_n_children(objects), ==, VMS);
    for (guint i = 0; i < VMS; i++) {
        g_autoptr(GVariant) object = g_variant_lookup_value(objects, host->paths[i], NULL);
        g_autoptr(GVariant) vm = g_variant_lookup_value(object, BERTH_IFACE_VM, NULL);
        const char *state = NULL, *words = NULL;
        gboolean responsive = FALSE;
        g_assert_true(g_variant_lookup(vm, "State", "&s", &state));
        g_assert_true(g_variant_lookup(vm, "Responsive", "b", &responsive));
        g_assert_true(g_variant_lookup(vm, "LastError", "(&s&s)", NULL, &words));
        if (!g_str_equal(state, "running"))
            g_error("%s is %s: %s", host->paths[i], state, words);
        if (health(i) == STOPPED)
            g_assert_false(responsive);
        else
            n_given_up += !responsive;
    }
    return n_given_up;
}

/* The name is there, all are shown, and those that are well have done something, twice. */
static void come_back(Host *host)
{
    fixture_restart_daemon(host->fixture);
    (void) look_at_all(host);
    call_all(host, "Pause", TRUE, VMS);
    call_all(host, "Resume", TRUE, VMS);
}

/* Nobody waited for those that hang: they say nothing before they are let go on, and at the end of all this the daemon has
 * not even given up on one. That it does after some seconds, so a machine that stands still for as long has another try. */
static void test_some_hang(Fixture *fixture, gconstpointer unused)
{
    g_auto(Host) host;
    guint n_given_up = 1;
    host_init(&host, fixture);
    hang(&host);
    for (guint i = 0; i < TRIES && n_given_up > 0; i++) {
        come_back(&host);
        n_given_up = look_at_all(&host);
    }
    g_assert_cmpuint(n_given_up, ==, 0);
    for (guint i = 0; i < VMS; i++)
        if (health(i) == STOPPED)
            scripted_assert_last_error(fixture, host.paths[i], "was stopped by a signal");
        else if (health(i) == SILENT)
            fixture_await_property(fixture, host.paths[i], "Responsive", g_variant_new_boolean(FALSE));
    let_go_on(&host);
    for (guint i = 0; i < VMS; i++)
        fixture_await_property(fixture, host.paths[i], "Responsive", g_variant_new_boolean(TRUE));
    call_all(&host, "Pause", FALSE, VMS);
}

static void add(void)
{
    SCRIPTED_ADD("/recovery/many/some-hang", "", test_some_hang);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add);
}
