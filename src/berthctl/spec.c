/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "spec.h"

#include <glib/gi18n.h>

#include "../core/error.h"
#include "../core/text.h"

gboolean ctl_split_assignment(const char *text, char **key, const char **value, GError **error)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || equals == text || !g_utf8_validate(text, -1, NULL)) {
        g_autofree char *quoted = berth_text_quote(text);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, _("%s is not of the form KEY=VALUE"), quoted);
        return FALSE;
    }
    *key = g_strndup(text, (gsize) (equals - text));
    *value = equals + 1;
    return TRUE;
}

static gboolean is_yes(const char *value)
{
    return g_str_equal(value, "yes") || g_str_equal(value, "true");
}

/* Words as JSON has them: a boolean for yes and no, else text. A key alone is a yes. */
static gboolean set_member(JsonObject *object, const char *word, GError **error)
{
    if (strchr(word, '=') == NULL && g_utf8_validate(word, -1, NULL) && word[0] != '\0') {
        json_object_set_boolean_member(object, word, TRUE);
        return TRUE;
    }
    g_autofree char *key = NULL;
    const char *value;
    if (!ctl_split_assignment(word, &key, &value, error))
        return FALSE;
    if (is_yes(value) || g_str_equal(value, "no") || g_str_equal(value, "false"))
        json_object_set_boolean_member(object, key, is_yes(value));
    else
        json_object_set_string_member(object, key, value);
    return TRUE;
}

static gboolean set_members(JsonObject *object, char **words, GError **error)
{
    for (char **word = words; *word != NULL; word++)
        if (!set_member(object, *word, error))
            return FALSE;
    return TRUE;
}

JsonObject *ctl_disk_from_spec(const char *spec, GError **error)
{
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    if (words[0] == NULL || words[0][0] == '\0' || !g_utf8_validate(spec, -1, NULL)) {
        g_autofree char *quoted = berth_text_quote(spec);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    _("%s is no disk; it must be SIZE[,format=FORMAT][,bus=BUS], e.g. 10G"), quoted);
        return NULL;
    }
    g_autoptr(JsonObject) disk = json_object_new();
    json_object_set_string_member(disk, "size", words[0]);
    return set_members(disk, words + 1, error) ? g_steal_pointer(&disk) : NULL;
}

JsonObject *ctl_network_from_spec(const char *spec, GError **error)
{
    if (g_str_equal(spec, "none"))
        return NULL;
    g_auto(GStrv) words = g_strsplit(spec, ",", -1);
    g_autoptr(JsonObject) network = json_object_new();
    if (g_strcmp0(words[0], "user") == 0) {
        json_object_set_string_member(network, "mode", "user");
        return set_members(network, words + 1, error) ? g_steal_pointer(&network) : NULL;
    }
    if (words[0] != NULL && g_str_has_prefix(words[0], "bridge=")) {
        json_object_set_string_member(network, "mode", "bridge");
        return set_members(network, words, error) ? g_steal_pointer(&network) : NULL;
    }
    g_autofree char *quoted = berth_text_quote(spec);
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                _("%s is no network; it must be user, none or bridge=NAME"), quoted);
    return NULL;
}

static gboolean parse_port(const char *text, guint64 *port)
{
    return g_ascii_string_to_unsigned(text, 10, 1, G_MAXUINT16, port, NULL);
}

JsonObject *ctl_port_from_spec(const char *spec, GError **error)
{
    g_auto(GStrv) words = g_strsplit(spec, ":", -1);
    guint n = g_strv_length(words), first = 0;
    const char *protocol = "tcp", *address = NULL;
    if (n > 0 && (g_str_equal(words[0], "tcp") || g_str_equal(words[0], "udp")))
        protocol = words[first++];
    if (n - first == 3)
        address = words[first++];

    guint64 host = 0, guest = 0;
    if (n - first != 2 || !parse_port(words[first], &host) || !parse_port(words[first + 1], &guest) ||
        !g_utf8_validate(spec, -1, NULL)) {
        g_autofree char *quoted = berth_text_quote(spec);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                    _("%s is no port; it must be [tcp:|udp:][ADDRESS:]HOST-PORT:GUEST-PORT"), quoted);
        return NULL;
    }
    JsonObject *port = json_object_new();
    json_object_set_string_member(port, "protocol", protocol);
    if (address != NULL)
        json_object_set_string_member(port, "host-address", address);
    json_object_set_int_member(port, "host-port", (gint64) host);
    json_object_set_int_member(port, "guest-port", (gint64) guest);
    return port;
}

static JsonArray *ports_from_specs(char **specs, GError **error)
{
    g_autoptr(JsonArray) ports = json_array_new();
    for (char **spec = specs; *spec != NULL; spec++) {
        JsonObject *port = ctl_port_from_spec(*spec, error);
        if (port == NULL)
            return NULL;
        json_array_add_object_element(ports, port);
    }
    return g_steal_pointer(&ports);
}

static JsonObject *first_user_network(JsonArray *networks)
{
    for (guint i = 0; i < json_array_get_length(networks); i++) {
        JsonObject *network = json_array_get_object_element(networks, i);
        if (g_str_equal(json_object_get_string_member(network, "mode"), "user"))
            return network;
    }
    return NULL;
}

static gboolean add_ports(JsonArray *networks, char **specs, GError **error)
{
    JsonObject *user = first_user_network(networks);
    if (user == NULL) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s", _("--port needs a --network user"));
        return FALSE;
    }
    JsonArray *ports = ports_from_specs(specs, error);
    if (ports == NULL)
        return FALSE;
    json_object_set_array_member(user, "ports", ports);
    return TRUE;
}

JsonArray *ctl_networks_from_specs(char **networks, char **ports, GError **error)
{
    char *user[] = {(char *) "user", NULL};
    g_autoptr(JsonArray) array = json_array_new();
    for (char **spec = networks != NULL ? networks : user; *spec != NULL; spec++) {
        g_autoptr(GError) wrong = NULL;
        JsonObject *network = ctl_network_from_spec(*spec, &wrong);
        if (wrong != NULL) {
            g_propagate_error(error, g_steal_pointer(&wrong));
            return NULL;
        }
        if (network != NULL)
            json_array_add_object_element(array, network);
    }
    if (ports != NULL && !add_ports(array, ports, error))
        return NULL;
    return g_steal_pointer(&array);
}
