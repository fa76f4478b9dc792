/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/usage.h"
#include "src/host/usage-look.h"
#include "tests/lib/test-cgroup.h"

#define UNTOUCHED 4711u

static guint64 cpu(const char *text)
{
    guint64 usec = UNTOUCHED;
    g_assert_cmpint(berth_usage_parse_cpu(text, &usec), ==, usec != UNTOUCHED);
    return usec;
}

static void test_cpu(void)
{
    g_assert_cmpuint(cpu("usage_usec 1234\nuser_usec 1000\nsystem_usec 234\n"), ==, 1234);
    g_assert_cmpuint(cpu("user_usec 1000\nusage_usec 0\n"), ==, 0);
    g_assert_cmpuint(cpu("usage_usec 18446744073709551615\n"), ==, G_MAXUINT64);
    static const char *const refused[] = {
        "",
        "\n",
        "usage_usec",
        "usage_usec ",
        "usage_usec \n",
        "usage_usec 12",
        "usage_usec 12 \n",
        "usage_usec -1\n",
        "usage_usec +1\n",
        "usage_usec 0x10\n",
        "usage_usec  1\n",
        "usage_usec 1.5\n",
        "usage_usec 18446744073709551616\n",
        "system_usage_usec 1\n",
        "usage_usec_max 1\n",
        "user_usec 1 usage_usec 1\n",
    };
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
        g_assert_cmpuint(cpu(refused[i]), ==, UNTOUCHED);
}

static guint64 memory(const char *text)
{
    guint64 bytes = UNTOUCHED;
    g_assert_cmpint(berth_usage_parse_memory(text, &bytes), ==, bytes != UNTOUCHED);
    return bytes;
}

static void test_memory(void)
{
    g_assert_cmpuint(memory("0\n"), ==, 0);
    g_assert_cmpuint(memory("536870912\n"), ==, 512u << 20);
    static const char *const refused[] = {"", "\n", "max\n", "12", "-1\n", " 1\n", "1\n2\n", "99999999999999999999\n"};
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
        g_assert_cmpuint(memory(refused[i]), ==, UNTOUCHED);
}

static guint64 resident(const char *text)
{
    guint64 bytes = UNTOUCHED;
    g_assert_cmpint(berth_usage_parse_resident(text, 4096, &bytes), ==, bytes != UNTOUCHED);
    return bytes;
}

static void test_resident(void)
{
    g_assert_cmpuint(resident("300 2 1 10 0 20 0\n"), ==, 8192);
    g_assert_cmpuint(resident("0 0 0 0 0 0 0\n"), ==, 0);
    g_assert_cmpuint(resident("1 4503599627370495 1 1 0 1 0\n"), ==, G_MAXUINT64 - 4095);
    static const char *const refused[] = {"",      "1\n",     "1 2\n",    "1  2 3\n",
                                          "a 2 3", "1 b 3\n", "1 -2 3\n", "1 4503599627370496 1 1 0 1 0\n"};
    for (guint i = 0; i < G_N_ELEMENTS(refused); i++)
        g_assert_cmpuint(resident(refused[i]), ==, UNTOUCHED);
}

/* A process that keeps a processor busy. */
static pid_t fork_busy(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* also where the test fails */
        for (;;)
            ;
    }
    g_assert_cmpint(pid, >, 0);
    return pid;
}

/* The kernel's own files. Time passes with each look, and the figure follows it. */
static void test_look(void)
{
    g_autofree char *missing = test_cgroup_missing();
    if (missing) {
        g_test_skip(missing);
        return;
    }
    g_autofree char *cgroup = test_cgroup_new();
    pid_t pid = fork_busy();
    BerthUsage first, second;
    g_assert_true(test_cgroup_add(cgroup, pid));
    g_assert_true(berth_usage_look(cgroup, pid, &first));
    g_assert_cmpuint(first.known & (BERTH_USAGE_CPU | BERTH_USAGE_RESIDENT), ==,
                     BERTH_USAGE_CPU | BERTH_USAGE_RESIDENT);
    g_assert_cmpuint(first.resident, >, 0);
    do {
        g_assert_true(berth_usage_look(cgroup, pid, &second));
        g_assert_cmpuint(second.time - first.time, <, 20 * G_USEC_PER_SEC);
    } while (second.cpu < first.cpu + 20000);
    /* No process can have had more time than there was. */
    g_assert_cmpuint(second.cpu - first.cpu, <=, second.time - first.time + 20000);
    test_cgroup_destroy(cgroup);
    g_assert_cmpint(waitpid(pid, NULL, 0), ==, pid);
    g_assert_false(berth_usage_look(cgroup, pid, &second)); /* all of it is gone */
    g_assert_cmpuint(second.known, ==, 0);
}

/* What a scope does not tell, its process may, and the other way round. */
static void test_look_half(void)
{
    BerthUsage usage;
    g_assert_true(berth_usage_look(NULL, getpid(), &usage));
    g_assert_cmpuint(usage.known, ==, BERTH_USAGE_RESIDENT);
    g_assert_true(berth_usage_look("/no/such/scope", getpid(), &usage));
    g_assert_cmpuint(usage.known, ==, BERTH_USAGE_RESIDENT);
    g_assert_true(berth_usage_look("/../..", getpid(), &usage));
    g_assert_cmpuint(usage.known, ==, BERTH_USAGE_RESIDENT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/usage/cpu", test_cpu);
    g_test_add_func("/usage/memory", test_memory);
    g_test_add_func("/usage/resident", test_resident);
    g_test_add_func("/usage/look", test_look);
    g_test_add_func("/usage/look/half", test_look_half);
    return g_test_run();
}
