/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/guest-info.h"

static JsonNode *parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text, &error);
    g_assert_no_error(error);
    return node;
}

static void test_os(void)
{
    static const struct {
        const char *answer, *os;
    } cases[] = {
        {"{\"pretty-name\": \"Debian GNU/Linux 12 (bookworm)\", \"name\": \"Debian GNU/Linux\", \"id\": \"debian\"}",
         "Debian GNU/Linux 12 (bookworm)"},
        {"{\"name\": \"FreeBSD\", \"version\": \"14.1\"}", "FreeBSD 14.1"},
        {"{\"name\": \"FreeBSD\"}", "FreeBSD"},
        {"{\"version\": \"14.1\"}", "14.1"},
        {"{}", ""},
        {"[]", ""},
        {"null", ""},
        {"{\"pretty-name\": {\"a\": 1}, \"name\": [\"b\"], \"version\": 3}", ""},
        {"{\"pretty-name\": \"a\\u001b[31mred\\nb\\u202ec\"}", "a?[31mred?b?c"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(JsonNode) node = parse(cases[i].answer);
        g_autofree char *os = berth_guest_info_os(node);
        g_assert_cmpstr(os, ==, cases[i].os);
    }
    g_autofree char *nothing = berth_guest_info_os(NULL);
    g_assert_cmpstr(nothing, ==, "");
}

/* At most 256 bytes are kept, and no character is cut in two. */
static void test_os_long(void)
{
    g_autoptr(GString) name = g_string_new("x");
    for (guint i = 0; i < 500; i++)
        g_string_append(name, "é");
    g_autofree char *answer = g_strdup_printf("{\"name\": \"%s\"}", name->str);
    g_autoptr(JsonNode) node = parse(answer);
    g_autofree char *os = berth_guest_info_os(node);
    g_assert_true(g_utf8_validate(os, -1, NULL));
    g_assert_true(g_str_has_suffix(os, "é…"));
    g_assert_cmpuint(strlen(os), ==, 255 + strlen("…"));
}

static void check_addresses(const char *answer, const char *expected)
{
    g_autoptr(JsonNode) node = answer ? parse(answer) : NULL;
    g_auto(GStrv) addresses = berth_guest_info_addresses(node);
    g_autofree char *joined = g_strjoinv("|", addresses);
    g_assert_cmpstr(joined, ==, expected);
}

#define ADDRESS(type, address, prefix)                                                                                 \
    "{\"ip-address-type\": \"" type "\", \"ip-address\": \"" address "\", \"prefix\": " prefix "}"
#define INTERFACE(name, addresses) "{\"name\": \"" name "\", \"ip-addresses\": [" addresses "]}"

static void test_addresses(void)
{
    check_addresses(
        "[" INTERFACE("lo", ADDRESS("ipv4", "127.0.0.1", "8") ", " ADDRESS("ipv6", "::1", "128")) ", " INTERFACE(
            "eth0", ADDRESS("ipv6", "2001:DB8:0:0::17", "64") ", " ADDRESS("ipv4", "192.0.2.17", "24") ", " ADDRESS(
                        "ipv6", "fe80::5054:ff:fe12:3456",
                        "64")) ", {\"name\": \"sit0\"}, " INTERFACE("Ethernet 2", ADDRESS("ipv4", "10.0.0.1", "0")) "]",
        "192.0.2.17/24 eth0|10.0.0.1/0 Ethernet 2|2001:db8::17/64 eth0");
    check_addresses("[]", "");
    check_addresses("{}", "");
    check_addresses(NULL, "");
    check_addresses("[7, null, [], {\"name\": \"a\", \"ip-addresses\": {}}, {\"ip-addresses\": [1, null, {}]}]", "");
}

/* Whatever is no address of the outside is left out. */
static void test_addresses_left_out(void)
{
    static const char *const bad[] = {
        ADDRESS("ipv4", "192.0.2.17\\n", "24"),
        ADDRESS("ipv4", "192.0.2", "24"),
        ADDRESS("ipv4", "192.0.2.17", "33"),
        ADDRESS("ipv4", "192.0.2.17", "-1"),
        ADDRESS("ipv4", "192.0.2.17", "\"24\""),
        ADDRESS("ipv4", "2001:db8::1", "24"),
        ADDRESS("ipv6", "192.0.2.17", "24"),
        ADDRESS("ipv6", "2001:db8::1", "129"),
        ADDRESS("ipv6", "fe80::1%eth0", "64"),
        ADDRESS("ipv6", "febf::1", "64"),
        ADDRESS("ipv6", "ff02::1", "64"),
        ADDRESS("ipv6", "::", "0"),
        ADDRESS("ipv4", "0.0.0.0", "0"),
        ADDRESS("ipv4", "169.254.1.2", "16"),
        ADDRESS("ipv4", "224.0.0.1", "4"),
        ADDRESS("ipv4", "127.1.2.3", "8"),
        "{\"ip-address\": \"192.0.2.17\", \"ip-address-type\": \"ipv4\"}",
        "{\"ip-address\": 17, \"ip-address-type\": \"ipv4\", \"prefix\": 8}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *answer = g_strdup_printf("[{\"name\": \"eth0\", \"ip-addresses\": [%s]}]", bad[i]);
        check_addresses(answer, "");
    }
    check_addresses("[" INTERFACE("e\\nth\\u0000", ADDRESS("ipv4", "192.0.2.1", "24")) "]", "192.0.2.1/24 e?th");
}

static void test_addresses_many(void)
{
    g_autoptr(GString) answer = g_string_new("[{\"name\": \"eth0\", \"ip-addresses\": [");
    for (guint i = 1; i <= 200; i++)
        g_string_append_printf(answer,
                               "%s{\"ip-address-type\": \"ipv4\", \"ip-address\": \"10.0.0.%u\", \"prefix\": 8}",
                               i > 1 ? "," : "", i);
    g_string_append(answer, "]}]");
    g_autoptr(JsonNode) node = parse(answer->str);
    g_auto(GStrv) addresses = berth_guest_info_addresses(node);
    g_assert_cmpuint(g_strv_length(addresses), ==, BERTH_GUEST_ADDRESSES_MAX);
    g_assert_cmpstr(addresses[BERTH_GUEST_ADDRESSES_MAX - 1], ==, "10.0.0.64/8 eth0");
}

static void test_notice(void)
{
    static const struct {
        const char *text;
        gboolean ready, stopping;
        const char *status;
        int exit_status;
    } cases[] = {
        {"READY=1\nSTATUS=Startup finished in 7.2s.\n", TRUE, FALSE, "Startup finished in 7.2s.", -1},
        {"READY=1", TRUE, FALSE, NULL, -1},
        {"READY=11\nSTOPPING=\n", FALSE, FALSE, NULL, -1},
        {"X_SYSTEMD_UNIT_ACTIVE=ssh.service", FALSE, FALSE, "ssh.service is active", -1},
        {"STATUS=Up.\nX_SYSTEMD_UNIT_ACTIVE=ssh.service\n", FALSE, FALSE, "Up.", -1},
        {"X_SYSTEMD_UNIT_ACTIVE=ssh.service\nSTATUS=Up.\n", FALSE, FALSE, "Up.", -1},
        {"STOPPING=1\nSTATUS=\n", FALSE, TRUE, "", -1},
        {"EXIT_STATUS=133", FALSE, FALSE, NULL, 133},
        {"EXIT_STATUS=256\nREADY", FALSE, FALSE, NULL, -1},
        {"EXIT_STATUS=-1\nEXIT_STATUS=7x\n", FALSE, FALSE, NULL, -1},
        {"STATUS=a\xff\x1b[0m\tb=c", FALSE, FALSE, "a\xef\xbf\xbd?[0m?b=c", -1},
        {"\n=\n==1\nREADY=1", TRUE, FALSE, NULL, -1},
        {"", FALSE, FALSE, NULL, -1},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(BerthGuestNotice) notice = berth_guest_notice_parse(cases[i].text, strlen(cases[i].text));
        g_assert_cmpint(notice->ready, ==, cases[i].ready);
        g_assert_cmpint(notice->stopping, ==, cases[i].stopping);
        g_assert_cmpstr(notice->status, ==, cases[i].status);
        g_assert_cmpint(notice->exit_status, ==, cases[i].exit_status);
    }
}

/* Neither behind its length, nor behind a NUL. */
static void test_notice_length(void)
{
    g_autoptr(BerthGuestNotice) cut = berth_guest_notice_parse("STATUS=abc\nREADY=1", 9);
    g_assert_cmpstr(cut->status, ==, "ab");
    g_assert_false(cut->ready);
    g_autoptr(BerthGuestNotice) with_nul = berth_guest_notice_parse("STATUS=a\0\nREADY=1", 17);
    g_assert_cmpstr(with_nul->status, ==, "a");
    g_assert_false(with_nul->ready);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/guest-info/os", test_os);
    g_test_add_func("/guest-info/os-long", test_os_long);
    g_test_add_func("/guest-info/addresses", test_addresses);
    g_test_add_func("/guest-info/addresses/left-out", test_addresses_left_out);
    g_test_add_func("/guest-info/addresses/many", test_addresses_many);
    g_test_add_func("/guest-info/notice", test_notice);
    g_test_add_func("/guest-info/notice/length", test_notice_length);
    return g_test_run();
}
