/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tooled.h"

#include <string.h>
#include <sys/stat.h>

#define SMALL_FILE 65536

void tooled_set_up(Tooled *tooled, gconstpointer config)
{
    tooled->tools = fake_tools_new(config);
    fixture_set_up(&tooled->fixture, tooled->tools->config);
}

void tooled_tear_down(Tooled *tooled, gconstpointer config)
{
    fixture_tear_down(&tooled->fixture, NULL);
    fake_tools_free(tooled->tools);
}

int tooled_main(int argc, char **argv, void (*add)(void))
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *missing = g_getenv("BERTH_FAKE_QEMU") ? fixture_missing() : g_strdup("BERTH_FAKE_QEMU is not set");
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    add();
    return g_test_run();
}

GVariant *tooled_asv(const char *text)
{
    g_autoptr(GError) error = NULL;
    GVariant *value = g_variant_parse(G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);
    g_assert_no_error(error);
    return value;
}

GVariant *tooled_config(const char *text)
{
    g_autoptr(GVariant) asv = g_variant_ref_sink(tooled_asv(text));
    GVariantDict dict;
    g_variant_dict_init(&dict, asv);
    if (!g_variant_dict_contains(&dict, "memory"))
        g_variant_dict_insert(&dict, "memory", "t", (guint64) 64 << 20);
    return g_variant_dict_end(&dict);
}

char *tooled_vm(Tooled *tooled, const char *name, const char *script)
{
    return tooled_vm_with(tooled, name, "{}", script);
}

char *tooled_vm_with(Tooled *tooled, const char *name, const char *config, const char *script)
{
    fake_tools_script(tooled->tools, name, script ? script : "");
    return fixture_create(&tooled->fixture, name, tooled_config(config));
}

FixtureCall *tooled_begin(Fixture *fixture, const char *path, const char *method)
{
    return fixture_begin(fixture, path, BERTH_IFACE_VM, method, g_variant_new("(a{sv})", NULL));
}

void tooled_succeeds(FixtureCall *call)
{
    AWAIT(call->done);
    g_assert_no_error(call->error);
    fixture_call_free(call);
}

void tooled_assert_error(const GError *error, const char *error_name, const char *words)
{
    g_autofree char *name = fixture_error_name(error);
    g_autofree char *expected =
        strchr(error_name, '.') ? g_strdup(error_name) : g_strconcat(BERTH_ERROR_PREFIX, error_name, NULL);
    if (g_strcmp0(name, expected) != 0)
        g_error("Got “%s”, expected %s", error->message, expected);
    g_auto(GStrv) parts = g_strsplit(words, "|", -1);
    for (guint i = 0; parts[i]; i++)
        if (!strstr(error->message, parts[i]))
            g_error("“%s” says nothing of “%s”", error->message, parts[i]);
}

void tooled_fails(FixtureCall *call, const char *error_name, const char *words)
{
    AWAIT(call->done);
    if (!call->error)
        g_error("Succeeded, expected %s (%s)", error_name, words);
    tooled_assert_error(call->error, error_name, words);
    fixture_call_free(call);
}

GVariant *tooled_get_all(Fixture *fixture, const char *path, const char *interface)
{
    g_autoptr(GVariant) answer =
        fixture_call(fixture, path, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new("(s)", interface));
    return g_variant_get_child_value(answer, 0);
}

/* Looking at files */

static void describe(const char *path, guint depth, GString *text);

static int compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static void describe_directory(const char *path, guint depth, GString *text)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    for (const char *name; dir && (name = g_dir_read_name(dir));)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, compare_names);
    for (guint i = 0; i < names->len; i++) {
        g_autofree char *child = g_build_filename(path, names->pdata[i], NULL);
        describe(child, depth + 1, text);
    }
}

static void describe(const char *path, guint depth, GString *text)
{
    struct stat st;
    g_autofree char *contents = NULL;
    if (lstat(path, &st) < 0)
        return;
    g_string_append_printf(text, "%*s%s mode %o uid %u", (int) depth * 2, "", path, st.st_mode, st.st_uid);
    if (S_ISREG(st.st_mode))
        g_string_append_printf(text, " size %" G_GINT64_FORMAT, (gint64) st.st_size);
    g_string_append_c(text, '\n');
    if (S_ISDIR(st.st_mode))
        describe_directory(path, depth, text);
    else if (S_ISREG(st.st_mode) && st.st_size <= SMALL_FILE && g_file_get_contents(path, &contents, NULL, NULL))
        g_string_append_printf(text, "%s\n", contents);
}

char *tooled_files(const char *dir)
{
    GString *text = g_string_new(NULL);
    describe(dir, 0, text);
    return g_string_free(text, FALSE);
}

char *tooled_vm_file(Fixture *fixture, const char *path, const char *file)
{
    g_autofree char *id = fixture_get_string(fixture, path, "Id");
    return g_build_filename(fixture->state_dir, BERTH_DIR_VMS, id, file, NULL);
}

guint tooled_count_entries(const char *base, const char *name)
{
    g_autofree char *path = g_build_filename(base, name, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;
    while (dir && g_dir_read_name(dir))
        n++;
    return n;
}
