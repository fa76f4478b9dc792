/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>
#include <string.h>

#include "scripted.h"
#include "src/core/names.h"

/* What a guest's agent says, and what is asked of it. */

#define COMES "once ready agent-open"

static void await_strings(Fixture *fixture, const char *path, const char *property, const char *text)
{
    fixture_await_property(fixture, path, property, g_variant_new_parsed(text));
}

static void await_ready(Fixture *fixture, const char *path, gboolean ready)
{
    fixture_await_property(fixture, path, "GuestReady", g_variant_new_boolean(ready));
}

static void assert_strings(Fixture *fixture, const char *path, const char *property, const char *text)
{
    g_autoptr(GVariant) value = fixture_get(fixture, path, BERTH_IFACE_VM, property);
    g_autofree char *printed = g_variant_print(value, TRUE);
    g_assert_cmpstr(printed, ==, text);
}

static void assert_nothing_known(Fixture *fixture, const char *path)
{
    assert_strings(fixture, path, "GuestReady", "false");
    assert_strings(fixture, path, "GuestStatus", "''");
    assert_strings(fixture, path, "GuestAddresses", "@as []");
    assert_strings(fixture, path, "GuestOS", "''");
}

static void await_all_known(Fixture *fixture, const char *path)
{
    await_ready(fixture, path, TRUE);
    await_strings(fixture, path, "GuestOS", "'Fake Linux 1 (scripted)'");
    await_strings(fixture, path, "GuestAddresses", "['192.0.2.17/24 eth0']");
    await_strings(fixture, path, "GuestStatus", "'the agent answers'");
}

/* A client that hears the signals needs nothing else; afterwards nothing is true of it any more. */
static void test_life(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", "on file up agent-open\non file down agent-close");
    assert_nothing_known(fixture, path);
    scripted_touch(fixture, "up");
    await_all_known(fixture, path);
    assert_strings(fixture, path, "GuestAddresses", "['192.0.2.17/24 eth0']");
    scripted_touch(fixture, "down");
    await_ready(fixture, path, FALSE);
    await_strings(fixture, path, "GuestAddresses", "@as []");
    await_strings(fixture, path, "GuestOS", "''");
    assert_nothing_known(fixture, path);
    fixture_vm(fixture, path, "PowerOff");
    assert_nothing_known(fixture, path);
}

static void test_end(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES);
    await_all_known(fixture, path);
    fixture_vm(fixture, path, "PowerOff");
    await_ready(fixture, path, FALSE);
    await_strings(fixture, path, "GuestOS", "''");
    assert_nothing_known(fixture, path);
}

/* Another boot is another guest. */
static void test_reset(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non file up agent-open");
    await_all_known(fixture, path);
    fixture_vm(fixture, path, "Reset");
    await_ready(fixture, path, FALSE);
    await_strings(fixture, path, "GuestAddresses", "@as []");
    scripted_touch(fixture, "up");
    await_all_known(fixture, path);
}

/* The daemon after this one finds the channel open. */
static void test_restart(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES);
    await_all_known(fixture, path);
    const guint asked = scripted_count(fixture, "web", "agent guest-get-osinfo");
    fixture_restart_daemon(fixture);
    await_all_known(fixture, path);
    g_assert_cmpuint(scripted_count(fixture, "web", "agent guest-get-osinfo"), >, asked);
    /* And one that has nobody at its other end closed. */
    fixture_vm(fixture, path, "Reset");
    await_ready(fixture, path, FALSE);
    fixture_restart_daemon(fixture);
    scripted_await(fixture, "web", "qmp query-chardev", 2);
    assert_nothing_known(fixture, path);
}

/* It comes up without an address, and gets one: nobody has to ask. */
static void test_late_address(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\nonce guest-network-get-interfaces answer []");
    await_ready(fixture, path, TRUE);
    await_strings(fixture, path, "GuestAddresses", "['192.0.2.17/24 eth0']");
    g_assert_cmpuint(scripted_count(fixture, "web", "agent guest-network-get-interfaces"), >=, 2);
}

/* An agent that knows neither is one all the same. */
static void test_poor(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(
        fixture, "{}", COMES "\non guest-network-get-interfaces refuse no\non guest-get-osinfo refuse no");
    await_ready(fixture, path, TRUE);
    await_strings(fixture, path, "GuestStatus", "'the agent answers'");
    fixture_vm(fixture, path, "RefreshGuest");
    assert_strings(fixture, path, "GuestOS", "''");
    assert_strings(fixture, path, "GuestAddresses", "@as []");
}

static void test_hostile(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path =
        scripted_running(fixture, "{}",
                         COMES "\non guest-get-osinfo answer {\"pretty-name\": \"\\u001b[31m\\u0001red\\n\"}\n"
                               "on guest-network-get-interfaces answer [{\"name\": \"a b\\u0007\", \"ip-addresses\": "
                               "[{\"ip-address-type\": \"ipv4\", \"ip-address\": \"192.0.2.1;rm\", \"prefix\": 8}, "
                               "{\"ip-address-type\": \"ipv4\", \"ip-address\": \"192.0.2.1\", \"prefix\": 8}]}]");
    await_strings(fixture, path, "GuestOS", "'?[31m?red?'");
    await_strings(fixture, path, "GuestAddresses", "['192.0.2.1/8 a b?']");
}

/* It floods its channel: it is not waited for, and everybody else is served. */
static void test_flood(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non guest-sync-delimited flood");
    g_autofree char *other = scripted_vm(fixture, "other", NULL);
    await_strings(fixture, path, "GuestStatus", "'the agent does not answer'");
    assert_strings(fixture, path, "GuestReady", "false");
    fixture_vm(fixture, other, "Start");
    fixture_vm(fixture, path, "Pause");
    fixture_vm(fixture, path, "Resume");
    fixture_vm(fixture, path, "PowerOff");
}

static void test_refresh(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}",
                                             "on file up agent-open\n"
                                             "once guest-network-get-interfaces answer []");
    fixture_vm_fails(fixture, path, "RefreshGuest", "Unsupported", "qemu-guest-agent");
    scripted_touch(fixture, "up");
    await_ready(fixture, path, TRUE);
    fixture_vm(fixture, path, "RefreshGuest");
    assert_strings(fixture, path, "GuestAddresses", "['192.0.2.17/24 eth0']"); /* announced, too, before the answer */
    fixture_vm(fixture, path, "Pause");
    fixture_vm_fails(fixture, path, "RefreshGuest", "WrongState", "paused");
    fixture_vm(fixture, path, "PowerOff");
    fixture_vm_fails(fixture, path, "RefreshGuest", "WrongState", "stopped");
}

/* Until it answers no more: who waits for it then is told when it goes. */
static void hang(Fixture *fixture)
{
    scripted_touch(fixture, "hang");
    scripted_await(fixture, "web", "agent hangs", 1);
}

static void test_refresh_gone(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path =
        scripted_running(fixture, "{}", COMES "\non file hang agent-hang\non file down agent-close");
    await_all_known(fixture, path);
    hang(fixture);
    FixtureCall *first = scripted_begin(fixture, path, "RefreshGuest");
    FixtureCall *second = scripted_begin(fixture, path, "RefreshGuest");
    fixture_vm_fails(fixture, path, "CancelRemoval", "WrongState", ""); /* they have arrived */
    scripted_touch(fixture, "down");
    scripted_fails(first, "Cancelled", "closed");
    scripted_fails(second, "Cancelled", "closed");
}

/* Shutdown */

static void shut_down(Fixture *fixture, const char *path, const char *mode)
{
    g_autofree char *text = *mode ? g_strdup_printf("{'mode': <%s>}", mode) : g_strdup("@a{sv} {}");
    GVariant *options = g_variant_new_parsed(text);
    g_autoptr(GVariant) answer =
        fixture_call(fixture, path, BERTH_IFACE_VM, "Shutdown", g_variant_new("(@a{sv})", options));
}

static void shutdown_fails(Fixture *fixture, const char *path, const char *mode, const char *name, const char *words)
{
    g_autofree char *text = g_strdup_printf("({'mode': <%s>},)", mode);
    fixture_call_fails(fixture, path, BERTH_IFACE_VM, "Shutdown", g_variant_new_parsed(text), name, words);
}

static void assert_went(Fixture *fixture, const char *path, guint by_agent, guint by_button)
{
    fixture_await_state(fixture, path, "stopped");
    fixture_await_property(fixture, path, "ExitReason", g_variant_new_string("host-stop"));
    scripted_assert_wanted(fixture, path, FALSE);
    g_assert_cmpuint(scripted_count(fixture, "web", "agent guest-shutdown"), ==, by_agent);
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, by_button);
}

/* The guest does not hear its power button. */
static void check_agent(Fixture *fixture, const char *mode)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non system_powerdown ignore");
    await_ready(fixture, path, TRUE);
    shut_down(fixture, path, mode);
    assert_went(fixture, path, 1, 0);
}

static void test_shutdown(Fixture *fixture, gconstpointer unused)
{
    check_agent(fixture, "");
}

static void test_shutdown_agent(Fixture *fixture, gconstpointer unused)
{
    check_agent(fixture, "'agent'");
}

static void test_shutdown_acpi(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES);
    await_ready(fixture, path, TRUE);
    shut_down(fixture, path, "'acpi'");
    assert_went(fixture, path, 0, 1);
}

static void test_shutdown_no_agent(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", NULL);
    shutdown_fails(fixture, path, "'agent'", "Unsupported", "acpi");
    shutdown_fails(fixture, path, "'gently'", "org.freedesktop.DBus.Error.InvalidArgs", "\"gently\"");
    scripted_assert_string(fixture, path, "State", "running");
    scripted_assert_wanted(fixture, path, TRUE);
    shut_down(fixture, path, "");
    assert_went(fixture, path, 0, 1);
}

/* It refuses, at once; or says nothing, and holds on: then the power button comes after it. */
static void check_fallback(Fixture *fixture, const char *rule)
{
    g_autofree char *script = g_strconcat(COMES "\non guest-shutdown ", rule, NULL);
    g_autofree char *path = scripted_running(fixture, "{}", script);
    await_ready(fixture, path, TRUE);
    shut_down(fixture, path, "");
    assert_went(fixture, path, 1, 1);
}

static void test_shutdown_refused(Fixture *fixture, gconstpointer unused)
{
    check_fallback(fixture, "refuse no");
}

static void test_shutdown_in_vain(Fixture *fixture, gconstpointer unused)
{
    check_fallback(fixture, "ignore");
}

/* Its agent hangs before it can be asked: the caller does not hear of it, unless the agent is all that they want. */
static void test_shutdown_hung(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non file hang agent-hang");
    await_all_known(fixture, path);
    hang(fixture);
    shutdown_fails(fixture, path, "'agent'", "Cancelled", "did not answer");
    scripted_assert_string(fixture, path, "State", "running");
    shut_down(fixture, path, "");
    assert_went(fixture, path, 0, 1);
}

/* By the agent alone: nobody presses a button, and the guest runs on. */
static void test_shutdown_vain(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non guest-shutdown ignore");
    await_ready(fixture, path, TRUE);
    g_autoptr(Recorder) recorder = recorder_new(fixture->client, BERTH_BUS_NAME, path);
    shut_down(fixture, path, "'agent'");
    scripted_await_told(recorder, "State", "stopping running");
    scripted_assert_last_error(fixture, path, "did not power down");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 0);
}

/* So does the daemon that goes on with it. */
static void test_shutdown_vain_later(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non guest-shutdown ignore");
    await_ready(fixture, path, TRUE);
    shut_down(fixture, path, "'agent'");
    fixture_restart_daemon(fixture);
    fixture_await_state(fixture, path, "running");
    scripted_assert_last_error(fixture, path, "did not power down");
    g_assert_cmpuint(scripted_count(fixture, "web", "qmp system_powerdown"), ==, 0);
}

/* systemd stops the scope: its keeper presses the button, to which the guest is deaf; the daemon asks its agent. */
static void test_shutdown_keeper(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non system_powerdown ignore");
    await_ready(fixture, path, TRUE);
    g_assert_cmpint(kill(scripted_keeper(fixture, path), SIGTERM), ==, 0);
    fixture_await_state(fixture, path, "stopped");
    scripted_assert_string(fixture, path, "ExitReason", "host-stop");
    g_assert_cmpuint(scripted_count(fixture, "web", "keeper system_powerdown"), >=, 1);
    g_assert_cmpuint(scripted_count(fixture, "web", "agent guest-shutdown"), ==, 1);
    g_assert_cmpuint(scripted_count(fixture, "web", "keeper quit"), ==, 0);
}

/* Remove wins over an agent that takes its time. */
static void test_shutdown_removed(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *path = scripted_running(fixture, "{}", COMES "\non guest-shutdown ignore");
    await_ready(fixture, path, TRUE);
    shut_down(fixture, path, "");
    fixture_vm(fixture, path, "Remove");
    fixture_await_gone(fixture, path);
}

/* The agent has a third of it. */
#define SHORT "ShutdownTimeoutSec=6\n"
#define FAIR "ShutdownTimeoutSec=15\n"

static void add_all(void)
{
    SCRIPTED_ADD("/guest/life", "", test_life);
    SCRIPTED_ADD("/guest/end", "", test_end);
    SCRIPTED_ADD("/guest/reset", "", test_reset);
    SCRIPTED_ADD("/guest/restart", "", test_restart);
    SCRIPTED_ADD("/guest/late-address", "", test_late_address);
    SCRIPTED_ADD("/guest/poor", "", test_poor);
    SCRIPTED_ADD("/guest/hostile", "", test_hostile);
    SCRIPTED_ADD("/guest/flood", "", test_flood);
    SCRIPTED_ADD("/guest/refresh", "", test_refresh);
    SCRIPTED_ADD("/guest/refresh/gone", "", test_refresh_gone);
    SCRIPTED_ADD("/guest/shutdown/either", "", test_shutdown);
    SCRIPTED_ADD("/guest/shutdown/agent", "", test_shutdown_agent);
    SCRIPTED_ADD("/guest/shutdown/acpi", "", test_shutdown_acpi);
    SCRIPTED_ADD("/guest/shutdown/no-agent", "", test_shutdown_no_agent);
    SCRIPTED_ADD("/guest/shutdown/refused", "", test_shutdown_refused);
    SCRIPTED_ADD("/guest/shutdown/in-vain", FAIR, test_shutdown_in_vain);
    SCRIPTED_ADD("/guest/shutdown/hung", FAIR, test_shutdown_hung);
    SCRIPTED_ADD("/guest/shutdown/agent-in-vain", SHORT, test_shutdown_vain);
    SCRIPTED_ADD("/guest/shutdown/agent-in-vain-later", SHORT, test_shutdown_vain_later);
    SCRIPTED_ADD("/guest/shutdown/by-keeper", "", test_shutdown_keeper);
    SCRIPTED_ADD("/guest/shutdown/removed", "", test_shutdown_removed);
}

int main(int argc, char **argv)
{
    return scripted_main(argc, argv, add_all);
}
