/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "soak.h"

#define THINK_MSEC_MAX 40

typedef struct {
    GDBusConnection *bus;
    GRand *random;
    char *owner;    /* (nullable): unique name of the daemon */
    guint n_owners; /* how often that has changed */
    gboolean ending;
    guint n_calls, n_refused, n_lost;
} Client;

char *soak_vm_name(guint i)
{
    return g_strdup_printf("soak%u", i);
}

char *soak_image_name(guint i)
{
    return g_strdup_printf("soak-image%u", i);
}

/* Answers */

/* What a daemon may say of what others do at the same time. Anything else is said to nobody who asks for what can be
 * had. */
static const char *const refusals[] = {
    BERTH_ERROR_PREFIX "NotFound",
    BERTH_ERROR_PREFIX "NameTaken",
    BERTH_ERROR_PREFIX "WrongState",
    BERTH_ERROR_PREFIX "Busy",
    BERTH_ERROR_PREFIX "Removing",
    BERTH_ERROR_PREFIX "ImageInUse",
    BERTH_ERROR_PREFIX "StartFailed",
    BERTH_ERROR_PREFIX "Cancelled",
    "org.freedesktop.DBus.Error.UnknownObject",
    NULL,
};

/* What the bus says in the name of a daemon that has gone, or is not there yet. */
static const char *const losses[] = {
    "org.freedesktop.DBus.Error.NoReply",
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    NULL,
};

static void on_owner(GDBusConnection *bus, const char *name, const char *owner, gpointer data)
{
    Client *client = data;
    g_free(client->owner);
    client->owner = g_strdup(owner);
    client->n_owners++;
}

static void on_no_owner(GDBusConnection *bus, const char *name, gpointer data)
{
    on_owner(bus, name, NULL, data);
}

/* To ask for an image that is not there is a caller's mistake; here it may just have gone. */
static gboolean is_refusal(const char *name, const GError *error)
{
    return g_strv_contains(refusals, name) || (g_str_equal(name, "org.freedesktop.DBus.Error.InvalidArgs") &&
                                               strstr(error->message, "there is no image") != NULL);
}

static void judge(Client *client, const char *method, const GError *error, gboolean was_there, guint n_owners)
{
    g_autofree char *name = g_dbus_error_get_remote_error(error);
    if (name && is_refusal(name, error)) {
        client->n_refused++;
        return;
    }
    if (!name || !g_strv_contains(losses, name))
        g_error("%s is answered with %s (%s)", method, name ? name : "nothing", error->message);
    client->n_lost++;
    if (was_there)
        CLIENT_AWAIT(client->n_owners != n_owners, "%s is not answered, and the daemon is there: %s", method,
                     error->message);
}

/* (transfer full) (nullable): what it answers, where it went well. @fds: (nullable), to be sent along. Descriptors of
 * the answer are closed. */
static GVariant *call(Client *client, const char *path, const char *interface, const char *method, GVariant *parameters,
                      GUnixFDList *fds)
{
    g_autoptr(GError) error = NULL;
    const gboolean was_there = client->owner != NULL;
    const guint n_owners = client->n_owners;
    GVariant *answer = client_try_with_fds(client->bus, path, interface, method, parameters, fds, NULL, &error);
    client->n_calls++;
    if (error)
        judge(client, method, error, was_there, n_owners);
    return answer;
}

static gboolean try(Client *client, const char *path, const char *interface, const char *method, GVariant *parameters)
{
    g_autoptr(GVariant) answer = call(client, path, interface, method, parameters, NULL);
    return answer != NULL;
}

/* What is called */

static guint32 pick(Client *client, guint32 n)
{
    return (guint32) g_rand_int_range(client->random, 0, (gint32) n);
}

/* (transfer full) (nullable) */
static char *find_vm(Client *client, guint i)
{
    g_autofree char *name = soak_vm_name(i);
    g_autoptr(GVariant) answer =
        call(client, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "GetVM", g_variant_new("(s)", name), NULL);
    char *path = NULL;
    if (answer)
        g_variant_get(answer, "(o)", &path);
    return path;
}

static char *pick_vm(Client *client)
{
    return find_vm(client, pick(client, SOAK_VMS));
}

static void call_vm(Client *client, const char *method, GVariant *parameters)
{
    g_autoptr(GVariant) taken = g_variant_ref_sink(parameters);
    g_autofree char *path = pick_vm(client);
    if (path)
        (void) try(client, path, BERTH_IFACE_VM, method, taken);
}

static void call_plain(Client *client, const char *method)
{
    call_vm(client, method, g_variant_new("(a{sv})", NULL));
}

static void start(Client *client)
{
    call_plain(client, "Start");
}

static void shut_down(Client *client)
{
    call_plain(client, "Shutdown");
}

static void power_off(Client *client)
{
    call_plain(client, "PowerOff");
}

static void reset(Client *client)
{
    call_plain(client, "Reset");
}

static void pause_vm(Client *client)
{
    call_plain(client, "Pause");
}

static void resume(Client *client)
{
    call_plain(client, "Resume");
}

static void remove_vm(Client *client)
{
    call_plain(client, "Remove");
}

static void remove_in_a_while(Client *client)
{
    call_vm(client, "Remove", g_variant_new_parsed("({'grace-seconds': <@u %u>},)", 1 + pick(client, 4)));
}

static void cancel_removal(Client *client)
{
    call_plain(client, "CancelRemoval");
}

static void open_console(Client *client)
{
    call_plain(client, "OpenConsole");
}

/* Leaves QEMU without a word, as hostile clients do. */
static void open_display(Client *client)
{
    g_autofree char *path = find_vm(client, SOAK_GUESTS + pick(client, SOAK_VMS - SOAK_GUESTS));
    if (path)
        (void) try(client, path, BERTH_IFACE_VM, "OpenDisplay", g_variant_new("(a{sv})", NULL));
}

static void follow_usage(Client *client)
{
    call_plain(client, pick(client, 3) ? "SubscribeUsage" : "UnsubscribeUsage");
}

static void open_log(Client *client)
{
    call_vm(client, "OpenLog", g_variant_new("(sa{sv})", pick(client, 2) ? "serial" : "qemu", NULL));
}

static void configure(Client *client)
{
    static const char *const policies[] = {"no", "on-failure", "always"};
    call_vm(client, "Configure",
            g_variant_new_parsed("({'vcpus': <@u %u>, 'restart': <%s>}, @a{sv} {})", 1 + pick(client, 2),
                                 policies[pick(client, 3)]));
}

static GVariant *definition(Client *client, guint i)
{
    GVariantDict dict;
    g_autofree char *image = i < SOAK_GUESTS ? g_strdup("guest") : soak_image_name(pick(client, SOAK_IMAGES));
    const gboolean has_image = i < SOAK_GUESTS || pick(client, 3) == 0;
    g_variant_dict_init(&dict, NULL);
    g_variant_dict_insert(&dict, "memory", "t", (guint64) (i < SOAK_GUESTS ? 192 : 64) << 20);
    if (has_image)
        g_variant_dict_insert(&dict, "image", "s", image);
    if (i >= SOAK_GUESTS)
        g_variant_dict_insert(&dict, "display", "s", "vga");
    if (pick(client, 4) == 0)
        g_variant_dict_insert_value(&dict, "disks", g_variant_new_parsed("[{'size': <@t 1048576>}]"));
    return g_variant_dict_end(&dict);
}

static void create(Client *client)
{
    const guint i = pick(client, SOAK_VMS);
    g_autofree char *name = soak_vm_name(i);
    GVariant *options = g_variant_new_parsed("{'start': <%b>}", (gboolean) pick(client, 2));
    (void) try(client, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
               g_variant_new("(s@a{sv}@a{sv})", name, definition(client, i), options));
}

/* The copy of a guest has a guest's name, so that there are no more of them. */
static void clone_vm(Client *client)
{
    const guint from = pick(client, SOAK_VMS);
    const guint to =
        from < SOAK_GUESTS ? pick(client, SOAK_GUESTS) : SOAK_GUESTS + pick(client, SOAK_VMS - SOAK_GUESTS);
    const gboolean thinks_better = pick(client, 3) == 0;
    g_autofree char *path = find_vm(client, from), *name = soak_vm_name(to);
    g_autoptr(GVariant) answer = path ? call(client, path, BERTH_IFACE_VM, "Clone",
                                             g_variant_new_parsed("(%s, @a{sv} {}, @a{sv} {})", name), NULL)
                                      : NULL;
    const char *job;
    if (!answer || !thinks_better)
        return;
    g_variant_get(answer, "(&o)", &job);
    (void) try(client, job, BERTH_IFACE_JOB, "Cancel", g_variant_new("(a{sv})", NULL));
}

static void import(Client *client)
{
    g_autofree char *name = soak_image_name(pick(client, SOAK_IMAGES));
    int fd = memfd_create("image", MFD_CLOEXEC);
    g_assert_cmpint(ftruncate(fd, 1 << 20), ==, 0);
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new_from_array(&fd, 1);
    g_autoptr(GVariant) answer = call(client, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage",
                                      g_variant_new_parsed("(%s, @h 0, {'format': <'raw'>})", name), fds);
}

static void remove_image(Client *client)
{
    g_autofree char *path = g_strdup_printf(BERTH_PATH_IMAGE "/soak_2dimage%u", pick(client, SOAK_IMAGES));
    (void) try(client, path, BERTH_IFACE_IMAGE, "Remove", g_variant_new("(a{sv})", NULL));
}

static void list(Client *client)
{
    (void) try(client, BERTH_PATH_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
}

static void reload(Client *client)
{
    (void) try(client, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Reload", g_variant_new("(a{sv})", NULL));
}

/* Of a guest whose keeper was killed that is missing. */
static gboolean is_expected(GVariant *finding)
{
    const char *kind = "", *side = "";
    g_variant_lookup(finding, "Kind", "&s", &kind);
    g_variant_lookup(finding, "Side", "&s", &side);
    return g_str_equal(kind, "process") && g_str_equal(side, "missing");
}

static void audit(Client *client)
{
    g_autoptr(GVariant) answer =
        call(client, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "Audit", g_variant_new("(a{sv})", NULL), NULL);
    g_autoptr(GVariant) findings = answer ? g_variant_get_child_value(answer, 0) : NULL;
    for (gsize i = 0; findings && i < g_variant_n_children(findings); i++) {
        g_autoptr(GVariant) finding = g_variant_get_child_value(findings, i);
        if (!is_expected(finding))
            g_error("The audit finds %s", g_variant_print(finding, FALSE));
    }
}

static const struct {
    guint weight;
    void (*run)(Client *client);
} operations[] = {
    {14, create},        {14, start},       {4, shut_down}, {8, power_off},    {3, reset},
    {4, pause_vm},       {4, resume},       {5, configure}, {6, remove_vm},    {5, remove_in_a_while},
    {6, cancel_removal}, {3, open_console}, {3, open_log},  {3, import},       {2, remove_image},
    {2, list},           {1, reload},       {1, audit},     {3, follow_usage}, {5, clone_vm},
    {4, open_display},
};

static void run_one(Client *client)
{
    guint sum = 0;
    for (guint i = 0; i < G_N_ELEMENTS(operations); i++)
        sum += operations[i].weight;
    guint at = pick(client, sum), i = 0;
    while (at >= operations[i].weight)
        at -= operations[i++].weight;
    operations[i].run(client);
}

static gboolean end(gpointer data)
{
    Client *client = data;
    client->ending = TRUE;
    return G_SOURCE_CONTINUE;
}

int soak_client(guint32 seed)
{
    Client client = {.bus = client_connect(G_BUS_TYPE_SYSTEM), .random = g_rand_new_with_seed(seed)};
    g_unix_signal_add(SIGTERM, end, &client);
    guint watch = g_bus_watch_name_on_connection(client.bus, BERTH_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_owner,
                                                 on_no_owner, &client, NULL);
    CLIENT_AWAIT(client.n_owners > 0, "The bus does not tell who the daemon is");
    while (!client.ending) {
        run_one(&client);
        await_silence(pick(&client, THINK_MSEC_MAX)); /* a person thinks, and others get their turn */
    }
    g_print("# a client called %u times, %u of them were refused, %u lost with a daemon\n", client.n_calls,
            client.n_refused, client.n_lost);
    g_bus_unwatch_name(watch);
    g_object_unref(client.bus);
    g_rand_free(client.random);
    g_free(client.owner);
    return 0;
}
