/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <locale.h>

#include "ui-gtk/model/draft.h"
#include "ui-gtk/model/format.h"
#include "ui-gtk/model/names.h"

/* What the form of a VM proposes, refuses and sends. */

#define MIB (G_GUINT64_CONSTANT(1) << 20)
#define GIB (G_GUINT64_CONSTANT(1) << 30)

static GVariant *parsed(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(NULL, text, NULL, NULL, &error);
    g_assert_no_error(error);
    return value;
}

/* (transfer full): of BerthUiVm */
static GListModel *vms_of(const char *const *names)
{
    GListStore *vms = g_list_store_new(BERTH_UI_TYPE_VM);
    for (; *names; names++) {
        g_autoptr(BerthUiVm) vm = berth_ui_vm_new();
        g_autoptr(GVariant) values = g_variant_ref_sink(g_variant_new_parsed("{'Name': <%s>}", *names));
        berth_ui_object_update(BERTH_UI_OBJECT(vm), values);
        g_list_store_append(vms, vm);
    }
    return G_LIST_MODEL(vms);
}

static void test_capacity(void)
{
    static const struct {
        BerthUiHost host;
        guint vcpus;
        guint64 memory;
    } cases[] = {
        {{1, GIB / 2}, 1, 256 * MIB}, {{2, 2 * GIB}, 1, 512 * MIB},  {{4, 8 * GIB}, 2, 2 * GIB},
        {{6, 15 * GIB}, 3, 2 * GIB},  {{64, 512 * GIB}, 4, 4 * GIB},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_cmpuint(berth_ui_propose_vcpus(&cases[i].host), ==, cases[i].vcpus);
        g_assert_cmpuint(berth_ui_propose_memory(&cases[i].host), ==, cases[i].memory);
    }
    BerthUiHost host;
    berth_ui_host_look(&host);
    g_assert_cmpuint(host.processors, >, 0);
    g_assert_cmpuint(host.memory, >, 64 * MIB);
}

static void test_proposed_name(void)
{
    g_autoptr(GListModel) vms = vms_of((const char *const[]){"debian-12", "debian-12-2", "vm", NULL});
    g_autofree char *taken = berth_ui_propose_name("debian-12", vms);
    g_autofree char *free_ = berth_ui_propose_name("fedora", vms);
    g_autofree char *none = berth_ui_propose_name("vm", vms);
    g_autofree char *long_name = g_strnfill(63, 'x');
    g_autofree char *fits = berth_ui_propose_name(long_name, vms);
    g_assert_cmpstr(taken, ==, "debian-12-3");
    g_assert_cmpstr(free_, ==, "fedora");
    g_assert_cmpstr(none, ==, "vm-2");
    g_assert_null(berth_ui_check_name(fits, vms));
}

static void test_name(void)
{
    g_autoptr(GListModel) vms = vms_of((const char *const[]){"web", NULL});
    static const char *const bad[] = {"", "-a", "a b", "ä", "web", "3b1b9f1e-7c55-4f5e-9f0a-2d9b1e0c5a11"};
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        const char *problem = berth_ui_check_name(bad[i], vms);
        g_test_message("%s: %s", bad[i], problem);
        g_assert_nonnull(problem);
    }
    g_assert_null(berth_ui_check_name("web-2", vms));
}

/* @place: (nullable): where the problem is */
static void expect_problem(const char *draft_text, const char *config_text, const char *place)
{
    g_autoptr(GVariant) draft = parsed(draft_text), config = config_text ? parsed(config_text) : NULL;
    g_autoptr(BerthUiProblem) problem = berth_ui_check_draft(draft, config);
    g_assert_cmpstr(problem ? problem->place : NULL, ==, place);
    g_assert_true(!problem || *problem->text);
}

static void test_draft(void)
{
    expect_problem("{'vcpus': <uint32 2>, 'memory': <uint64 1073741824>}", NULL, NULL);
    expect_problem("{'vcpus': <uint32 0>}", NULL, "vcpus");
    expect_problem("{'memory': <uint64 1>}", NULL, "memory");
    expect_problem("{'disks': <[{'size': <uint64 1>}]>}", NULL, "disks[0].size");
    expect_problem("{'networks': <[{'mode': <'bridge'>}]>}", NULL, "networks[0].bridge");
    expect_problem("{'networks': <[{'mode': <'user'>, 'ports': <[{'host-port': <uint32 80>, 'guest-port': <uint32 80>},"
                   "{'host-port': <uint32 80>, 'guest-port': <uint32 81>}]>}]>}",
                   NULL, "networks[0].ports[1].host-port");
    expect_problem("{'networks': <[{'mode': <'user'>, 'ports': <[{'host-port': <uint32 80>, 'guest-port': <uint32 80>,"
                   "'host-address': <'here'>}]>}]>}",
                   NULL, "networks[0].ports[0].host-address");
    /* What the form does not show counts too. */
    expect_problem("{'memory': <uint64 2147483648>}", "{'limits': <{'MemoryMax': <uint64 1073741824>}>}", "memory");
    /* A daemon that knows more decides alone. */
    expect_problem("{'vcpus': <uint32 0>}", "{'novelty': <true>}", NULL);
}

/* By what the daemon says. */
static void test_answers(void)
{
    static const struct {
        BerthError code;
        const char *text, *place;
    } cases[] = {
        {BERTH_ERROR_NAME_TAKEN, "There is a VM \"web\" already; choose another name", "name"},
        {BERTH_ERROR_INVALID_ARGS, "memory is 1; it must be from 16M to 1T, and a multiple of 1M", "memory"},
        {BERTH_ERROR_INVALID_ARGS, "image: there is no image \"x\"; import it first", "image"},
        {BERTH_ERROR_INVALID_ARGS, "networks[0].ports[1].host-port: tcp port 80 of the host is forwarded to VM \"a\"",
         "networks[0].ports[1].host-port"},
        {BERTH_ERROR_LIMIT_REACHED, "There are 3 VMs; MaxVMs= allows 3", ""},
        {BERTH_ERROR_STORAGE_FAILED, "Can't make the disk /x: No space left on device", ""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = g_error_new_literal(BERTH_ERROR, cases[i].code, cases[i].text);
        g_autoptr(BerthUiProblem) problem = berth_ui_problem_of(error);
        g_assert_cmpstr(problem->place, ==, cases[i].place);
        g_assert_cmpstr(problem->text, ==, cases[i].text);
    }
}

static void expect_merged(const char *old_text, const char *new_text, const char *expected)
{
    g_autoptr(GVariant) old = parsed(old_text), new = parsed(new_text);
    g_autoptr(GVariant) merged = berth_ui_dict_merge(old, new);
    g_autofree char *text = g_variant_print(merged, FALSE);
    g_assert_cmpstr(text, ==, expected);
}

static void test_merge(void)
{
    expect_merged("{'b': <1>, 'mac': <'x'>, 'a': <2>}", "{'a': <2>, 'b': <3>, 'c': <4>}",
                  "{'b': <3>, 'mac': <'x'>, 'a': <2>, 'c': <4>}");
    g_autoptr(GVariant) new = parsed("{'a': <1>}");
    g_autoptr(GVariant) merged = berth_ui_dict_merge(NULL, new);
    g_assert_true(merged == new);
}

static void test_changes(void)
{
    g_autoptr(GVariant) config = parsed("{'vcpus': <uint32 1>, 'memory': <uint64 5>, 'protected': <false>}");
    g_autoptr(GVariant) draft = parsed("{'vcpus': <uint32 1>, 'protected': <true>, 'restart': <'always'>}");
    g_autoptr(GVariant) changes = berth_ui_draft_changes(draft, config);
    g_assert_cmpuint(g_variant_n_children(changes), ==, 2);
    g_assert_true(g_variant_lookup(changes, "protected", "b", NULL));
    g_assert_true(g_variant_lookup(changes, "restart", "s", NULL));
    g_assert_false(berth_ui_changes_wait(changes));
    g_autoptr(GVariant) larger = parsed("{'protected': <true>, 'memory': <uint64 6>}");
    g_assert_true(berth_ui_changes_wait(larger));
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } cases[] = {
        {"2", 2 * GIB},          {"1.5 GiB", 3 * GIB / 2}, {"512m", 512 * MIB},  {" 512 MB", 512 * MIB},
        {"1,024k", G_MAXUINT64}, {"GiB", G_MAXUINT64},     {"", G_MAXUINT64},    {"-1", G_MAXUINT64},
        {"1e99", G_MAXUINT64},   {"2 x", G_MAXUINT64},     {"nan", G_MAXUINT64}, {"2\u00a0GiB", 2 * GIB},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint64 bytes = G_MAXUINT64;
        gboolean good = berth_ui_parse_bytes(cases[i].text, GIB, &bytes);
        g_test_message("%s: %" G_GUINT64_FORMAT, cases[i].text, bytes);
        g_assert_cmpuint(bytes, ==, cases[i].bytes);
        g_assert_cmpint(good, ==, cases[i].bytes != G_MAXUINT64);
    }
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/gui/draft/capacity", test_capacity);
    g_test_add_func("/gui/draft/proposed-name", test_proposed_name);
    g_test_add_func("/gui/draft/name", test_name);
    g_test_add_func("/gui/draft/draft", test_draft);
    g_test_add_func("/gui/draft/answers", test_answers);
    g_test_add_func("/gui/draft/merge", test_merge);
    g_test_add_func("/gui/draft/changes", test_changes);
    g_test_add_func("/gui/draft/sizes", test_sizes);
    return g_test_run();
}
