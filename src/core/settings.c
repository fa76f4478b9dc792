/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settings.h"

#include <string.h>

#include "key-table.h"
#include "text.h"

#define SECOND (G_GUINT64_CONSTANT(1000000))
#define DAY (86400 * SECOND)

/* systemd's UIDS-GIDS document lists 1879048192 to 2147352575 as unused. */
#define UID_BASE 1879048192u
#define UID_MAX 2147352575u
#define PATH_MAX_BYTES 4095u

static const char *path_problem(const char *text)
{
    return *text == '/' && berth_text_is_printable(text, "") ? NULL : "must be an absolute path";
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(member) .offset = G_STRUCT_OFFSET(BerthSettings, member)
#define PATH .max = PATH_MAX_BYTES, .problem = path_problem
/* VMs and their processes rest on it, or clients were told that it is constant. */
#define FIXED .flags = BERTH_KEY_FIXED
#define TIMEOUT .min = SECOND / 10, .max = DAY

static const BerthKey manager_keys[] = {
    {"StateDirectory", &berth_kind_text, AT(state_dir), FIXED, PATH},
    {"RuntimeDirectory", &berth_kind_text, AT(runtime_dir), FIXED, PATH},
    {"CIDFirst", &berth_kind_uint, AT(cid_first), FIXED, .min = BERTH_CID_MIN, .max = BERTH_CID_MAX,
     .fallback = BERTH_CID_MIN},
    {"CIDLast", &berth_kind_uint, AT(cid_last), FIXED, .min = BERTH_CID_MIN, .max = BERTH_CID_MAX,
     .fallback = BERTH_CID_MAX},
    {"MaxVMs", &berth_kind_uint, AT(max_vms), FIXED, .min = 1, .max = BERTH_CID_MAX - BERTH_CID_MIN + 1,
     .fallback = 10000},
    /* Below 1024 are root's, in guests and on hosts. The last one is VMADDR_PORT_ANY. */
    {"NotifyPort", &berth_kind_uint, AT(notify_port), FIXED | BERTH_KEY_ZERO, .min = 1024, .max = G_MAXUINT32 - 1,
     .fallback = 9797},
    /* 65536: above the uids of the system, its users and nobody. */
    {"UIDBase", &berth_kind_uint, AT(uid_base), FIXED, .min = 65536, .max = UID_MAX - BERTH_CID_MAX,
     .fallback = UID_BASE},
    /* What a start takes is mostly processor time, a fraction of a second of it; the guests that boot then read their
     * disks. Four keep a small host busy, and leave a large one room for the guests that run. */
    {"MaxConcurrentStarts", &berth_kind_uint, AT(max_concurrent_starts), .min = 1, .max = 1000, .fallback = 4},
};

static const BerthKey qemu_keys[] = {
    {"Accelerator", &berth_kind_word, AT(accelerator), FIXED, .words = WORDS("auto", "kvm", "tcg")},
    {"QEMUPath", &berth_kind_text, AT(qemu_path), PATH, .text = "/usr/bin/qemu-system-x86_64"},
    {"QEMUImgPath", &berth_kind_text, AT(qemu_img_path), PATH, .text = "/usr/bin/qemu-img"},
    {"FirmwareCode", &berth_kind_text, AT(firmware_code), PATH, .text = "/usr/share/OVMF/OVMF_CODE_4M.fd"},
    {"FirmwareVars", &berth_kind_text, AT(firmware_vars), PATH, .text = "/usr/share/OVMF/OVMF_VARS_4M.fd"},
};

/* With these a VM that fails at once is tried ten times within a quarter of an hour, and then given up. */
static const BerthKey vm_keys[] = {
    {"Restart", &berth_kind_word, AT(restart), .words = WORDS("no", "on-failure", "always")},
    {"RestartSec", &berth_kind_span, AT(restarts.delay_usec), TIMEOUT, .fallback = SECOND},
    {"RestartMaxDelaySec", &berth_kind_span, AT(restarts.max_delay_usec), TIMEOUT, .fallback = 300 * SECOND},
    {"RestartLimitBurst", &berth_kind_uint64, AT(restarts.burst), .min = 1, .max = G_MAXINT32, .fallback = 10},
    {"RestartLimitIntervalSec", &berth_kind_span, AT(restarts.interval_usec), TIMEOUT, .fallback = 3600 * SECOND},
    {"RestartHealthySec", &berth_kind_span, AT(restarts.healthy_usec), TIMEOUT, .fallback = 600 * SECOND},
    {"StartTimeoutSec", &berth_kind_span, AT(start_timeout_usec), TIMEOUT, .fallback = 90 * SECOND},
    {"ShutdownTimeoutSec", &berth_kind_span, AT(shutdown_timeout_usec), TIMEOUT, .fallback = 90 * SECOND},
    {"PowerOffTimeoutSec", &berth_kind_span, AT(poweroff_timeout_usec), TIMEOUT, .fallback = 10 * SECOND},
};

/* All write into one BerthSettings. */
static const struct {
    const char *name;
    BerthKeyTable table;
} sections[] = {
    {"Manager", {manager_keys, G_N_ELEMENTS(manager_keys), sizeof(BerthSettings), NULL}},
    {"QEMU", {qemu_keys, G_N_ELEMENTS(qemu_keys), sizeof(BerthSettings), NULL}},
    {"VM", {vm_keys, G_N_ELEMENTS(vm_keys), sizeof(BerthSettings), NULL}},
};

static void reset(BerthSettings *settings, const BerthKey *key)
{
    berth_key_reset(key, settings);
    if (key->offset == G_STRUCT_OFFSET(BerthSettings, state_dir)) {
        g_free(settings->state_dir);
        settings->state_dir = g_strdup(settings->default_state_dir);
    } else if (key->offset == G_STRUCT_OFFSET(BerthSettings, runtime_dir)) {
        g_free(settings->runtime_dir);
        settings->runtime_dir = g_strdup(settings->default_runtime_dir);
    }
}

BerthSettings *berth_settings_new(const char *state_dir, const char *runtime_dir)
{
    BerthSettings *settings = g_new0(BerthSettings, 1);
    settings->default_state_dir = g_strdup(state_dir);
    settings->default_runtime_dir = g_strdup(runtime_dir);
    for (guint i = 0; i < G_N_ELEMENTS(sections); i++)
        for (guint j = 0; j < sections[i].table.n_keys; j++)
            reset(settings, &sections[i].table.keys[j]);
    return settings;
}

void berth_settings_free(BerthSettings *settings)
{
    if (!settings)
        return;
    for (guint i = 0; i < G_N_ELEMENTS(sections); i++)
        berth_keys_clear(&sections[i].table, settings);
    g_free(settings->default_state_dir);
    g_free(settings->default_runtime_dir);
    g_free(settings);
}

typedef struct {
    BerthSettings *settings;
    const char *file;
    guint line;
    BerthSettingsComplaint complain;
    gpointer data;
    const BerthKeyTable *table; /* of the section; %NULL before the first one and in an unknown one */
    const char *section;
} Parser;

static void complain(const Parser *parser, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void complain(const Parser *parser, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    parser->complain(parser->file, parser->line, message, parser->data);
}

static void parse_section(Parser *parser, char *line)
{
    parser->section = line;
    parser->table = NULL;

    gsize length = strlen(line);
    if (line[length - 1] != ']') {
        g_autofree char *quoted = berth_text_quote(line);
        complain(parser, "%s is no section, since it does not end with \"]\"", quoted);
        return;
    }
    line[length - 1] = '\0';
    parser->section = line + 1;
    for (guint i = 0; i < G_N_ELEMENTS(sections) && !parser->table; i++)
        if (g_str_equal(sections[i].name, parser->section))
            parser->table = &sections[i].table;
    if (!parser->table) {
        g_autofree char *quoted = berth_text_quote(parser->section);
        complain(parser, "unknown section %s", quoted);
    }
}

static void assign(const Parser *parser, const char *name, const char *value)
{
    const BerthKey *key = berth_keys_find(parser->table, name);
    if (!key) {
        g_autofree char *quoted = berth_text_quote(name);
        complain(parser, "unknown key %s in section [%s]", quoted, parser->section);
        return;
    }
    if (!*value) {
        reset(parser->settings, key);
        return;
    }

    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) typed = berth_key_from_text(key, value, &error);
    if (!typed || !berth_key_set(key, name, typed, parser->settings, &error))
        complain(parser, "%s", error->message);
}

static void parse_line(Parser *parser, char *line)
{
    line = g_strstrip(line);
    if (!*line || *line == '#' || *line == ';')
        return;
    if (*line == '[') {
        parse_section(parser, line);
        return;
    }

    char *equals = strchr(line, '=');
    if (!equals || !parser->section) {
        g_autofree char *quoted = berth_text_quote(line);
        complain(parser, equals ? "%s stands before any section" : "%s is no assignment", quoted);
        return;
    }
    if (!parser->table)
        return;
    *equals = '\0';
    assign(parser, g_strchomp(line), g_strchug(equals + 1));
}

void berth_settings_parse(BerthSettings *settings, const char *file, const char *text, BerthSettingsComplaint complain_,
                          gpointer data)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Parser parser = {.settings = settings, .file = file, .complain = complain_, .data = data};
    for (char **line = lines; *line; line++) {
        parser.line++;
        parse_line(&parser, *line);
    }
}

/* (transfer full) */
static char *show(const BerthKey *key, GVariant *value)
{
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_STRING))
        return g_variant_dup_string(value, NULL);
    const gboolean is_short = g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32);
    return key->kind->format(is_short ? g_variant_get_uint32(value) : g_variant_get_uint64(value));
}

static void update_key(const BerthKey *key, BerthSettings *settings, const BerthSettings *fresh,
                       BerthSettingsChange changed, gpointer data)
{
    g_autoptr(GVariant) old = berth_key_get(key, settings), new = berth_key_get(key, fresh);
    if (g_variant_equal(old, new))
        return;
    const gboolean taken = !(key->flags & BERTH_KEY_FIXED);
    if (taken)
        berth_key_set(key, key->name, new, settings, NULL);
    g_autofree char *old_text = show(key, old), *new_text = show(key, new);
    changed(key->name, old_text, new_text, taken, data);
}

void berth_settings_update(BerthSettings *settings, const BerthSettings *fresh, BerthSettingsChange changed,
                           gpointer data)
{
    for (guint i = 0; i < G_N_ELEMENTS(sections); i++)
        for (guint j = 0; j < sections[i].table.n_keys; j++)
            update_key(&sections[i].table.keys[j], settings, fresh, changed, data);
}

void berth_settings_finish(BerthSettings *settings, BerthSettingsComplaint complain_, gpointer data)
{
    if (settings->cid_first > settings->cid_last) {
        g_autofree char *message =
            g_strdup_printf("CIDFirst is %u and CIDLast %u; the first must not be above the last", settings->cid_first,
                            settings->cid_last);
        complain_("berth.conf", 0, message, data);
        settings->cid_first = BERTH_CID_MIN;
        settings->cid_last = BERTH_CID_MAX;
    }
    /* No mistake: whoever narrows the range has said how many there can be. */
    settings->max_vms = MIN(settings->max_vms, settings->cid_last - settings->cid_first + 1);
}
