/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "port-table.h"

#include "error.h"

struct BerthPortTable {
    GHashTable *claims; /* "tcp 8080" → GPtrArray of Claim */
};

typedef struct {
    char *owner;
    char *address;
} Claim;

static void claim_free(Claim *claim)
{
    g_free(claim->owner);
    g_free(claim->address);
    g_free(claim);
}

BerthPortTable *berth_port_table_new(void)
{
    BerthPortTable *table = g_new0(BerthPortTable, 1);
    table->claims = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_ptr_array_unref);
    return table;
}

void berth_port_table_free(BerthPortTable *table)
{
    g_hash_table_unref(table->claims);
    g_free(table);
}

static char *key_of(const BerthPort *port)
{
    return g_strdup_printf("%s %u", port->protocol, port->host_port);
}

typedef void (*PortFunc)(BerthPortTable *table, const BerthPort *port, const char *owner);

static void for_each_port(BerthPortTable *table, const BerthVmConfig *config, const char *owner, PortFunc func)
{
    for (guint i = 0; i < config->networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(config->networks, i);
        for (guint j = 0; network->ports && j < network->ports->len; j++)
            func(table, g_ptr_array_index(network->ports, j), owner);
    }
}

static void claim_port(BerthPortTable *table, const BerthPort *port, const char *owner)
{
    g_autofree char *key = key_of(port);
    GPtrArray *claims = g_hash_table_lookup(table->claims, key);
    if (!claims) {
        claims = g_ptr_array_new_with_free_func((GDestroyNotify) claim_free);
        g_hash_table_insert(table->claims, g_steal_pointer(&key), claims);
    }
    Claim *claim = g_new0(Claim, 1);
    claim->owner = g_strdup(owner);
    claim->address = g_strdup(port->host_address);
    g_ptr_array_add(claims, claim);
}

static void release_port(BerthPortTable *table, const BerthPort *port, const char *owner)
{
    g_autofree char *key = key_of(port);
    GPtrArray *claims = g_hash_table_lookup(table->claims, key);
    for (guint i = 0; claims && i < claims->len; i++) {
        const Claim *claim = g_ptr_array_index(claims, i);
        if (!g_str_equal(claim->owner, owner) || !g_str_equal(claim->address, port->host_address))
            continue;
        g_ptr_array_remove_index_fast(claims, i);
        break;
    }
    if (claims && claims->len == 0)
        g_hash_table_remove(table->claims, key);
}

void berth_port_table_claim(BerthPortTable *table, const BerthVmConfig *config, const char *owner)
{
    for_each_port(table, config, owner, claim_port);
}

void berth_port_table_release(BerthPortTable *table, const BerthVmConfig *config, const char *owner)
{
    for_each_port(table, config, owner, release_port);
}

static const Claim *find_collision(const BerthPortTable *table, const BerthPort *port, const char *owner)
{
    g_autofree char *key = key_of(port);
    const GPtrArray *claims = g_hash_table_lookup(table->claims, key);
    for (guint i = 0; claims && i < claims->len; i++) {
        const Claim *claim = g_ptr_array_index(claims, i);
        BerthPort other = *port;
        other.host_address = claim->address;
        if (!g_str_equal(claim->owner, owner) && berth_port_collides(port, &other))
            return claim;
    }
    return NULL;
}

gboolean berth_port_table_check(const BerthPortTable *table, const BerthVmConfig *config, const char *owner,
                                BerthPortOwnerName name_of, gpointer data, GError **error)
{
    for (guint i = 0; i < config->networks->len; i++) {
        const BerthNetwork *network = g_ptr_array_index(config->networks, i);
        for (guint j = 0; network->ports && j < network->ports->len; j++) {
            const BerthPort *port = g_ptr_array_index(network->ports, j);
            const Claim *claim = find_collision(table, port, owner);
            if (!claim)
                continue;
            g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS,
                        "networks[%u].ports[%u].host-port: %s port %u of the host is forwarded to VM \"%s\" already", i,
                        j, port->protocol, port->host_port, name_of(claim->owner, data));
            return FALSE;
        }
    }
    return TRUE;
}
