/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The serial console: clients, logs, and who is held up by whom. */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "keeper-scene.h"
#include "src/core/autofd.h"
#include "src/core/keeper-protocol.h"

/* ---- the console ---- */

static void test_fan_out(KeeperScene *vm, gconstpointer data)
{
    START(vm, "await", "go", "serial", "one\n", "await", "second", "serial", "two\n", "await", "bye");
    BERTH_AUTOFD a = keeper_connect_console(vm);
    BERTH_AUTOFD b = keeper_connect_console(vm);
    keeper_type(a, "go");
    g_autofree char *text_a = keeper_read_until(a, "one\n");
    g_autofree char *text_b = keeper_read_until(b, "one\n");
    g_assert_cmpstr(text_a, ==, "got 2\none\n");
    g_assert_cmpstr(text_b, ==, text_a);
    keeper_type(b, "second");
    keeper_expect(a, "two\n");
    keeper_expect(b, "two\n");

    /* One that types and goes at once is heard, and disturbs nobody. */
    int brief = keeper_connect_console(vm);
    keeper_type(brief, "bye");
    close(brief);
    g_autofree char *rest = keeper_read_until(a, NULL);
    g_assert_cmpstr(rest, ==, "got 3\n");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
    g_autofree char *log = keeper_read_log(vm, "serial.log", NULL);
    g_assert_cmpstr(log, ==, "got 2\none\ngot 6\ntwo\ngot 3\n");
}

/* As much as the logs can hold, and more; in rounds that are smaller than what is kept for a client, and that the
 * fast one ends by reading: else it could be too slow, on a busy machine. */
#define ROUND_BYTES 48000
#define ROUNDS 70
G_STATIC_ASSERT(ROUND_BYTES *ROUNDS > 3 * BERTH_LOG_SIZE_MAX);

static char *run_rounds(int client)
{
    GString *all = g_string_new(NULL);
    guint line = 0;

    for (guint i = 0; i < ROUNDS; i++) {
        keeper_type(client, "k");
        g_autofree char *text = keeper_read_until(client, "more");
        g_assert_cmpuint(strlen(text), ==, strlen("got 1\n") + ROUND_BYTES + strlen("more"));
        for (guint at = strlen("got 1\n"); at < ROUND_BYTES; at += 16) {
            char expected[17];
            g_snprintf(expected, sizeof expected, "line %09u \n", line++);
            g_assert_cmpmem(text + at, 16, expected, 16);
        }
        g_string_append(all, text);
    }
    return g_string_free(all, FALSE);
}

/* The logs hold the end of it. */
static void check_logs(KeeperScene *vm, const char *all)
{
    gsize length, old_length;
    g_autofree char *log = keeper_read_log(vm, "serial.log", &length);
    g_autofree char *old = keeper_read_log(vm, "serial.log.1", &old_length);

    g_assert_cmpuint(length, <, BERTH_LOG_SIZE_MAX);
    g_assert_cmpuint(old_length, ==, BERTH_LOG_SIZE_MAX);
    g_assert_cmpmem(log, length, all + strlen(all) - length, length);
    g_assert_cmpmem(old, old_length, all + strlen(all) - length - old_length, old_length);
}

/* A client that does not read loses output; the guest and the others notice nothing. */
static void test_slow_client(KeeperScene *vm, gconstpointer data)
{
    g_autoptr(GPtrArray) script = g_ptr_array_new();
    const char *const round[] = {"await", "k", "spam", G_STRINGIFY(ROUND_BYTES), "serial", "more"};
    for (guint i = 0; i < ROUNDS * G_N_ELEMENTS(round); i++)
        g_ptr_array_add(script, (char *) round[i % G_N_ELEMENTS(round)]);
    g_ptr_array_add(script, NULL);
    keeper_start(vm, (const char *const *) script->pdata);

    BERTH_AUTOFD slow = keeper_connect_console(vm);
    BERTH_AUTOFD fast = keeper_connect_console(vm);
    g_autofree char *all = run_rounds(fast);
    g_autofree char *late = keeper_read_until(slow, NULL);
    g_assert_cmpuint(strlen(late), >, 0);
    g_assert_cmpuint(strlen(late), <, strlen(all));
    keeper_check_record(vm, 0, "", FALSE, FALSE);
    check_logs(vm, all);
}

/* The processor time that the keeper takes in @ms. */
static gint64 cpu_usec_in(KeeperScene *vm, int ms)
{
    clockid_t clock;
    struct timespec before, after;

    g_assert_cmpint(clock_getcpuclockid(berth_keeper_pid(vm->keeper), &clock), ==, 0);
    clock_gettime(clock, &before);
    poll(NULL, 0, ms);
    clock_gettime(clock, &after);
    return (after.tv_sec - before.tv_sec) * G_USEC_PER_SEC + (after.tv_nsec - before.tv_nsec) / 1000;
}

/* A guest that does not read: the client is held up, the keeper is not, and nothing is lost. */
static void test_back_pressure(KeeperScene *vm, gconstpointer data)
{
    START(vm, "greet", "expect", "system_reset", "await", "GONE", "await", "END");
    BERTH_AUTOFD console = keeper_connect_console(vm);
    g_autofree char *block = g_strnfill(4096, 'k');
    gsize sent = 0;
    ssize_t n;

    /* More than all buffers between can hold would mean that somebody takes it without bound. */
    struct pollfd pollfd = {.fd = console, .events = POLLOUT};
    while (poll(&pollfd, 1, 200) == 1) {
        n = send(console, block, 4096, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (gsize) n : 0;
        g_assert_cmpuint(sent, <, 16 * 1024 * 1024);
    }
    g_assert_cmpuint(sent, >, 0);

    /* Held input of one that has hung up waits too, and is no reason to spin. */
    int gone = keeper_connect_console(vm);
    keeper_type(gone, "GONE");
    close(gone);
    g_assert_cmpint(cpu_usec_in(vm, 300), <, 100 * 1000);

    keeper_signal(vm, SIGINT); /* it is answered: it hangs nowhere. The stand-in reads from here on. */
    gint64 first = 0, second = 0;
    g_autofree char *until_gone = keeper_read_until(console, "\n");
    keeper_type(console, "END");
    g_autofree char *until_end = keeper_read_until(console, NULL);
    g_assert_cmpint(sscanf(until_gone, "got %" G_GINT64_FORMAT "\n", &first), ==, 1);
    g_assert_cmpint(sscanf(until_end, "got %" G_GINT64_FORMAT "\n", &second), ==, 1);
    g_assert_cmpint(first + second, ==, (gint64) (sent + strlen("GONE") + strlen("END")));
    keeper_check_record(vm, 0, "", FALSE, FALSE);
}

static void test_many_clients(KeeperScene *vm, gconstpointer data)
{
    int clients[32];
    START(vm, "await", "go", "serial", "x\n", "await", "go", "exit", "0");
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        clients[i] = keeper_connect_console(vm);
    BERTH_AUTOFD one_more = keeper_connect_console(vm);
    g_autofree char *text = keeper_read_until(one_more, NULL); /* turned away, not left waiting */
    g_assert_cmpstr(text, ==, "");

    /* A place that is given up is free again: the console hears the hang-up at the latest when it writes. */
    close(clients[0]);
    keeper_type(clients[1], "go");
    for (guint i = 1; i < G_N_ELEMENTS(clients); i++)
        keeper_expect(clients[i], "x\n");
    clients[0] = keeper_connect_console(vm);
    keeper_type(clients[0], "go");
    keeper_expect(clients[0], "got 2\n");
    for (guint i = 0; i < G_N_ELEMENTS(clients); i++)
        close(clients[i]);
    keeper_check_record(vm, 0, "", FALSE, FALSE);
}

static void allow_descriptors(KeeperScene *vm, rlim_t n, struct rlimit *before)
{
    g_assert_no_errno(prlimit(berth_keeper_pid(vm->keeper), RLIMIT_NOFILE, NULL, before));
    const struct rlimit limit = {.rlim_cur = n, .rlim_max = before->rlim_max};
    g_assert_no_errno(prlimit(berth_keeper_pid(vm->keeper), RLIMIT_NOFILE, &limit, NULL));
}

/* No descriptor is left for one more: it waits, the others go on, and when there are some again all is as before. */
static void test_no_descriptors(KeeperScene *vm, gconstpointer data)
{
    struct rlimit before, scarce;
    START(vm, "await", "go", "serial", "x\n", "await", "go", "serial", "y\n", "await", "go", "serial", "z\n", "await",
          "go", "exit", "0");
    BERTH_AUTOFD first = keeper_connect_console(vm);
    keeper_type(first, "go");
    keeper_expect(first, "x\n");
    allow_descriptors(vm, 3, &before);
    BERTH_AUTOFD second = keeper_connect_console(vm);
    keeper_type(first, "go");
    keeper_expect(first, "y\n");
    allow_descriptors(vm, before.rlim_cur, &scarce);
    keeper_type(first, "go");
    keeper_expect(first, "z\n");
    keeper_expect(second, "z\n");
    BERTH_AUTOFD third = keeper_connect_console(vm);
    keeper_type(third, "go");
    keeper_check_record(vm, 0, "", FALSE, FALSE);
}

static void add(void)
{
    KEEPER_ADD("fan-out", test_fan_out);
    KEEPER_ADD("slow-client", test_slow_client);
    KEEPER_ADD("back-pressure", test_back_pressure);
    KEEPER_ADD("many-clients", test_many_clients);
    KEEPER_ADD("no-descriptors", test_no_descriptors);
}

int main(int argc, char **argv)
{
    return keeper_main(&argc, &argv, add);
}
