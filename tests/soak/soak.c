/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#include "soak.h"

/* soak SEED SECONDS: runs as root in a bed, as all programs of tests/system do. */

#define DROP_IN_DIR "/etc/systemd/system/berthd.service.d"
#define PAUSE_MSEC_MIN 100
#define PAUSE_MSEC_MAX 1500
/* The last daemon lives for this part of the time, so that what leaks is seen. */
#define LAST_PART 3
/* AddressSanitizer holds back what is freed: there LeakSanitizer tells instead, when the daemon ends. */
#ifdef __SANITIZE_ADDRESS__
#define PSS_SLACK (G_MAXUINT64 / 2)
#else
#define PSS_SLACK ((guint64) 4 << 20)
#endif

static guint32 seed;
static guint seconds;

static void prepare(void)
{
    g_assert_cmpint(g_mkdir_with_parents(DROP_IN_DIR, 0755), ==, 0);
    /* It is killed more often than systemd would have it. */
    g_assert_true(g_file_set_contents(DROP_IN_DIR "/50-soak.conf",
                                      "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestartSec=100ms\n", -1, NULL));
    g_free(scene_run("systemctl", "daemon-reload", NULL));
    scene_configure("[VM]\nShutdownTimeoutSec=4\nPowerOffTimeoutSec=2\n");
}

static void pass(guint msec, Trouble *trouble, GRand *random, gboolean may_kill)
{
    const gint64 end = g_get_monotonic_time() + (gint64) msec * 1000;
    while (g_get_monotonic_time() < end) {
        await_silence(
            (guint) g_rand_int_range(random, PAUSE_MSEC_MIN, PAUSE_MSEC_MAX)); /* the time is the test's own */
        trouble_strike(trouble, may_kill);
    }
}

static void await_daemon(void)
{
    CLIENT_AWAIT(scene_status("systemctl", "start", "berthd.service", NULL) == 0, "The daemon does not start");
}

static void test_soak(void)
{
    prepare();
    const Figures before = figures_of_daemon();
    Witness *witness = witness_new(scene_bus);
    GRand *random = g_rand_new_with_seed(seed);
    Crowd *crowd = crowd_new(seed + 1000);
    Trouble *trouble = trouble_new(crowd, seed + 1);
    const guint last = seconds * 1000 / LAST_PART;
    pass(seconds * 1000 - last, trouble, random, TRUE);
    pass(last, trouble, random, FALSE);
    /* On a slow machine it takes longer until all have come to do something. */
    while (witness_n_edges(witness) == 0 || witness_n_clones(witness) == 0)
        pass(PAUSE_MSEC_MAX, trouble, random, FALSE);
    crowd_free(crowd);
    trouble_free(trouble);
    await_daemon();
    leftovers_assert_none();
    const Figures after = figures_of_daemon();
    g_test_message("%u changes of state, %u clones; %u descriptors and %" G_GUINT64_FORMAT
                   " KiB, before %u and %" G_GUINT64_FORMAT " KiB",
                   witness_n_edges(witness), witness_n_clones(witness), after.n_fds, after.pss / 1024, before.n_fds,
                   before.pss / 1024);
    g_assert_cmpuint(after.n_fds, ==, before.n_fds);
    g_assert_cmpuint(after.pss, <=, before.pss + PSS_SLACK);
    g_free(scene_run("systemctl", "stop", "berthd.service", NULL));
    journal_assert_good();
    g_rand_free(random);
    witness_free(witness);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "client") == 0)
        return soak_client((guint32) strtoul(argv[2], NULL, 10));
    if (argc != 3) {
        g_printerr("usage: soak SEED SECONDS\n");
        return 2;
    }
    seed = (guint32) strtoul(argv[1], NULL, 10);
    seconds = (guint) strtoul(argv[2], NULL, 10);
    argc = 1;
    scene_begin(&argc, &argv);
    g_autofree char *path = g_strdup_printf("/soak/seed-%u", seed);
    g_test_add_func(path, test_soak);
    return g_test_run();
}
