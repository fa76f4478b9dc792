/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "soak.h"

#define STOPPED_MSEC_MAX 4000

struct Trouble {
    Crowd *crowd;
    GRand *random;
    GHashTable *stopped; /* pidfd → source id of what lets it go on */
};

/* A line of what a command writes. (transfer full) (nullable) */
static char *pick_line(Trouble *trouble, const char *command)
{
    g_autofree char *text = scene_run("sh", "-c", command, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    const guint n_lines = g_strv_length(lines);
    return *text ? g_strdup(lines[g_rand_int_range(trouble->random, 0, (gint32) n_lines)]) : NULL;
}

static pid_t pick_process(Trouble *trouble, const char *name)
{
    g_autofree char *command = g_strdup_printf("pgrep -x %s || :", name);
    g_autofree char *line = pick_line(trouble, command);
    return line ? (pid_t) g_ascii_strtoll(line, NULL, 10) : 0;
}

static void kill_process(Trouble *trouble, const char *name)
{
    pid_t pid = pick_process(trouble, name);
    if (pid > 0)
        kill(pid, SIGKILL);
}

static void kill_qemu(Trouble *trouble)
{
    kill_process(trouble, "qemu-system-x86");
}

static void kill_keeper(Trouble *trouble)
{
    kill_process(trouble, "berth-keeper");
}

static void go_on(gpointer pidfd, gpointer source, gpointer data)
{
    syscall(SYS_pidfd_send_signal, GPOINTER_TO_INT(pidfd), SIGCONT, NULL, 0);
    close(GPOINTER_TO_INT(pidfd));
}

typedef struct {
    Trouble *trouble;
    int pidfd;
} Stopped;

static gboolean let_go_on(gpointer data)
{
    Stopped *stopped = data;
    go_on(GINT_TO_POINTER(stopped->pidfd), NULL, NULL);
    g_hash_table_remove(stopped->trouble->stopped, GINT_TO_POINTER(stopped->pidfd));
    return G_SOURCE_REMOVE;
}

/* QEMU answers nobody for a while. */
static void stop_qemu(Trouble *trouble)
{
    pid_t pid = pick_process(trouble, "qemu-system-x86");
    int pidfd = pid > 0 ? (int) syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pidfd < 0)
        return;
    syscall(SYS_pidfd_send_signal, pidfd, SIGSTOP, NULL, 0);
    Stopped *stopped = g_new0(Stopped, 1);
    stopped->trouble = trouble;
    stopped->pidfd = pidfd;
    guint source =
        g_timeout_add_full(G_PRIORITY_DEFAULT, (guint) g_rand_int_range(trouble->random, 100, STOPPED_MSEC_MAX),
                           let_go_on, stopped, g_free);
    g_hash_table_insert(trouble->stopped, GINT_TO_POINTER(pidfd), GUINT_TO_POINTER(source));
}

static char *pick_scope(Trouble *trouble)
{
    return pick_line(trouble, "systemctl list-units --plain --no-legend 'berth-*.scope' | cut -d ' ' -f 1");
}

static void stop_scope(Trouble *trouble)
{
    g_autofree char *scope = pick_scope(trouble);
    if (scope)
        (void) scene_status("systemctl", "--quiet", "--no-block", "stop", scope, NULL);
}

static void kill_scope(Trouble *trouble)
{
    g_autofree char *scope = pick_scope(trouble);
    if (scope)
        (void) scene_status("systemctl", "--quiet", "kill", "--signal=KILL", scope, NULL);
}

static void lose_client(Trouble *trouble)
{
    crowd_lose_one(trouble->crowd, trouble->random);
}

static void reload_systemd(Trouble *trouble)
{
    g_free(scene_run("systemctl", "daemon-reload", NULL));
}

static void reexecute_systemd(Trouble *trouble)
{
    g_free(scene_run("systemctl", "daemon-reexec", NULL));
}

static void restart_journal(Trouble *trouble)
{
    (void) scene_status("systemctl", "--quiet", "restart", "systemd-journald.service", NULL);
}

static void reload_daemon(Trouble *trouble)
{
    (void) scene_status("systemctl", "--quiet", "--no-block", "reload", "berthd.service", NULL);
}

static void hang_up(Trouble *trouble)
{
    (void) scene_status("systemctl", "--quiet", "kill", "--kill-whom=main", "--signal=HUP", "berthd.service", NULL);
}

static void kill_daemon(Trouble *trouble)
{
    pid_t pid = scene_daemon_pid();
    if (pid > 0)
        kill(pid, SIGKILL);
}

static void restart_daemon(Trouble *trouble)
{
    (void) scene_status("systemctl", "--quiet", "--no-block", "restart", "berthd.service", NULL);
}

static const struct {
    guint weight;
    gboolean kills; /* it is the end of the daemon */
    void (*run)(Trouble *trouble);
} blows[] = {
    {6, FALSE, kill_qemu},       {3, FALSE, kill_keeper},   {4, FALSE, stop_qemu},      {5, FALSE, stop_scope},
    {3, FALSE, kill_scope},      {2, FALSE, lose_client},   {2, FALSE, reload_systemd}, {1, FALSE, reexecute_systemd},
    {1, FALSE, restart_journal}, {2, FALSE, reload_daemon}, {2, FALSE, hang_up},        {5, TRUE, kill_daemon},
    {2, TRUE, restart_daemon},
};

void trouble_strike(Trouble *trouble, gboolean may_kill)
{
    gint32 sum = 0;
    for (guint i = 0; i < G_N_ELEMENTS(blows); i++)
        sum += (gint32) blows[i].weight;
    guint at = (guint) g_rand_int_range(trouble->random, 0, sum), i = 0;
    while (at >= blows[i].weight)
        at -= blows[i++].weight;
    if (may_kill || !blows[i].kills)
        blows[i].run(trouble);
}

Trouble *trouble_new(Crowd *crowd, guint32 seed)
{
    Trouble *trouble = g_new0(Trouble, 1);
    trouble->crowd = crowd;
    trouble->random = g_rand_new_with_seed(seed);
    trouble->stopped = g_hash_table_new(NULL, NULL);
    return trouble;
}

static void forget_source(gpointer pidfd, gpointer source, gpointer data)
{
    g_source_remove(GPOINTER_TO_UINT(source));
}

void trouble_free(Trouble *trouble)
{
    g_hash_table_foreach(trouble->stopped, forget_source, NULL);
    g_hash_table_foreach(trouble->stopped, go_on, NULL);
    g_hash_table_unref(trouble->stopped);
    g_rand_free(trouble->random);
    g_free(trouble);
}
