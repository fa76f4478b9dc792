/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <libintl.h>
#include <locale.h>

#include "src/berthctl/options.h"
#include "src/berthctl/spec.h"
#include "src/berthctl/text.h"

/* What berthctl says in another language: that names and words stand where that language wants them. LANGUAGE is "de",
 * BERTH_TRANSLATIONS the directory of the translations. */

static void assert_text(char *text, const char *expected)
{
    g_assert_cmpstr(text, ==, expected);
    g_free(text);
}

static void test_usage(void)
{
    const CtlCommand list = {.name = "list", .arguments = ""}, wait = {.name = "wait", .arguments = "NAME STATE"};
    assert_text(ctl_describe_usage(&list), "list");
    assert_text(ctl_describe_usage(&wait), "wait NAME ZUSTAND");
}

static void test_refusals(void)
{
    g_autoptr(GError) disk = NULL, network = NULL, port = NULL, assignment = NULL;
    g_autofree char *key = NULL;
    const char *value;
    g_assert_null(ctl_disk_from_spec(",", &disk));
    g_assert_cmpstr(disk->message, ==,
                    "\",\" ist keine Festplatte; erwartet wird GRÖSSE[,format=FORMAT][,bus=BUS], z.\u00a0B. 10G");
    g_assert_null(ctl_network_from_spec("nat", &network));
    g_assert_cmpstr(network->message, ==, "\"nat\" ist kein Netzwerk; erwartet wird user, none oder bridge=NAME");
    g_assert_null(ctl_port_from_spec("80", &port));
    g_assert_cmpstr(port->message, ==, "\"80\" ist kein Port; erwartet wird [tcp:|udp:][ADRESSE:]HOST-PORT:GAST-PORT");
    g_assert_false(ctl_split_assignment("vcpus", &key, &value, &assignment));
    g_assert_cmpstr(assignment->message, ==, "\"vcpus\" hat nicht die Form SCHLÜSSEL=WERT");
}

static void test_times(void)
{
    const guint64 second = G_USEC_PER_SEC, minute = 60 * second, hour = 60 * minute, day = 24 * hour;
    assert_text(ctl_format_span(0), "0\u00a0s");
    assert_text(ctl_format_span(59 * second), "59\u00a0s");
    assert_text(ctl_format_span(2 * hour + 3 * minute + 4 * second), "2\u00a0h 3\u00a0min");
    assert_text(ctl_format_span(day + 5 * minute), "1\u00a0d 5\u00a0min");
    assert_text(ctl_format_span(hour), "1\u00a0h");
    assert_text(ctl_format_time(1795574397 * second), "Wed 25.11.2026 02:39:57 UTC");
}

static void test_reason(void)
{
    assert_text(ctl_with_reason("web kann nicht gestartet werden", "es läuft"),
                "web kann nicht gestartet werden: es läuft");
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    bindtextdomain("berth", g_getenv("BERTH_TRANSLATIONS"));
    bind_textdomain_codeset("berth", "UTF-8");
    textdomain("berth");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl-words/usage", test_usage);
    g_test_add_func("/ctl-words/refusals", test_refusals);
    g_test_add_func("/ctl-words/times", test_times);
    g_test_add_func("/ctl-words/reason", test_reason);
    return g_test_run();
}
