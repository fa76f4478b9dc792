/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/json-guard.h"
#include "src/core/vm-config.h"

/* The short way from JSON to a definition takes what is plain and right, and nothing else: the long way is asked
 * about all that it leaves, and only tells what is wrong where something is. */

static BerthVmConfig *read_all(const char *text)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, strlen(text), NULL);
    g_assert_nonnull(object);
    return berth_vm_config_read(object, NULL);
}

static void test_plain(void)
{
    g_autoptr(BerthVmConfig) config =
        read_all(" {\"vcpus\":4 ,\n\t\"memory\" : 2147483648, \"vsock\": true, \"protected\": false,\r\n"
                 "\"disks\": [{\"size\": 1048576, \"bus\": \"sata\"}, {\"size\": 2097152}], \"networks\": [],"
                 "\"limits\": {\"TasksMax\": 16}, \"labels\": {\"a\": \"x\", \"b\": \"\"}, \"description\": "
                 "\"Größe\\n\\u00e4\"} ");
    g_assert_nonnull(config);
    g_assert_cmpuint(config->vcpus, ==, 4);
    g_assert_cmpuint(config->memory, ==, 2147483648);
    g_assert_true(config->vsock);
    g_assert_cmpuint(config->disks->len, ==, 2);
    g_assert_cmpstr(((BerthDisk *) config->disks->pdata[0])->bus, ==, "sata");
    g_assert_cmpuint(config->networks->len, ==, 0); /* and not the default one */
    g_assert_cmpuint(config->limits.tasks_max, ==, 16);
    g_assert_cmpuint(g_hash_table_size(config->labels), ==, 2);
    g_assert_cmpstr(config->description, ==, "Größe\nä");
    g_assert_cmpstr(config->machine, ==, "q35"); /* what is not said */
}

/* A text is in lower case however it came. */
static void test_lower_case(void)
{
    g_autoptr(BerthVmConfig) config = read_all("{\"networks\": [{\"mac\": \"52:54:00:AB:CD:EF\"}]}");
    g_assert_nonnull(config);
    g_assert_cmpstr(((BerthNetwork *) config->networks->pdata[0])->mac, ==, "52:54:00:ab:cd:ef");
}

static const char *const not_plain[] = {
    "{\"vcpus\":\"1\"}",
    "{\"vcpus\":-1}",
    "{\"vcpus\":1.0}",
    "{\"vcpus\":1e0}",
    "{\"vcpus\":18446744073709551615}", /* -1 to json-glib */
    "{\"vcpus\":4294967297}",           /* the same for 32 bits */
    "{\"vcpus\":256}",
    "{\"vcpu\":1}",
    "{\"memory\":\"4G\"}",
    "{\"memory\":16777217}",
    "{\"vsock\":1}",
    "{\"machine\":\"q36\"}",
    "{\"machine\":null}",
    "{\"image\":\"../x\"}",
    "{\"disks\":{}}",
    "{\"disks\":[{}]}", /* no size, and no image that has one */
    "{\"networks\":[{\"ports\":[{\"host-port\":80}]}]}",
    "{\"networks\":[{\"mode\":\"bridge\"}]}",
    "{\"limits\":{\"MemoryMax\":16777216}}",
    "{\"labels\":{\"a\":1}}",
    "{\"labels\":{\"a b\":\"\"}}",
};

static void test_not_plain(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(not_plain); i++) {
        g_autoptr(BerthVmConfig) config = read_all(not_plain[i]);
        if (config)
            g_error("%s is taken", not_plain[i]);
    }
}

/* More entries than a list may have. */
static void test_too_much(void)
{
    g_autoptr(GString) text = g_string_new("{\"networks\":[{\"mode\":\"none\"}");
    for (guint i = 0; i < 8; i++)
        g_string_append(text, ",{\"mode\":\"none\"}");
    g_string_append(text, "]}");
    g_assert_null(read_all(text->str));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/key-read/plain", test_plain);
    g_test_add_func("/key-read/lower-case", test_lower_case);
    g_test_add_func("/key-read/not-plain", test_not_plain);
    g_test_add_func("/key-read/too-much", test_too_much);
    return g_test_run();
}
