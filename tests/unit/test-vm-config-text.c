/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/error.h"
#include "src/core/vm-config.h"

/* What JSON and typed texts become: in GVariant's text format with types, or the error's whole text. */

static void assert_result(const char *text, GVariant *value, const GError *error, const char *expected)
{
    g_autofree char *got = value ? g_variant_print(value, TRUE) : g_strdup(error->message);
    if (!value)
        g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
    if (!g_str_equal(got, expected))
        g_error("%s:\n  %s\ninstead of\n  %s", text, got, expected);
}

static void assert_json(const char *text, const char *expected)
{
    static const char *const skip[] = {"id", "cid", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = berth_vm_config_variant_from_json(text, strlen(text), skip, &error);
    assert_result(text, value, error, expected);
}

static void test_json_good(void)
{
    assert_json("{}", "@a{sv} {}");
    assert_json("{\"id\": \"x\", \"cid\": [], \"vcpus\": 2}", "{'vcpus': <uint32 2>}");
    assert_json("{\"restart-delay\": \"1min 5s\", \"boot-delay\": 2000000, \"boot-order\": 3}",
                "{'restart-delay': <uint64 65000000>, 'boot-delay': <uint64 2000000>, 'boot-order': <uint64 3>}");
    assert_json("{\"memory\": 1073741824, \"vsock\": true, \"image\": \"a\"}",
                "{'memory': <uint64 1073741824>, 'vsock': <true>, 'image': <'a'>}");
    assert_json("{\"memory\": \"4G\"}", "{'memory': <uint64 4294967296>}");
    assert_json("{\"disks\": []}", "{'disks': <@aa{sv} []>}");
    assert_json("{\"disks\": [{\"size\": \"1T\", \"read-only\": false}, {}]}",
                "{'disks': <[{'size': <uint64 1099511627776>, 'read-only': <false>}, {}]>}");
    assert_json("{\"networks\": [{\"ports\": [{\"host-port\": 80}]}]}",
                "{'networks': <[{'ports': <[{'host-port': <uint32 80>}]>}]>}");
    assert_json("{\"limits\": {\"CPUWeight\": 7}}", "{'limits': <{'CPUWeight': <uint64 7>}>}");
    assert_json("{\"labels\": {\"b\": \"1\", \"a\": \"\"}}", "{'labels': <{'b': '1', 'a': ''}>}");
}

static void test_json_bad(void)
{
    assert_json("{\"vcpu\": 1}", "unknown key \"vcpu\"; did you mean \"vcpus\"?");
    assert_json("{\"disks\": [{\"id\": 1}]}", "unknown key \"disks[0].id\"");
    assert_json("{\"vcpus\": \"2\"}", "vcpus is a string; it must be a whole number");
    assert_json("{\"vcpus\": 2.0}", "vcpus is a number with a fraction; it must be a whole number");
    assert_json("{\"vcpus\": null}", "vcpus is null; it must be a whole number");
    assert_json("{\"vcpus\": -1}", "vcpus is -1; it must be from 1 to 255");
    assert_json("{\"vcpus\": 4294967297}", "vcpus is 4294967297; it must be from 1 to 255");
    assert_json("{\"memory\": true}", "memory is a boolean; it must be a number of bytes");
    assert_json("{\"memory\": \"lots\"}", "memory is \"lots\"; it must be a number of bytes");
    assert_json("{\"memory\": \"2T\"}", "memory is \"2T\"; it must be from 16M to 1T, and a multiple of 1M");
    assert_json("{\"disks\": [{\"size\": -1}]}",
                "disks[0].size is -1; it must be 0 or from 1M to 64T, and a multiple of 512");
    assert_json("{\"vsock\": 1}", "vsock is a number; it must be yes or no");
    assert_json("{\"image\": 1}", "image is a number; it must be a text");
    assert_json("{\"machine\": [\"q35\"]}", "machine is an array; it must be a word");
    assert_json("{\"disks\": {}}", "disks is an object; it must be a list of dictionaries");
    assert_json("{\"disks\": [1]}", "disks[0] must be a JSON object");
    assert_json("{\"limits\": []}", "limits is an array; it must be a dictionary");
    assert_json("{\"labels\": {\"a\": 1}}", "labels[\"a\"] must be a JSON string");
    assert_json("{\"vcpus\": 1, \"vcpus\": 1}", "The JSON has the member \"vcpus\" twice");
    assert_json("[]", "The JSON is malformed at byte 0: an object is expected");
}

static void assert_string(const char *key, const char *text, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) value = berth_vm_config_variant_from_string(key, text, &error);
    assert_result(text, value, error, expected);
    g_assert_false(value && g_variant_is_floating(value));
}

static void test_string_good(void)
{
    assert_string("vcpus", "4", "uint32 4");
    assert_string("memory", "512m", "uint64 536870912");
    assert_string("memory", "1073741824", "uint64 1073741824");
    assert_string("image", "", "''");
    assert_string("machine", "microvm", "'microvm'");
    assert_string("description", "a \"b\"", "'a \"b\"'");
    assert_string("vsock", "yes", "true");
    assert_string("vsock", "TRUE", "true");
    assert_string("vsock", "on", "true");
    assert_string("protected", "no", "false");
    assert_string("protected", "off", "false");
    assert_string("protected", "False", "false");
    assert_string("disks", "", "@aa{sv} []");
    assert_string("disks", "[{\"size\": \"10G\"}]", "[{'size': <uint64 10737418240>}]");
    assert_string("limits", "", "@a{sv} {}");
    assert_string("limits", "{\"MemoryMax\": \"2G\", \"CPUQuota\": 50}",
                  "{'MemoryMax': <uint64 2147483648>, 'CPUQuota': <uint64 50>}");
    assert_string("labels", "{\"a\": \"b\"}", "{'a': 'b'}");
}

static void test_string_bad(void)
{
    assert_string("vcpu", "4", "unknown key \"vcpu\"; did you mean \"vcpus\"?");
    assert_string("vcpus", "4K", "vcpus is \"4K\"; it must be a whole number");
    assert_string("vcpus", "", "vcpus is \"\"; it must be a whole number");
    assert_string("vcpus", "-4", "vcpus is \"-4\"; it must be a whole number");
    assert_string("vcpus", "4294967297", "vcpus is \"4294967297\"; it must be from 1 to 255");
    assert_string("memory", "99999999999999999999T",
                  "memory is \"99999999999999999999T\"; it must be from 16M to 1T, and a multiple of 1M");
    assert_string("memory", "1.5G", "memory is \"1.5G\"; it must be a number of bytes");
    assert_string("vsock", "maybe", "vsock is \"maybe\"; it must be yes or no");
    assert_string("image", "\xff", "image is not valid UTF-8");
    assert_string("disks", "10G", "disks is \"10G\"; it must be a list of dictionaries, written as JSON");
    assert_string("disks", "[], \"networks\": []",
                  "disks is \"[], \"networks\": []\"; it must be a list of dictionaries, written as JSON");
    assert_string("disks", "[]}", "disks is \"[]}\"; it must be a list of dictionaries, written as JSON");
    assert_string("labels", "[]", "labels is an array; it must be a dictionary of texts");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vm-config-text/json-good", test_json_good);
    g_test_add_func("/vm-config-text/json-bad", test_json_bad);
    g_test_add_func("/vm-config-text/string-good", test_string_good);
    g_test_add_func("/vm-config-text/string-bad", test_string_bad);
    return g_test_run();
}
