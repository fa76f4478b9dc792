/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-meta.h"

#include <string.h>

#include "error.h"
#include "json-guard.h"
#include "key-table.h"
#include "text.h"
#include "vm-config.h"

#define SHA256_DIGITS 64u
#define SIZE_MAX_BYTES (G_GUINT64_CONSTANT(1) << 50)

static const char *name_problem(const char *text)
{
    return berth_vm_name_check(text, NULL)
               ? NULL
               : "must be 1 to 63 of a-z, A-Z, 0-9, \".\", \"_\" and \"-\", beginning with a "
                 "letter or digit, and no id";
}

static const char *description_problem(const char *text)
{
    return berth_text_is_printable(text, "\n\t") ? NULL
                                                 : "must have no control characters but line feeds and tabulators";
}

static const char *line_problem(const char *text)
{
    return berth_text_is_printable(text, "") ? NULL : "must have no control characters";
}

static const char *sha256_problem(const char *text)
{
    gboolean good = strlen(text) == SHA256_DIGITS && strspn(text, "0123456789abcdef") == SHA256_DIGITS;
    return good ? NULL : "must be 64 hexadecimal digits in lower case";
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(member) .offset = G_STRUCT_OFFSET(BerthImageMeta, member), BERTH_KEY_REQUIRED

/* Those that a caller gives come first, N_GIVEN of them. */
static const BerthKey keys[] = {
    {"name", &berth_kind_text, AT(name), .max = 63, .problem = name_problem},
    {"description", &berth_kind_text, AT(description), .max = 1024, .problem = description_problem},
    {"version", &berth_kind_text, AT(version), .max = 128, .problem = line_problem},
    {"cmdline", &berth_kind_text, AT(cmdline), .max = 2048, .problem = line_problem},
    {"sha256", &berth_kind_text, AT(sha256), .max = SHA256_DIGITS, .problem = sha256_problem},
    {"disk-format", &berth_kind_word, AT(disk_format), .words = WORDS("", "qcow2", "raw")},
    {"virtual-size", &berth_kind_bytes, AT(virtual_size), .max = SIZE_MAX_BYTES},
    {"size", &berth_kind_bytes, AT(size), .max = SIZE_MAX_BYTES},
    {"kernel", &berth_kind_bool, AT(has_kernel)},
    {"initrd", &berth_kind_bool, AT(has_initrd)},
    {"created", &berth_kind_uint64, AT(created), .max = G_MAXINT64},
};
#define N_GIVEN 4u

static const BerthKeyTable table = {keys, G_N_ELEMENTS(keys), sizeof(BerthImageMeta), NULL};

BerthImageMeta *berth_image_meta_new(const char *name)
{
    BerthImageMeta *meta = berth_keys_new(&table);
    g_free(meta->name);
    meta->name = g_strdup(name);
    return meta;
}

BerthImageMeta *berth_image_meta_copy(const BerthImageMeta *meta)
{
    return berth_keys_dup(&table, meta);
}

void berth_image_meta_free(BerthImageMeta *meta)
{
    if (meta)
        berth_keys_free(&table, meta);
}

/* A GVariant can't even be made of anything else. */
static gboolean is_utf8(const BerthImageMeta *meta, GError **error)
{
    const char *const given[] = {meta->name, meta->description, meta->version, meta->cmdline};
    for (guint i = 0; i < G_N_ELEMENTS(given); i++) {
        if (g_utf8_validate(given[i], -1, NULL))
            continue;
        g_autofree char *quoted = berth_text_quote(given[i]);
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is not valid UTF-8", quoted);
        return FALSE;
    }
    return TRUE;
}

gboolean berth_image_meta_check(const BerthImageMeta *meta, GError **error)
{
    if (!is_utf8(meta, error))
        return FALSE;
    g_autoptr(BerthImageMeta) scratch = berth_keys_new(&table);
    g_autoptr(GVariant) all = g_variant_ref_sink(berth_keys_get(&table, meta));
    for (guint i = 0; i < N_GIVEN; i++) {
        g_autoptr(GVariant) value = g_variant_lookup_value(all, keys[i].name, NULL);
        if (!berth_key_set(&keys[i], keys[i].name, value, scratch, error))
            return FALSE;
    }
    return TRUE;
}

char *berth_image_meta_to_json(const BerthImageMeta *meta, gsize *length)
{
    g_autoptr(GVariant) all = g_variant_ref_sink(berth_keys_get(&table, meta));
    g_autoptr(JsonNode) node = json_gvariant_serialize(all);
    g_autofree char *text = json_to_string(node, TRUE);
    char *line = g_strconcat(text, "\n", NULL);
    *length = strlen(line);
    return line;
}

/* What is wrong with the whole, where each member is right. */
static const char *incoherence(const BerthImageMeta *meta)
{
    gboolean has_disk = *meta->disk_format != '\0';
    if (has_disk != (meta->virtual_size > 0))
        return "disk-format and virtual-size must both be there or both be absent";
    if (!has_disk && !meta->has_kernel)
        return "there is neither a disk nor a kernel";
    if (meta->has_initrd && !meta->has_kernel)
        return "an initrd makes sense only with a kernel";
    if (*meta->cmdline && !meta->has_kernel)
        return "cmdline makes sense only with a kernel";
    return NULL;
}

BerthImageMeta *berth_image_meta_from_json(const char *text, gsize length, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    g_autoptr(GVariant) all = object ? berth_keys_from_json(&table, "", object, NULL, error) : NULL;
    g_autoptr(BerthImageMeta) meta = berth_keys_new(&table);
    if (!all || !berth_keys_set(&table, "", all, meta, error))
        return NULL;

    const char *problem = incoherence(meta);
    if (problem) {
        g_set_error_literal(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, problem);
        return NULL;
    }
    return g_steal_pointer(&meta);
}
