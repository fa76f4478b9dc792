/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vm-record.h"

#include "../core/error.h"
#include "../core/json-guard.h"
#include "json-members.h"

/* vsock's own: 0 to 2 are the hypervisor, the loopback and the host, the highest is "any". */
#define CID_MIN 3
#define CID_MAX (G_MAXUINT32 - 1)

static const char *const own_members[] = {"id", "name", "incarnation", "cid", "created", NULL};

void berth_vm_record_free(BerthVmRecord *record)
{
    g_free(record->id);
    g_free(record->name);
    g_free(record->incarnation);
    if (record->config)
        berth_vm_config_free(record->config);
    g_free(record);
}

static void add_definition(JsonObject *object, const BerthVmConfig *config)
{
    g_autoptr(GVariant) variant = g_variant_ref_sink(berth_vm_config_to_variant(config));
    GVariantIter iter;
    const char *key;
    GVariant *value;
    g_variant_iter_init(&iter, variant);
    while (g_variant_iter_loop(&iter, "{&sv}", &key, &value))
        json_object_set_member(object, key, json_gvariant_serialize(value));
}

char *berth_vm_record_to_json(const BerthVmRecord *record, gsize *length)
{
    JsonObject *object = json_object_new();
    json_object_set_string_member(object, "id", record->id);
    json_object_set_string_member(object, "name", record->name);
    json_object_set_string_member(object, "incarnation", record->incarnation);
    json_object_set_int_member(object, "cid", record->cid);
    json_object_set_int_member(object, "created", record->created);
    add_definition(object, record->config);
    g_autoptr(JsonNode) root = json_node_new(JSON_NODE_OBJECT);
    json_node_take_object(root, object);
    g_autoptr(JsonGenerator) generator = json_generator_new();
    json_generator_set_pretty(generator, TRUE);
    json_generator_set_root(generator, root);
    return json_generator_to_data(generator, length);
}

static gboolean read_uuid(JsonObject *object, const char *name, char **uuid, GError **error)
{
    const char *value;
    if (!berth_json_member_string(object, name, &value, error))
        return FALSE;
    if (!berth_vm_id_is_valid(value)) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "\"%s\" is no UUID in lower case", name);
        return FALSE;
    }
    *uuid = g_strdup(value);
    return TRUE;
}

static BerthVmRecord *read_identity(JsonObject *object, GError **error)
{
    g_autoptr(BerthVmRecord) record = g_new0(BerthVmRecord, 1);
    const char *name;
    gint64 cid;
    if (!read_uuid(object, "id", &record->id, error) ||
        !read_uuid(object, "incarnation", &record->incarnation, error) ||
        !berth_json_member_string(object, "name", &name, error) || !berth_vm_name_check(name, error) ||
        !berth_json_member_int(object, "cid", CID_MIN, CID_MAX, &cid, error) ||
        !berth_json_member_int(object, "created", 0, G_MAXINT64, &record->created, error))
        return NULL;
    record->name = g_strdup(name);
    record->cid = cid;
    return g_steal_pointer(&record);
}

static BerthVmConfig *read_definition(const char *text, gsize length, GError **error)
{
    g_autoptr(GVariant) keys = berth_vm_config_variant_from_json(text, length, own_members, error);
    if (!keys)
        return NULL;
    g_autoptr(BerthVmConfig) defaults = berth_vm_config_new();
    return berth_vm_config_apply(defaults, keys, error);
}

gboolean berth_vm_record_from_json(const char *text, gsize length, BerthVmRecord **record, GError **error)
{
    g_autoptr(JsonObject) object = berth_json_parse_object(text, length, error);
    if (!object)
        return FALSE;
    g_autoptr(BerthVmRecord) read = read_identity(object, error);
    if (!read)
        return FALSE;
    read->config = read_definition(text, length, error);
    gboolean whole = read->config != NULL;
    if (!whole)
        read->config = berth_vm_config_new();
    *record = g_steal_pointer(&read);
    return whole;
}
