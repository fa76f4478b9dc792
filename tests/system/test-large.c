/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "trouble.h"

/* What there is much of to delete, on an ext4 of the daemon's own: it goes whole, nothing beside it does, and others are
 * answered all the while. */

#define STATE "/srv/berth"
#define OUTSIDE STATE "/outside"
#define N_IDLE 500u
#define BOUND_MSEC                                                                                                     \
    250u /* for half of the calls; a deletion on the main loop would hold up one of them for all its time */

static void shell(const char *script, const char *dir)
{
    g_free(scene_run("sh", "-euc", script, dir, NULL));
}

static gboolean keep_vms_on_disk(void)
{
    if (!trouble_mount_disk(STATE, "64G"))
        return FALSE;
    scene_configure("[Manager]\nStateDirectory=" STATE "\n");
    return TRUE;
}

static void keep_vms_as_before(void)
{
    scene_configure(NULL);
    trouble_unmount_disk(STATE);
}

static char *directory_of(const Guest *guest)
{
    return g_strdup_printf(STATE "/vms/%s", guest->id);
}

/* As long as it is there, who asks for it is answered. */
static void remove_and_ask(Guest *guest, const char *meanwhile)
{
    g_autofree char *name = g_strdup(client_told_string(guest->vm, "Name"));
    g_autoptr(Latency) idle = latency_idle(name, N_IDLE);
    g_autoptr(Latency) latency = latency_new();
    gint64 began = g_get_monotonic_time();
    client_vm(scene_bus, guest->path, "Remove");
    while (latency_ask(latency, name))
        g_assert_cmpint(g_get_monotonic_time() - began, <, CLIENT_SECONDS * G_USEC_PER_SEC);
    g_test_message("It took %.2f s", (double) (g_get_monotonic_time() - began) / G_USEC_PER_SEC);
    latency_report(latency, idle, meanwhile, BOUND_MSEC);
    client_await_gone(guest->vm);
    g_autofree char *phases = client_history(guest->vm, "RemovalPhase");
    g_assert_nonnull(strstr(phases, "deleting"));
    guest_assert_goes(guest);
    g_autofree char *left = scene_run("find", STATE "/vms", STATE "/removing", "-mindepth", "1", NULL);
    g_assert_cmpstr(left, ==, "");
}

/* All of what is outside but for the number of its names, one of which is in the tree. (transfer full) */
static char *look_outside(void)
{
    return scene_run("sh", "-euc", "cd " OUTSIDE "; find . -printf '%p %y %m %U %s %T@\\n' | sort; cat file", NULL);
}

/* 100,000 files, and everything that a tree may hold to lead astray who deletes it. */
static void test_tree(void)
{
    static const char script[] =
        "mkdir -p " OUTSIDE "/dir; echo kept >" OUTSIDE "/file; echo kept >" OUTSIDE "/dir/file; cd \"$0/disks\"\n"
        "ln -s " OUTSIDE "/dir dir; ln -s " OUTSIDE "/file file; ln " OUTSIDE "/file hard; ln -s . self; ln -s / root\n"
        "ln -s ../../../outside up; ln -s nowhere dangling; mkfifo fifo; mknod null c 1 3; touch 'a\nb\xff' -- -rf\n"
        "mkdir closed; touch closed/x; chmod 0 closed; chown alice closed; install -d -o bob bobs; touch bobs/x\n"
        "python3 -c '\n"
        "import os\n"
        "for i in range(1000): os.mkdir(\"d\"); os.chdir(\"d\")\n"
        "open(\"bottom\", \"w\")'\n"
        "seq -f 'many/%g' 100 | xargs mkdir -p\n"
        "for i in $(seq 100); do seq -f \"many/$i/%g\" 1000; done | xargs touch\n";
    if (!keep_vms_on_disk())
        return;
    Guest *guest = guest_new_bare("forest");
    g_autofree char *dir = directory_of(guest);
    shell(script, dir);
    g_autofree char *before = look_outside();
    remove_and_ask(guest, "a tree of 100,000 files is deleted");
    g_autofree char *after = look_outside();
    g_assert_cmpstr(after, ==, before);
    keep_vms_as_before();
}

/* A disk of 50 GiB with data all over it, and one of 4 GiB that is all there; in use until a moment before. */
static void test_disks(void)
{
    static const char script[] = "cd \"$0/disks\"; fallocate -l 4G full; python3 -c '\n"
                                 "import glob, os\n"
                                 "disk = os.open(glob.glob(\"*.raw\")[0], os.O_WRONLY)\n"
                                 "for at in range(0, 50 << 30, 64 << 20): os.pwrite(disk, b\"x\", at)'\n";
    if (!keep_vms_on_disk())
        return;
    Guest *guest =
        guest_new("bulky", g_variant_new_parsed("{'image': <''>, 'memory': <uint64 67108864>, 'disks': <[{'size':"
                                                " <uint64 53687091200>, 'format': <'raw'>}]>}"));
    g_autofree char *dir = directory_of(guest);
    client_vm(scene_bus, guest->path, "Start");
    shell(script, dir);
    remove_and_ask(guest, "disks of 50 GiB and 4 GiB are deleted");
    keep_vms_as_before();
}

static guint count_gone(Guest **guests, guint n)
{
    guint gone = 0;
    for (guint i = 0; i < n; i++)
        gone += client_n_removed(guests[i]->vm);
    return gone;
}

/* Two hundred at once, some of them running. */
static void test_many(void)
{
    enum { N = 200, N_RUNNING = 8, N_AT_ONCE = 100 }; /* the bus allows 128 calls to be under way */
    Guest *guests[N];
    Answer answers[N] = {0};
    for (guint i = 0; i < N; i++) {
        g_autofree char *name = g_strdup_printf("many-%u", i);
        guests[i] = guest_new_bare(name);
    }
    for (guint i = 0; i < N_RUNNING; i++)
        client_vm(scene_bus, guests[i]->path, "Start");
    g_autoptr(Guest) kept = guest_new_bare("kept");
    g_autoptr(Latency) idle = latency_idle("kept", N_IDLE);
    g_autoptr(Latency) latency = latency_new();
    gint64 began = g_get_monotonic_time();
    for (guint i = 0; i < N; i++) {
        guest_begin(guests[i], "Remove", &answers[i]);
        CLIENT_AWAIT(i < N_AT_ONCE || answers[i - N_AT_ONCE].done, "Remove was not answered");
    }
    while (count_gone(guests, N) < N) {
        g_assert_true(latency_ask(latency, "kept"));
        while (g_main_context_iteration(NULL, FALSE))
            ;
        g_assert_cmpint(g_get_monotonic_time() - began, <, CLIENT_SECONDS * G_USEC_PER_SEC);
    }
    latency_report(latency, idle, "200 VMs are removed", BOUND_MSEC);
    for (guint i = 0; i < N; i++) {
        CLIENT_AWAIT(answers[i].done, "Remove was not answered");
        g_assert_cmpstr(answers[i].error, ==, NULL);
        g_assert_cmpuint(client_n_removed(guests[i]->vm), ==, 1);
        guest_forget(guests[i]);
    }
    g_autofree char *left = scene_run("sh", "-c", "ls /var/lib/berth/vms /var/lib/berth/removing /run/berth", NULL);
    g_autofree char *expected =
        g_strdup_printf("/run/berth:\n\n/var/lib/berth/removing:\n\n/var/lib/berth/vms:\n%s", kept->id);
    g_assert_cmpstr(left, ==, expected);
}

int main(int argc, char **argv)
{
    scene_begin(&argc, &argv);
    g_test_add_func("/removal/M14/tree-of-100000-files", test_tree);
    g_test_add_func("/removal/M15/disks-of-50-and-4-gib", test_disks);
    g_test_add_func("/removal/M15/two-hundred-at-once", test_many);
    return g_test_run();
}
