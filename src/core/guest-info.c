/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest-info.h"

#include <arpa/inet.h>
#include <string.h>

#include "json-member.h"
#include "text.h"

static JsonArray *as_array(JsonNode *node)
{
    return node && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

/* "" where there is none. */
static const char *get_string(JsonObject *object, const char *member)
{
    const char *text = berth_json_get_string(object, member);
    return text ? text : "";
}

/* The operating system */

char *berth_guest_info_os(JsonNode *result)
{
    JsonObject *info = berth_json_as_object(result);
    const char *pretty = info ? get_string(info, "pretty-name") : "";
    const char *name = info ? get_string(info, "name") : "";
    const char *version = info ? get_string(info, "version") : "";
    if (*pretty || !*version)
        return berth_text_clean(*pretty ? pretty : name, BERTH_GUEST_TEXT_MAX);
    g_autofree char *both = g_strjoin(" ", name, version, NULL);
    return berth_text_clean(g_strchug(both), BERTH_GUEST_TEXT_MAX);
}

/* Addresses */

/* 127/8, 169.254/16, 0/8, and multicast and what lies above it. */
static gboolean is_reachable4(const guint8 bytes[4])
{
    return bytes[0] != 0 && bytes[0] != 127 && bytes[0] < 224 && !(bytes[0] == 169 && bytes[1] == 254);
}

/* Neither ::/128, ::1/128, fe80::/10 nor ff00::/8. */
static gboolean is_reachable6(const struct in6_addr *address)
{
    return !IN6_IS_ADDR_UNSPECIFIED(address) && !IN6_IS_ADDR_LOOPBACK(address) && !IN6_IS_ADDR_LINKLOCAL(address) &&
           !IN6_IS_ADDR_MULTICAST(address);
}

/* (transfer full) (nullable): written anew, so that nothing of the guest's own text is left. */
static char *format_address(JsonObject *entry, int *family)
{
    union {
        guint8 v4[4];
        struct in6_addr v6;
    } address;
    char text[INET6_ADDRSTRLEN];
    const char *said = get_string(entry, "ip-address");
    const gint64 prefix = berth_json_get_number(entry, "prefix");

    *family = g_str_equal(get_string(entry, "ip-address-type"), "ipv6") ? AF_INET6 : AF_INET;
    if (prefix < 0 || prefix > (*family == AF_INET ? 32 : 128) || inet_pton(*family, said, &address) != 1 ||
        !(*family == AF_INET ? is_reachable4(address.v4) : is_reachable6(&address.v6)) ||
        !inet_ntop(*family, &address, text, sizeof text))
        return NULL;
    return g_strdup_printf("%s/%d", text, (int) prefix);
}

/* Appends those of @family. */
static void take_addresses(JsonObject *interface, int family, GPtrArray *found)
{
    JsonArray *entries = as_array(json_object_get_member(interface, "ip-addresses"));
    g_autofree char *name = berth_text_clean(get_string(interface, "name"), BERTH_GUEST_TEXT_MAX);
    for (guint i = 0; entries && i < json_array_get_length(entries); i++) {
        int its_family;
        JsonObject *entry = berth_json_as_object(json_array_get_element(entries, i));
        g_autofree char *address = entry ? format_address(entry, &its_family) : NULL;
        if (address && its_family == family && found->len < BERTH_GUEST_ADDRESSES_MAX)
            g_ptr_array_add(found, g_strjoin(" ", address, name, NULL));
    }
}

GStrv berth_guest_info_addresses(JsonNode *result)
{
    static const int families[] = {AF_INET, AF_INET6};
    g_autoptr(GPtrArray) found = g_ptr_array_new();
    JsonArray *interfaces = as_array(result);
    for (guint i = 0; i < G_N_ELEMENTS(families); i++)
        for (guint j = 0; interfaces && j < json_array_get_length(interfaces); j++) {
            JsonObject *interface = berth_json_as_object(json_array_get_element(interfaces, j));
            if (interface)
                take_addresses(interface, families[i], found);
        }
    g_ptr_array_add(found, NULL);
    return (GStrv) g_ptr_array_free(g_steal_pointer(&found), FALSE);
}

/* Notifications */

static void take_assignment(BerthGuestNotice *notice, const char *key, const char *value)
{
    guint64 number;
    if (g_str_equal(key, "READY"))
        notice->ready = g_str_equal(value, "1");
    else if (g_str_equal(key, "STOPPING"))
        notice->stopping = g_str_equal(value, "1");
    else if (g_str_equal(key, "EXIT_STATUS") && g_ascii_string_to_unsigned(value, 10, 0, 255, &number, NULL))
        notice->exit_status = (int) number;
}

/* The unit alone where there is no better word. */
static void take_status(BerthGuestNotice *notice, const char *key, const char *value)
{
    const gboolean is_status = g_str_equal(key, "STATUS");
    if (!is_status && (notice->status || !g_str_equal(key, "X_SYSTEMD_UNIT_ACTIVE")))
        return;
    g_autofree char *text = berth_text_clean(value, BERTH_GUEST_TEXT_MAX);
    g_free(notice->status);
    notice->status = is_status ? g_steal_pointer(&text) : g_strdup_printf("%s is active", text);
}

BerthGuestNotice *berth_guest_notice_parse(const char *text, gsize length)
{
    BerthGuestNotice *notice = g_new0(BerthGuestNotice, 1);
    g_autofree char *copy = g_strndup(text, length);
    g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
    notice->exit_status = -1;
    for (char **line = lines; *line; line++) {
        char *equals = strchr(*line, '=');
        if (!equals)
            continue;
        *equals = '\0';
        take_assignment(notice, *line, equals + 1);
        take_status(notice, *line, equals + 1);
    }
    return notice;
}

void berth_guest_notice_free(BerthGuestNotice *notice)
{
    if (!notice)
        return;
    g_free(notice->status);
    g_free(notice);
}
