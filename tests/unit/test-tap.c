/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "src/core/error.h"
#include "src/host/tap.h"

#define ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a44"
#define OTHER_ID "6b1c9f0e-3c1e-4f2a-9a52-0d7e5c1b8a45"

/* Each test in a process with a network of its own, which goes with it. */
#define EXIT_SKIP 77

static void in_own_network(void (*func)(void))
{
    pid_t pid = fork();
    g_assert_cmpint(pid, >=, 0);
    if (pid == 0) {
        if (unshare(CLONE_NEWNET | CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
            mount("sysfs", "/sys", "sysfs", 0, NULL) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0)
            _exit(EXIT_SKIP);
        func();
        _exit(0);
    }
    int status;
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIP)
        g_test_skip("needs the right to make a network namespace, and /dev/net/tun");
    else
        g_assert_cmpint(status, ==, 0);
}

static void control(const char *name, unsigned long what, struct ifreq *request)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_strlcpy(request->ifr_name, name, sizeof request->ifr_name);
    g_assert_cmpint(ioctl(fd, what, request), ==, 0);
    close(fd);
}

static void make_bridge(const char *name, int mtu)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_assert_cmpint(ioctl(fd, 0x89a0 /* SIOCBRADDBR */, name), ==, 0);
    close(fd);
    struct ifreq request = {.ifr_mtu = mtu};
    control(name, SIOCSIFMTU, &request);
}

static char *attribute(const char *interface, const char *name)
{
    g_autofree char *path = g_build_filename("/sys/class/net", interface, name, NULL);
    char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return g_strchomp(text);
}

static void assert_attribute(const char *interface, const char *name, const char *expected)
{
    g_autofree char *got = attribute(interface, name);
    g_assert_cmpstr(got, ==, expected);
}

static int open_tap(const char *id, guint index, const char *bridge)
{
    g_autoptr(GError) error = NULL;
    int fd = berth_tap_open(id, index, bridge, &error);
    g_assert_no_error(error);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fcntl(fd, F_GETFD), ==, FD_CLOEXEC);
    return fd;
}

static void assert_fails(const char *id, const char *bridge, const char *says)
{
    g_autofree char *name = berth_tap_name(id, 0);
    g_autoptr(GError) error = NULL;
    unsigned before = if_nametoindex(name);
    g_assert_cmpint(berth_tap_open(id, 0, bridge, &error), ==, -1);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_START_FAILED);
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, says));
    g_assert_cmpuint(if_nametoindex(name), ==, before);
}

static void check_configured(void)
{
    make_bridge("berth-br", 9000);
    g_autofree char *bridge_mac = attribute("berth-br", "address");
    g_autofree char *name = berth_tap_name(ID, 3);
    int fd = open_tap(ID, 3, "berth-br");
    assert_attribute(name, "ifalias", "berth:" ID "/3");
    assert_attribute(name, "mtu", "9000");
    assert_attribute("berth-br", "mtu", "9000");
    g_autofree char *mac = attribute(name, "address");
    g_assert_true(g_str_has_prefix(mac, "fe:"));
    g_autofree char *path = g_strdup_printf("/sys/class/net/berth-br/brif/%s", name);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS));
    struct ifreq request;
    control(name, SIOCGIFFLAGS, &request);
    g_assert_true((request.ifr_flags & IFF_UP) != 0);
    /* It goes with the last descriptor, and a copy counts. */
    int copy = dup(fd);
    close(fd);
    g_assert_cmpuint(if_nametoindex(name), !=, 0);
    close(copy);
    g_assert_cmpuint(if_nametoindex(name), ==, 0);
}

static void test_configured(void)
{
    in_own_network(check_configured);
}

static void check_several(void)
{
    make_bridge("berth-br", 1500);
    open_tap(ID, 0, "berth-br");
    open_tap(ID, 1, "berth-br");
    open_tap(OTHER_ID, 0, "berth-br");
    assert_fails(ID, "berth-br", "busy"); /* it runs already */
}

static void test_several(void)
{
    in_own_network(check_several);
}

/* One of our name that somebody made to last. */
static void make_persistent_tap(const char *name)
{
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    g_assert_cmpint(ioctl(fd, TUNSETIFF, &request), ==, 0);
    g_assert_cmpint(ioctl(fd, TUNSETPERSIST, 1), ==, 0);
    close(fd);
}

/* What bears no owner is not listed, whatever its name is. */
static void check_listed(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *other = berth_tap_name(OTHER_ID, 7), *name = berth_tap_name(ID, 0);
    make_bridge("berth-br", 1500);
    make_persistent_tap(other);
    g_autoptr(GHashTable) before = berth_tap_list(&error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_hash_table_size(before), ==, 0);
    int fd = open_tap(ID, 0, "berth-br");
    for (guint i = 8; i < 108; i++) /* more than one answer of the kernel holds */
        open_tap(OTHER_ID, i, "berth-br");
    g_autoptr(GHashTable) taps = berth_tap_list(&error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_hash_table_size(taps), ==, 101);
    g_assert_cmpstr(g_hash_table_lookup(taps, name), ==, ID);
    close(fd);
    g_autoptr(GHashTable) after = berth_tap_list(&error);
    g_assert_false(g_hash_table_contains(after, name));
}

static void test_listed(void)
{
    in_own_network(check_listed);
}

/* It is left alone. */
static void check_refused(void)
{
    g_autofree char *taken = berth_tap_name(OTHER_ID, 0);
    make_persistent_tap(taken);
    make_bridge("berth-br", 1500);
    assert_fails(OTHER_ID, "berth-br", "busy");
    assert_fails(ID, "absent", "no bridge \"absent\"");
    assert_fails(ID, "lo", "\"lo\"");
    g_assert_cmpint(setresuid(65534, 65534, 65534), ==, 0);
    assert_fails(ID, "berth-br", "ermi" /* not permitted, permission denied */);
}

static void test_refused(void)
{
    in_own_network(check_refused);
}

static void test_name(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (guint i = 0; i < 2000; i++) {
        g_autofree char *id = g_strdup_printf("%08x-3c1e-4f2a-9a52-0d7e5c1b8a44", i / 8);
        char *name = berth_tap_name(id, i % 8);
        g_autofree char *again = berth_tap_name(id, i % 8);
        g_assert_cmpstr(name, ==, again);
        g_assert_true(g_str_has_prefix(name, "bt"));
        g_assert_cmpuint(strlen(name), ==, 14);
        g_assert_true(g_hash_table_add(seen, name));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tap/name", test_name);
    g_test_add_func("/tap/configured", test_configured);
    g_test_add_func("/tap/several", test_several);
    g_test_add_func("/tap/listed", test_listed);
    g_test_add_func("/tap/refused", test_refused);
    return g_test_run();
}
