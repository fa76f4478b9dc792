/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "src/host/polkit.h"

#include <string.h>
#include <unistd.h>

#include "src/core/error.h"
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-polkit.h"
#include "tests/lib/private-bus.h"

#define ACTION "org.berth.control"
#define UID_USER 65534u

static PrivateBus *private_bus;

/* A daemon with one method, whose caller is asked about. */
typedef struct {
    FakePolkit *fake;
    BerthBusLink *link;
    BerthPolkit *polkit;
    sd_bus_slot *slot;
    GDBusConnection *client;
    BerthPolkitCheck *check;
    guint n_calls;
    guint n_done;
    gboolean asks_who;    /* and nothing more */
    uid_t uid;            /* of whom it was answered well */
    gboolean done_inside; /* berth_polkit_check() */
    GError *error;
} Bed;

static void on_done(const GError *error, gpointer data)
{
    Bed *bed = data;
    bed->n_done++;
    g_clear_error(&bed->error);
    bed->error = error ? g_error_copy(error) : NULL;
    if (!error && bed->check)
        bed->uid = berth_polkit_check_uid(bed->check);
    berth_polkit_check_free(&bed->check); /* which a callback may do */
}

static int on_method(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    static const char *const details[] = {"vm", "web", "id", "4711", NULL};
    Bed *bed = data;
    if (!sd_bus_message_is_method_call(message, "org.example.Test", "Ask"))
        return 0;
    guint before = bed->n_done;
    bed->n_calls++;
    BerthPolkitCheck *check =
        berth_polkit_check(bed->polkit, message, bed->asks_who ? NULL : ACTION, details, on_done, bed);
    bed->done_inside = bed->n_done > before;
    g_assert_true(bed->done_inside == (check == NULL));
    bed->check = check;
    return sd_bus_reply_method_return(message, NULL);
}

static void on_up(sd_bus *bus, gpointer data)
{
    Bed *bed = data;
    g_assert_cmpint(sd_bus_add_object(bus, &bed->slot, "/", on_method, bed), >=, 0);
}

static void on_down(gpointer data)
{
    Bed *bed = data;
    g_clear_pointer(&bed->slot, sd_bus_slot_unref);
}

static const BerthBusLinkHandler handler = {.up = on_up, .down = on_down};

static void set_up(Bed *bed, gconstpointer unused)
{
    bed->fake = fake_polkit_new(private_bus_address(private_bus), FAKE_POLKIT_NO);
    bed->link = berth_bus_link_new(FALSE);
    bed->polkit = berth_polkit_new(bed->link, FALSE);
    berth_bus_link_add(bed->link, &handler, bed);
    g_assert_true(berth_bus_link_connect(bed->link, NULL));
    bed->client = private_bus_connect_as(private_bus, UID_USER);
}

static void tear_down(Bed *bed, gconstpointer unused)
{
    berth_polkit_check_free(&bed->check);
    berth_polkit_free(bed->polkit);
    sd_bus_slot_unref(bed->slot);
    berth_bus_link_free(bed->link);
    fake_polkit_free(bed->fake);
    g_clear_object(&bed->client);
    g_clear_error(&bed->error);
}

static void call(Bed *bed, GDBusConnection *client, gboolean interactive)
{
    const char *name;
    g_assert_cmpint(sd_bus_get_unique_name(berth_bus_link_get(bed->link), &name), >=, 0);
    g_dbus_connection_call(client, name, "/", "org.example.Test", "Ask", NULL, NULL,
                           interactive ? G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION : G_DBUS_CALL_FLAGS_NONE, -1,
                           NULL, NULL, NULL);
}

static void ask(Bed *bed, gboolean interactive)
{
    guint before = bed->n_done;
    call(bed, bed->client, interactive);
    AWAIT(bed->n_done > before);
    g_assert_cmpuint(bed->n_done, ==, before + 1);
}

static void assert_denied(Bed *bed, const char *text)
{
    g_assert_error(bed->error, BERTH_ERROR, BERTH_ERROR_ACCESS_DENIED);
    g_assert_nonnull(strstr(bed->error->message, ACTION));
    g_assert_nonnull(strstr(bed->error->message, "web"));
    if (!strstr(bed->error->message, text))
        g_error("“%s” says nothing of “%s”", bed->error->message, text);
}

static void test_yes(Bed *bed, gconstpointer unused)
{
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_YES);
    ask(bed, FALSE);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(fake_polkit_asked(bed->fake, ACTION), ==, 1);
    g_autoptr(GVariant) question = fake_polkit_last_question(bed->fake);
    g_autofree char *text = g_variant_print(question, FALSE);
    g_autofree char *expected =
        g_strdup_printf("(('system-bus-name', {'name': <'%s'>}), '" ACTION "', {'vm': 'web', 'id': '4711'}, 0, "
                        "'berth-1')",
                        g_dbus_connection_get_unique_name(bed->client));
    g_assert_cmpstr(text, ==, expected);
}

/* Where nothing has to be granted, polkit is nobody to ask. */
static void test_who(Bed *bed, gconstpointer unused)
{
    bed->asks_who = TRUE;
    ask(bed, FALSE);
    g_assert_no_error(bed->error);
    g_assert_cmpuint(bed->uid, ==, UID_USER);
    g_assert_cmpuint(fake_service_count(fake_polkit_service(bed->fake), "CheckAuthorization"), ==, 0);
}

static void test_no(Bed *bed, gconstpointer unused)
{
    ask(bed, TRUE);
    assert_denied(bed, "does not grant");
}

static void test_challenge(Bed *bed, gconstpointer unused)
{
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_CHALLENGE);
    ask(bed, FALSE);
    assert_denied(bed, "interactively");
    ask(bed, TRUE);
    g_assert_no_error(bed->error);
}

/* root is never asked about, and needs no polkit. */
static void test_root(Bed *bed, gconstpointer unused)
{
    g_autoptr(GDBusConnection) root = private_bus_connect(private_bus);
    fake_service_vanish(fake_polkit_service(bed->fake));
    call(bed, root, FALSE);
    AWAIT(bed->n_done == 1);
    g_assert_no_error(bed->error);
    g_assert_false(bed->done_inside); /* the bus was asked who it is */
}

static void test_always(Bed *bed, gconstpointer unused)
{
    berth_polkit_free(bed->polkit);
    bed->polkit = berth_polkit_new(bed->link, TRUE);
    ask(bed, FALSE);
    g_assert_no_error(bed->error);
    g_assert_true(bed->done_inside);
    g_assert_cmpuint(fake_polkit_asked(bed->fake, ACTION), ==, 0);
}

static void test_absent(Bed *bed, gconstpointer unused)
{
    fake_service_vanish(fake_polkit_service(bed->fake));
    ask(bed, TRUE);
    assert_denied(bed, "not there");
}

static void test_fails(Bed *bed, gconstpointer unused)
{
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_YES);
    fake_service_fail(fake_polkit_service(bed->fake), "CheckAuthorization", "org.freedesktop.PolicyKit1.Error.Failed",
                      1);
    ask(bed, FALSE);
    assert_denied(bed, "told to fail");
}

/* While polkit thinks, other calls are served; freed, the check is taken back from polkit, and nothing is heard of it.
 */
static void test_freed(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_polkit_service(bed->fake);
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_YES);
    fake_service_hold(service, "CheckAuthorization");
    call(bed, bed->client, FALSE);
    AWAIT(fake_service_count(service, "CheckAuthorization") == 1);
    BerthPolkitCheck *first = g_steal_pointer(&bed->check);
    call(bed, bed->client, FALSE);
    AWAIT(fake_service_count(service, "CheckAuthorization") == 2);
    g_assert_cmpuint(bed->n_calls, ==, 2);
    berth_polkit_check_free(&first);
    g_assert_null(first);
    AWAIT(fake_service_count(service, "CancelCheckAuthorization") == 1);
    fake_service_release(service, "CheckAuthorization");
    AWAIT(bed->n_done > 0);
    g_assert_no_error(bed->error);
    ask(bed, FALSE); /* its answer comes after whatever else there could be */
    g_assert_cmpuint(bed->n_done, ==, 2);
}

static void test_bus_lost(Bed *bed, gconstpointer unused)
{
    FakeService *service = fake_polkit_service(bed->fake);
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_YES);
    fake_service_hold(service, "CheckAuthorization");
    call(bed, bed->client, FALSE);
    AWAIT(fake_service_count(service, "CheckAuthorization") == 1);
    private_bus_stop(private_bus);
    AWAIT(bed->n_done == 1);
    assert_denied(bed, "did not grant");
    private_bus_start(private_bus);
    AWAIT(berth_bus_link_get(bed->link));
}

/* The caller leaves before the bus has told who it is. */
static void test_caller_gone(Bed *bed, gconstpointer unused)
{
    fake_polkit_set(bed->fake, ACTION, FAKE_POLKIT_YES);
    call(bed, bed->client, FALSE);
    g_assert_true(g_dbus_connection_flush_sync(bed->client, NULL, NULL));
    g_assert_true(g_dbus_connection_close_sync(bed->client, NULL, NULL));
    AWAIT(bed->n_done == 1);
    assert_denied(bed, "who asks");
}

#define ADD(path, func) g_test_add("/polkit/" path, Bed, NULL, set_up, func, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* warnings are due where the bus goes away */
    if (geteuid() != 0) {
        g_print("1..0 # SKIP only root can connect as another user\n");
        return 0;
    }
    private_bus = private_bus_new(NULL);
    ADD("who", test_who);
    ADD("yes", test_yes);
    ADD("no", test_no);
    ADD("challenge", test_challenge);
    ADD("root", test_root);
    ADD("always", test_always);
    ADD("absent", test_absent);
    ADD("fails", test_fails);
    ADD("freed", test_freed);
    ADD("bus-lost", test_bus_lost);
    ADD("caller-gone", test_caller_gone);
    int r = g_test_run();
    private_bus_free(private_bus);
    return r;
}
