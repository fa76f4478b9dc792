/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../core/autofd.h"
#include "audit-look.h"
#include "durable-file.h"
#include "process.h"

/* Processes by what the kernel says of them: the scope that they are in, or the user that they run as. */

#define TCP_LISTENS 0x0A /* TCP_LISTEN, as /proc/net/tcp shows it */

/* Ports: which socket listens on which, and which process has that socket open. */

typedef struct {
    const char *protocol;
    gboolean is_tcp;
    const char *table;
} PortTable;

/* "  0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  0  0 4711 …": local address and port,
 * remote ones, state, queues, timer, retransmits, user, timeout, inode. */
static void add_listener(const PortTable *table, const char *line, GHashTable *listeners)
{
    guint address, port, state;
    unsigned long inode;
    char text[INET_ADDRSTRLEN];
    if (sscanf(line, " %*u: %8X:%4X %*8X:%*4X %2X %*8X:%*8X %*2X:%*8X %*8X %*u %*u %lu", &address, &port, &state,
               &inode) != 4 ||
        inode == 0 || (table->is_tcp && state != TCP_LISTENS))
        return;
    inet_ntop(AF_INET, &(struct in_addr){address}, text, sizeof text);
    g_hash_table_insert(listeners, g_strdup_printf("socket:[%lu]", inode),
                        g_strdup_printf("%s %s:%u", table->protocol, text, port));
}

/* (transfer full) (element-type utf8 utf8): the name of a socket's descriptor → "tcp 127.0.0.1:8080". IPv4, which
 * is what a definition can forward. */
static GHashTable *find_listeners(void)
{
    static const PortTable tables[] = {{"tcp", TRUE, "/proc/net/tcp"}, {"udp", FALSE, "/proc/net/udp"}};
    GHashTable *listeners = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    for (guint i = 0; i < G_N_ELEMENTS(tables); i++) {
        g_autofree char *text = NULL;
        if (!g_file_get_contents(tables[i].table, &text, NULL, NULL))
            continue;
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (guint j = 1; lines[j]; j++)
            add_listener(&tables[i], lines[j], listeners);
    }
    return listeners;
}

static void look_at_ports(int proc_fd, const char *pid, const char *vm, GHashTable *listeners, GPtrArray *things)
{
    g_autofree char *below = g_build_filename(pid, "fd", NULL);
    BERTH_AUTOFD fd = openat(proc_fd, below, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GPtrArray) names = fd < 0 ? NULL : berth_dir_list(fd, NULL);
    for (guint i = 0; names && i < names->len; i++) {
        char target[64];
        ssize_t n = readlinkat(fd, names->pdata[i], target, sizeof target - 1);
        target[MAX(n, 0)] = '\0';
        const char *port = n > 0 ? g_hash_table_lookup(listeners, target) : NULL;
        if (port)
            berth_audit_found(things, BERTH_AUDIT_PORT, BERTH_HELD_BY_RUN, g_strdup(port), vm);
    }
}

/* Processes */

/* A line of /proc/PID/status: what stands behind @key. (nullable) */
static const char *status_line(const char *status, const char *key)
{
    const char *line = strstr(status, key);
    return line ? line + strlen(key) : NULL;
}

/* A zombie is dead, and its parent's affair. FALSE too where it went meanwhile. */
static gboolean read_user(int proc_fd, const char *pid, guint32 *uid)
{
    char status[4096];
    g_autofree char *name = g_build_filename(pid, "status", NULL);
    BERTH_AUTOFD fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, status, sizeof status - 1);
    if (n <= 0)
        return FALSE;
    status[n] = '\0';
    const char *state = status_line(status, "\nState:\t"), *user = status_line(status, "\nUid:\t");
    if (!state || *state == 'Z' || *state == 'X' || !user)
        return FALSE;
    *uid = (guint32) g_ascii_strtoull(user, NULL, 10);
    return TRUE;
}

static void look_at_process(const BerthAuditPlace *place, int proc_fd, const char *name, GHashTable *listeners,
                            GPtrArray *things)
{
    guint64 pid = 0;
    guint32 uid = 0;
    if (!g_ascii_string_to_unsigned(name, 10, 1, G_MAXINT, &pid, NULL) || !read_user(proc_fd, name, &uid))
        return;
    g_autofree char *vm = berth_cgroup_vm_of((pid_t) pid);
    if (vm) {
        berth_audit_found(things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup(name), vm);
        look_at_ports(proc_fd, name, vm, listeners, things);
    } else if (place->by_user && uid >= place->uid_first && uid <= place->uid_last) {
        berth_audit_found(things, BERTH_AUDIT_PROCESS, BERTH_HELD_BY_RUN, g_strdup(name), NULL)->cid =
            uid - place->uid_base;
    }
}

gboolean berth_audit_look_at_processes(const BerthAuditPlace *place, GPtrArray *things, GError **error)
{
    BERTH_AUTOFD proc_fd = berth_dir_open(AT_FDCWD, "/proc", error);
    g_autoptr(GPtrArray) names = proc_fd < 0 ? NULL : berth_dir_list(proc_fd, error);
    if (!names)
        return FALSE;
    g_autoptr(GHashTable) listeners = find_listeners();
    for (guint i = 0; i < names->len; i++)
        look_at_process(place, proc_fd, names->pdata[i], listeners, things);
    return TRUE;
}
