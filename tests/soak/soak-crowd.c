/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <sys/wait.h>

#include "soak.h"

struct Crowd {
    guint32 seed; /* of the next one */
    GPid pids[SOAK_CLIENTS];
    GPid lost; /* who was killed on purpose, 0 */
    guint n_alive;
    gboolean ending;
};

static void spawn(Crowd *crowd, guint place);

static void on_end(GPid pid, int status, gpointer data)
{
    Crowd *crowd = data;
    crowd->n_alive--;
    g_spawn_close_pid(pid);
    if (pid == crowd->lost) {
        crowd->lost = 0;
        for (guint i = 0; i < SOAK_CLIENTS && !crowd->ending; i++)
            if (crowd->pids[i] == pid)
                spawn(crowd, i);
        return;
    }
    if (!crowd->ending || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
        g_error("A client has come to a bad end (wait status %d)", status);
}

static void spawn(Crowd *crowd, guint place)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *seed = g_strdup_printf("%u", crowd->seed++);
    char *argv[] = {(char *) "/proc/self/exe", (char *) "client", seed, NULL};
    g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &crowd->pids[place], &error);
    g_assert_no_error(error);
    crowd->n_alive++;
    g_child_watch_add(crowd->pids[place], on_end, crowd);
}

Crowd *crowd_new(guint32 seed)
{
    Crowd *crowd = g_new0(Crowd, 1);
    crowd->seed = seed;
    for (guint i = 0; i < SOAK_CLIENTS; i++)
        spawn(crowd, i);
    return crowd;
}

void crowd_lose_one(Crowd *crowd, GRand *random)
{
    if (crowd->lost)
        return;
    crowd->lost = crowd->pids[g_rand_int_range(random, 0, SOAK_CLIENTS)];
    kill(crowd->lost, SIGKILL);
}

void crowd_free(Crowd *crowd)
{
    CLIENT_AWAIT(!crowd->lost, "A client that was killed has not ended");
    crowd->ending = TRUE;
    for (guint i = 0; i < SOAK_CLIENTS; i++)
        kill(crowd->pids[i], SIGTERM);
    CLIENT_AWAIT(crowd->n_alive == 0, "%u clients have not ended", crowd->n_alive);
    g_free(crowd);
}
