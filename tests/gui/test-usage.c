/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-berth.h"
#include "tests/lib/private-bus.h"
#include "ui-gtk/model/service.h"

/* What a VM uses, as the window is shown it: asked of a daemon, which is a fake here, by those who look. */

#define SECOND ((guint64) G_USEC_PER_SEC)

typedef struct {
    FakeBerth *fake;
    FakeVm *web, *other;
    BerthUiService *service;
} Scene;

static PrivateBus *bus;

static void await_status(Scene *s, BerthUiServiceStatus status)
{
    AWAIT(berth_ui_service_get_status(s->service) == status);
}

static void connect_service(Scene *s)
{
    s->service = berth_ui_service_new(G_BUS_TYPE_SYSTEM, private_bus_address(bus));
    await_status(s, BERTH_UI_SERVICE_READY);
}

static void set_up(Scene *s, gconstpointer data)
{
    g_autoptr(GDBusConnection) daemon_side = private_bus_connect(bus);
    s->fake = fake_berth_new(daemon_side);
    s->web = fake_berth_add(s->fake, "web", "running");
    s->other = fake_berth_add(s->fake, "other", "running");
    connect_service(s);
}

static void tear_down(Scene *s, gconstpointer data)
{
    g_assert_finalize_object(s->service);
    fake_berth_free(s->fake);
}

/* (transfer full) */
static BerthUiUsage *watch(Scene *s, const char *name)
{
    GListModel *vms = berth_ui_service_get_vms(s->service);
    for (guint i = 0; i < g_list_model_get_n_items(vms); i++) {
        g_autoptr(BerthUiVm) vm = g_list_model_get_item(vms, i);
        if (g_str_equal(berth_ui_vm_get_name(vm), name))
            return berth_ui_service_watch_usage(s->service, vm);
    }
    g_assert_not_reached();
}

static guint n_points(BerthUiUsage *usage)
{
    guint n;
    berth_ui_usage_get_points(usage, &n);
    return n;
}

static const BerthUiUsagePoint *last_point(BerthUiUsage *usage)
{
    guint n;
    const BerthUiUsagePoint *points = berth_ui_usage_get_points(usage, &n);
    g_assert_cmpuint(n, >, 0);
    return &points[n - 1];
}

static void test_figures(Scene *s, gconstpointer data)
{
    g_autoptr(BerthUiUsage) usage = watch(s, "web");
    AWAIT(s->web->n_subscribed == 1);
    fake_berth_tell_usage(s->fake, s->web, SECOND, 7 * SECOND, 4096);
    AWAIT(n_points(usage) == 1);
    g_assert_cmpfloat(last_point(usage)->processors, <, 0); /* in no time */
    g_assert_cmpuint(last_point(usage)->memory, ==, 4096);
    fake_berth_tell_usage(s->fake, s->web, 3 * SECOND, 8 * SECOND, 8192);
    AWAIT(n_points(usage) == 2);
    g_assert_cmpfloat(last_point(usage)->processors, ==, 0.5);
    g_assert_cmpuint(last_point(usage)->memory, ==, 8192);
    g_assert_cmpuint(s->other->n_subscribed, ==, 0);
}

/* The daemon is asked once for all who want to know, and asked no more when none of them does. */
static void test_shared(Scene *s, gconstpointer data)
{
    BerthUiUsage *one = watch(s, "web"), *two = watch(s, "web");
    g_assert_true(one == two);
    AWAIT(s->web->n_subscribed > 0);
    g_object_unref(one);
    fake_berth_tell_usage(s->fake, s->web, 4 * SECOND, 0, 8192);
    AWAIT(n_points(two) == 1);
    g_assert_cmpuint(s->web->n_unsubscribed, ==, 0);
    g_assert_finalize_object(two);
    AWAIT(s->web->n_unsubscribed > 0);
    g_assert_cmpuint(s->web->n_subscribed, ==, 1);
    fake_berth_tell_usage(s->fake, s->web, 5 * SECOND, 0, 8192); /* too late: nobody is there */
    g_autoptr(BerthUiUsage) again = watch(s, "web");
    AWAIT(s->web->n_subscribed == 2);
    fake_berth_tell_usage(s->fake, s->web, 6 * SECOND, 0, 8192);
    AWAIT(n_points(again) > 0 && last_point(again)->time == 6 * G_USEC_PER_SEC);
}

/* A daemon that comes is asked, too. */
static void test_restart(Scene *s, gconstpointer data)
{
    g_autoptr(BerthUiUsage) usage = watch(s, "web");
    AWAIT(s->web->n_subscribed == 1);
    fake_berth_stop(s->fake);
    await_status(s, BERTH_UI_SERVICE_ABSENT);
    g_autoptr(BerthUiUsage) begun = watch(s, "other");
    fake_berth_start(s->fake);
    AWAIT(s->web->n_subscribed == 2 && s->other->n_subscribed == 1);
    fake_berth_tell_usage(s->fake, s->web, SECOND, SECOND, 4096);
    AWAIT(n_points(usage) == 1);
    g_assert_cmpuint(n_points(begun), ==, 0);
}

/* Whoever holds it longer than the service is told nothing more. */
static void test_outlives(Scene *s, gconstpointer data)
{
    BerthUiUsage *usage = watch(s, "web");
    g_assert_finalize_object(s->service);
    g_assert_finalize_object(usage);
    connect_service(s);
}

static void take(BerthUiUsage *usage, const char *text)
{
    g_autoptr(GVariant) parameters = g_variant_ref_sink(g_variant_new_parsed(text));
    berth_ui_usage_take(usage, parameters);
}

static void take_at(BerthUiUsage *usage, guint64 time, guint64 cpu)
{
    g_autoptr(GVariant) parameters = g_variant_ref_sink(g_variant_new_parsed("(%t, {'cpu-usec': <%t>})", time, cpu));
    berth_ui_usage_take(usage, parameters);
}

/* A minute is kept; what comes at once after another says nothing; another clock, or another run, begins anew. */
static void test_points(void)
{
    g_autoptr(BerthUiUsage) usage = berth_ui_usage_new();
    guint n;
    for (guint i = 0; i <= 200; i++)
        take_at(usage, (1000 + i) * SECOND, i * SECOND);
    const BerthUiUsagePoint *points = berth_ui_usage_get_points(usage, &n);
    g_assert_cmpuint(n, ==, 61);
    g_assert_cmpint(points[0].time, ==, 1140 * G_USEC_PER_SEC);
    g_assert_cmpfloat(points[0].processors, ==, 1);
    g_assert_cmpuint(points[0].memory, ==, 0);
    take_at(usage, 1200 * SECOND + 1000, 201 * SECOND);
    g_assert_cmpuint(n_points(usage), ==, 61);
    take_at(usage, 1201 * SECOND, 202 * SECOND);
    g_assert_cmpfloat(last_point(usage)->processors, ==, 2);
    take_at(usage, 1202 * SECOND, 1);
    g_assert_cmpuint(n_points(usage), ==, 1);
    take_at(usage, 5 * SECOND, 2);
    g_assert_cmpuint(n_points(usage), ==, 1);
    g_assert_cmpfloat(last_point(usage)->processors, <, 0);
}

static void test_hostile(void)
{
    g_autoptr(BerthUiUsage) usage = berth_ui_usage_new();
    take(usage, "('text', @a{sv} {})");
    take(usage, "(@t 18446744073709551615, @a{sv} {})");
    take(usage, "(@t 1,)");
    g_assert_cmpuint(n_points(usage), ==, 0);
    take(usage, "(@t 1000000, {'cpu-usec': <'much'>, 'resident-bytes': <-1>, 'other': <1>})");
    take(usage, "(@t 2000000, {'cpu-usec': <@t 1>})");
    g_assert_cmpuint(n_points(usage), ==, 2);
    g_assert_cmpfloat(last_point(usage)->processors, <, 0);
    g_assert_cmpuint(last_point(usage)->memory, ==, 0);
}

static void add(const char *path, void (*test)(Scene *, gconstpointer))
{
    g_test_add(path, Scene, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    bus = private_bus_new(NULL);
    add("/gui/usage/figures", test_figures);
    add("/gui/usage/shared", test_shared);
    add("/gui/usage/restart", test_restart);
    add("/gui/usage/outlives", test_outlives);
    g_test_add_func("/gui/usage/points", test_points);
    g_test_add_func("/gui/usage/hostile", test_hostile);
    int status = g_test_run();
    private_bus_free(bus);
    return status;
}
