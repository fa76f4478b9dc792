/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "src/core/settings.h"

#define STATE "/var/lib/berth"
#define RUNTIME "/run/berth"

/* Complaints as lines "file:line: message". */
static void note(const char *file, guint line, const char *message, gpointer data)
{
    g_string_append_printf(data, "%s:%u: %s\n", file, line, message);
}

static void parse_into(BerthSettings *settings, const char *text, const char *complaints)
{
    g_autoptr(GString) notes = g_string_new(NULL);
    berth_settings_parse(settings, "f", text, note, notes);
    g_assert_cmpstr(notes->str, ==, complaints);
}

static BerthSettings *parse(const char *text, const char *complaints)
{
    BerthSettings *settings = berth_settings_new(STATE, RUNTIME);
    parse_into(settings, text, complaints);
    return settings;
}

/* All of it, for comparing. */
static char *shown(const BerthSettings *s)
{
    const BerthRestartBounds *b = &s->restarts;
    g_autofree char *restarts = g_strdup_printf(
        "%s %" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
        s->restart, b->delay_usec, b->max_delay_usec, b->burst, b->interval_usec, b->healthy_usec);
    return g_strdup_printf(
        "%s %s %u %u %u %u %u %s %s %s %s %s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
        s->state_dir, s->runtime_dir, s->cid_first, s->cid_last, s->max_vms, s->uid_base, s->max_concurrent_starts,
        s->accelerator, s->qemu_path, s->qemu_img_path, s->firmware_code, s->firmware_vars, restarts,
        s->start_timeout_usec, s->shutdown_timeout_usec, s->poweroff_timeout_usec);
}

static const char defaults[] =
    STATE " " RUNTIME " 1000 65535 10000 1879048192 4 auto /usr/bin/qemu-system-x86_64 /usr/bin/qemu-img "
          "/usr/share/OVMF/OVMF_CODE_4M.fd /usr/share/OVMF/OVMF_VARS_4M.fd "
          "no 1000000-300000000 10/3600000000 600000000 90000000 90000000 10000000";

static void assert_default(const BerthSettings *settings)
{
    g_autofree char *text = shown(settings);
    g_assert_cmpstr(text, ==, defaults);
}

static void test_defaults(void)
{
    g_autoptr(BerthSettings) settings = parse("", "");
    assert_default(settings);
}

static const char everything[] = "# comment\n"
                                 "  ; comment\r\n"
                                 "[Manager]\r\n"
                                 "StateDirectory = /srv/a=b \r\n"
                                 "RuntimeDirectory=/srv/run\n"
                                 "CIDFirst=2000\n"
                                 "CIDLast=3000\n"
                                 "MaxVMs=17\n"
                                 "UIDBase=100000\n"
                                 "MaxConcurrentStarts=7\n"
                                 "\n"
                                 "[VM]\n"
                                 "Restart=on-failure\n"
                                 "RestartSec=2\n"
                                 "RestartMaxDelaySec=1min\n"
                                 "RestartLimitBurst=3\n"
                                 "RestartLimitIntervalSec=2h\n"
                                 "RestartHealthySec=30s\n"
                                 "StartTimeoutSec=1min 30s\n"
                                 "ShutdownTimeoutSec=500ms\n"
                                 "PowerOffTimeoutSec=5\n"
                                 "[QEMU]\n"
                                 "Accelerator=tcg\n"
                                 "QEMUPath=/q\n"
                                 "QEMUImgPath=/i\n"
                                 "FirmwareCode=/c\n"
                                 "FirmwareVars=/v";

static void test_everything(void)
{
    g_autoptr(BerthSettings) settings = parse(everything, "");
    g_autofree char *text = shown(settings);
    g_assert_cmpstr(text, ==,
                    "/srv/a=b /srv/run 2000 3000 17 100000 7 tcg /q /i /c /v "
                    "on-failure 2000000-60000000 3/7200000000 30000000 90000000 500000 5000000");
}

/* The empty value, in a later file, for every key. */
static void test_reset(void)
{
    g_autoptr(BerthSettings) settings = parse(everything, "");
    parse_into(
        settings,
        "[Manager]\nStateDirectory=\nRuntimeDirectory=\nCIDFirst=\nCIDLast=\nMaxVMs=\nUIDBase=\nMaxConcurrentStarts=\n"
        "[QEMU]\nAccelerator=\nQEMUPath=\nQEMUImgPath=\nFirmwareCode=\nFirmwareVars=\n"
        "[VM]\nRestart=\nRestartSec=\nRestartMaxDelaySec=\nRestartLimitBurst=\nRestartLimitIntervalSec=\n"
        "RestartHealthySec=\nStartTimeoutSec=\nShutdownTimeoutSec=\nPowerOffTimeoutSec= \n",
        "");
    assert_default(settings);
}

/* A wrong assignment leaves what an earlier one said. */
static void test_later_wins(void)
{
    g_autoptr(BerthSettings) settings =
        parse("[Manager]\nMaxVMs=5\nMaxVMs=6\nMaxVMs=x\n", "f:4: MaxVMs is \"x\"; it must be a whole number\n");
    g_assert_cmpuint(settings->max_vms, ==, 6);
}

static void test_bounds(void)
{
    static const struct {
        const char *section, *key, *least, *most, *too_low, *too_high, *rule;
    } keys[] = {
        {"Manager", "CIDFirst", "1000", "65535", "999", "65536", "must be from 1000 to 65535"},
        {"Manager", "CIDLast", "1000", "65535", "999", "65536", "must be from 1000 to 65535"},
        {"Manager", "MaxVMs", "1", "64536", "0", "64537", "must be from 1 to 64536"},
        {"Manager", "UIDBase", "65536", "2147287040", "65535", "2147287041", "must be from 65536 to 2147287040"},
        {"Manager", "MaxConcurrentStarts", "1", "1000", "0", "1001", "must be from 1 to 1000"},
        {"VM", "RestartSec", "100ms", "1d", "0", "2d", "must be from 100ms to 1d"},
        {"VM", "RestartMaxDelaySec", "100ms", "1d", "0", "2d", "must be from 100ms to 1d"},
        {"VM", "RestartLimitBurst", "1", "2147483647", "0", "2147483648", "must be from 1 to 2147483647"},
        {"VM", "RestartLimitIntervalSec", "100ms", "1d", "0", "2d", "must be from 100ms to 1d"},
        {"VM", "RestartHealthySec", "100ms", "1d", "0", "2d", "must be from 100ms to 1d"},
        {"VM", "StartTimeoutSec", "100ms", "1d", "99ms", "86401", "must be from 100ms to 1d"},
        {"VM", "ShutdownTimeoutSec", "0.1", "24h", "0", "1d 1us", "must be from 100ms to 1d"},
        {"VM", "PowerOffTimeoutSec", "100000us", "1day", "99999us", "99999999999999999999d",
         "must be from 100ms to 1d"},
        {"Manager", "StateDirectory", "/", "/a b", "a", "./a", "must be an absolute path"},
        {"Manager", "RuntimeDirectory", "/", "/ä", "a", "~/a", "must be an absolute path"},
        {"QEMU", "QEMUPath", "/", "/a", "qemu", "a/b", "must be an absolute path"},
        {"QEMU", "QEMUImgPath", "/", "/a", "qemu", "a/b", "must be an absolute path"},
        {"QEMU", "FirmwareCode", "/", "/a", "qemu", "a/b", "must be an absolute path"},
        {"QEMU", "FirmwareVars", "/", "/a", "qemu", "\"/a\"", "must be an absolute path"},
        {"QEMU", "Accelerator", "auto", "kvm", "KVM", "hvf", "must be one of \"auto\", \"kvm\", \"tcg\""},
        {"VM", "Restart", "no", "always", "yes", "Always", "must be one of \"no\", \"on-failure\", \"always\""},
    };
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        const char *const good[] = {keys[i].least, keys[i].most}, *const bad[] = {keys[i].too_low, keys[i].too_high};
        for (guint j = 0; j < 2; j++) {
            g_autofree char *right = g_strdup_printf("[%s]\n%s=%s", keys[i].section, keys[i].key, good[j]);
            g_autoptr(BerthSettings) taken = parse(right, "");
            g_assert_nonnull(taken);

            g_autofree char *wrong = g_strdup_printf("[%s]\n%s=%s", keys[i].section, keys[i].key, bad[j]);
            g_autofree char *complaint =
                g_strdup_printf("f:2: %s is \"%s\"; it %s\n", keys[i].key, bad[j], keys[i].rule);
            g_autoptr(BerthSettings) refused = parse(wrong, complaint);
            assert_default(refused);
        }
    }
}

static void test_mistakes(void)
{
    static const struct {
        const char *text, *complaints;
    } cases[] = {
        {"[Manager]\nCIDFrist=1", "f:2: unknown key \"CIDFrist\" in section [Manager]\n"},
        {"[Manager]\nRestart=no", "f:2: unknown key \"Restart\" in section [Manager]\n"},
        {"[Manager]\nmaxvms=1", "f:2: unknown key \"maxvms\" in section [Manager]\n"},
        {"[Manager]\n=1", "f:2: unknown key \"\" in section [Manager]\n"},
        {"[VM]\nStartTimeoutSec=infinity", "f:2: StartTimeoutSec is \"infinity\"; it must be a time span\n"},
        {"\n[Foo]\na=b\nc\n[VM]\nx=\n", "f:2: unknown section \"Foo\"\nf:4: \"c\" is no assignment\n"
                                        "f:6: unknown key \"x\" in section [VM]\n"},
        {"MaxVMs=1", "f:1: \"MaxVMs=1\" stands before any section\n"},
        {"[Manager\nMaxVMs=1", "f:1: \"[Manager\" is no section, since it does not end with \"]\"\n"},
        {"[", "f:1: \"[\" is no section, since it does not end with \"]\"\n"},
        {"[Manager]\nMaxVMs", "f:2: \"MaxVMs\" is no assignment\n"},
        {"[Manager]\nMaxVMs=\xff", "f:2: MaxVMs is not valid UTF-8\n"},
        {"[Manager]\n\x1b=1", "f:2: unknown key \"?\" in section [Manager]\n"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(BerthSettings) settings = parse(cases[i].text, cases[i].complaints);
        assert_default(settings);
    }
}

static void test_finish(void)
{
    g_autoptr(GString) notes = g_string_new(NULL);
    g_autoptr(BerthSettings) settings = parse("[Manager]\nCIDFirst=3000\nCIDLast=2999\n", "");
    berth_settings_finish(settings, note, notes);
    g_assert_cmpstr(notes->str, ==,
                    "berth.conf:0: CIDFirst is 3000 and CIDLast 2999; the first must not be above the "
                    "last\n");
    assert_default(settings);

    g_string_truncate(notes, 0);
    g_autoptr(BerthSettings) narrow = parse("[Manager]\nCIDFirst=3000\nCIDLast=3000\n", "");
    berth_settings_finish(narrow, note, notes);
    g_assert_cmpstr(notes->str, ==, "");
    g_assert_cmpuint(narrow->cid_first, ==, 3000);
    g_assert_cmpuint(narrow->max_vms, ==, 1);
}

/* The file that is installed shows every key, once, with its default. */
/* "KEY: old → new", with a "!" where it was not taken. */
static void note_change(const char *key, const char *old, const char *new, gboolean taken, gpointer data)
{
    g_string_append_printf(data, "%s%s: %s → %s\n", taken ? "" : "!", key, old, new);
}

static void assert_update(BerthSettings *settings, const BerthSettings *fresh, const char *changes)
{
    g_autoptr(GString) notes = g_string_new(NULL);
    berth_settings_update(settings, fresh, note_change, notes);
    g_assert_cmpstr(notes->str, ==, changes);
}

static void test_update(void)
{
    g_autoptr(BerthSettings) settings = parse("[Manager]\nMaxVMs=7\n[VM]\nRestart=always\n", "");
    g_autoptr(BerthSettings) fresh = parse("[Manager]\nMaxVMs=8\nUIDBase=70000\n[QEMU]\nAccelerator=tcg\nQEMUPath=/q\n"
                                           "[VM]\nStartTimeoutSec=2min\n",
                                           "");
    static const char kept[] = "!MaxVMs: 7 → 8\n!UIDBase: 1879048192 → 70000\n!Accelerator: auto → tcg\n";
    g_autofree char *all = g_strconcat(kept,
                                       "QEMUPath: /usr/bin/qemu-system-x86_64 → /q\nRestart: always → no\n"
                                       "StartTimeoutSec: 1min 30s → 2min\n",
                                       NULL);
    assert_update(settings, fresh, all);
    assert_update(settings, fresh, kept);
    g_assert_cmpuint(settings->max_vms, ==, 7);
    g_assert_cmpstr(settings->qemu_path, ==, "/q");
    g_assert_cmpstr(settings->restart, ==, "no");
    g_assert_cmpuint(settings->start_timeout_usec, ==, 120 * G_USEC_PER_SEC);
}

static void test_installed_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "..", "..", "data", "berth.conf", NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);

    g_autoptr(BerthSettings) untouched = parse(text, "");
    assert_default(untouched);

    /* With the "#" taken off each assignment, onto settings that differ from the default in every key. */
    g_autoptr(GRegex) hidden = g_regex_new("^#(?=[A-Za-z]+=)", G_REGEX_MULTILINE, 0, NULL);
    g_autofree char *active = g_regex_replace_literal(hidden, text, -1, 0, "", 0, &error);
    g_assert_no_error(error);
    g_autoptr(BerthSettings) settings = parse(everything, "");
    parse_into(settings, active, "");
    assert_default(settings);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/defaults", test_defaults);
    g_test_add_func("/settings/everything", test_everything);
    g_test_add_func("/settings/reset", test_reset);
    g_test_add_func("/settings/later-wins", test_later_wins);
    g_test_add_func("/settings/bounds", test_bounds);
    g_test_add_func("/settings/mistakes", test_mistakes);
    g_test_add_func("/settings/finish", test_finish);
    g_test_add_func("/settings/update", test_update);
    g_test_add_func("/settings/installed-file", test_installed_file);
    return g_test_run();
}
