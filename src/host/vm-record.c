/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-record.h"

#include <string.h>

#include "../core/error.h"
#include "../core/json-guard.h"
#include "../core/key-table.h"

/* vsock's own: 0 to 2 are the hypervisor, the loopback and the host, the highest is "any". */
#define CID_MIN 3
#define CID_MAX (G_MAXUINT32 - 1)

static const char *uuid_problem(const char *text)
{
    return berth_vm_id_is_valid(text) ? NULL : "must be a UUID in lower case";
}

static const char *name_problem(const char *text)
{
    return berth_vm_name_check(text, NULL) ? NULL : "must be fit for the name of a VM";
}

#define AT(member) .offset = G_STRUCT_OFFSET(BerthVmRecord, member), BERTH_KEY_REQUIRED

static const BerthKey keys[] = {
    {"id", &berth_kind_text, AT(id), .max = 36, .problem = uuid_problem},
    {"name", &berth_kind_text, AT(name), .max = 63, .problem = name_problem},
    {"incarnation", &berth_kind_text, AT(incarnation), .max = 36, .problem = uuid_problem},
    {"cid", &berth_kind_uint, AT(cid), .min = CID_MIN, .max = CID_MAX},
    {"created", &berth_kind_uint64, AT(created), .max = G_MAXINT64},
};

static const BerthKeyTable identity = {keys, G_N_ELEMENTS(keys), sizeof(BerthVmRecord), NULL};
static const char *const own_members[] = {"id", "name", "incarnation", "cid", "created", NULL};
G_STATIC_ASSERT(G_N_ELEMENTS(own_members) == G_N_ELEMENTS(keys) + 1);

BerthVmRecord *berth_vm_record_new(char *id, const char *name, guint32 cid, BerthVmConfig *config)
{
    BerthVmRecord *record = g_new0(BerthVmRecord, 1);
    record->id = id;
    record->name = g_strdup(name);
    record->incarnation = g_uuid_string_random();
    record->cid = cid;
    record->created = g_get_real_time();
    record->config = config;
    return record;
}

void berth_vm_record_free(BerthVmRecord *record)
{
    if (!record)
        return;
    g_free(record->id);
    g_free(record->name);
    g_free(record->incarnation);
    berth_vm_config_free(record->config);
    g_free(record);
}

static void add_members(JsonObject *object, GVariant *floating)
{
    g_autoptr(GVariant) dict = g_variant_ref_sink(floating);
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, dict);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        json_object_set_member(object, key, json_gvariant_serialize(value));
}

char *berth_vm_record_to_json(const BerthVmRecord *record, gsize *length)
{
    JsonObject *object = json_object_new();
    add_members(object, berth_keys_get(&identity, record));
    add_members(object, berth_vm_config_to_variant(record->config));
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    char *text = json_to_string(root, TRUE);
    *length = strlen(text);
    return text;
}

/* As the key would come over the bus, as far as JSON tells; what it is not is found out by berth_key_set(). */
static GVariant *to_variant(const BerthKey *key, JsonNode *node)
{
    GType type = json_node_get_value_type(node);
    if (type == G_TYPE_STRING)
        return g_variant_new_string(json_node_get_string(node));
    if (type != G_TYPE_INT64)
        return g_variant_new_boolean(FALSE); /* no key's type */
    gint64 number = json_node_get_int(node);
    if (number < 0)
        return g_variant_new_int64(number);
    return number <= G_MAXUINT32 && key->kind == &berth_kind_uint ? g_variant_new_uint32(number)
                                                                  : g_variant_new_uint64(number);
}

static BerthVmRecord *read_identity(JsonObject *object, GError **error)
{
    g_autoptr(BerthVmRecord) record = berth_keys_new(&identity);
    for (guint i = 0; i < G_N_ELEMENTS(keys); i++) {
        JsonNode *node = json_object_get_member(object, keys[i].name);
        if (!node || !JSON_NODE_HOLDS_VALUE(node)) {
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "%s is missing", keys[i].name);
            return NULL;
        }
        g_autoptr(GVariant) value = g_variant_ref_sink(to_variant(&keys[i], node));
        if (!berth_key_set(&keys[i], keys[i].name, value, record, error))
            return NULL;
    }
    return g_steal_pointer(&record);
}

static BerthVmConfig *read_definition(JsonObject *object, GError **error)
{
    g_autoptr(GVariant) definition = berth_vm_config_variant_from_object(object, own_members, error);
    if (!definition)
        return NULL;
    g_autoptr(BerthVmConfig) defaults = berth_vm_config_new();
    return berth_vm_config_apply(defaults, definition, error);
}

/* Of a start-up's thousands nearly all are as we wrote them. (nullable) */
static BerthVmRecord *read_plain(JsonObject *object)
{
    g_autoptr(BerthVmRecord) record = berth_keys_new(&identity);
    const BerthKeyTarget own = {&identity, record};
    record->config = berth_vm_config_read(object, &own);
    return record->config ? g_steal_pointer(&record) : NULL;
}

gboolean berth_vm_record_from_json(const char *text, gsize length, BerthVmRecord **record, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    if (!object)
        return FALSE;
    BerthVmRecord *plain = read_plain(object);
    if (plain) {
        *record = plain;
        return TRUE;
    }
    g_autoptr(BerthVmRecord) read = read_identity(object, error);
    if (!read)
        return FALSE;
    read->config = read_definition(object, error);
    gboolean whole = read->config != NULL;
    if (!whole)
        read->config = berth_vm_config_new();
    *record = g_steal_pointer(&read);
    return whole;
}
