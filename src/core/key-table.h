/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* A table of keys says once what a struct of settings consists of: each key's name, type, default, bounds and place in
 * the struct. All ways in and out (the bus's a{sv}, JSON, what a person types) walk the same table. */

typedef struct BerthKey BerthKey;
typedef struct BerthKeyTable BerthKeyTable;

typedef struct {
    const char *type;                                   /* on the bus */
    const char *noun;                                   /* for a person: what is expected */
    void (*init)(const BerthKey *key, gpointer field);  /* from zeroes to the default */
    void (*clear)(const BerthKey *key, gpointer field); /* (nullable): frees what the field owns */
    void (*own)(const BerthKey *key, gpointer field);   /* (nullable): duplicates what a bitwise copy shares */
    gboolean (*set)(const BerthKey *key, const char *place, GVariant *value, gpointer field, GError **error);
    GVariant *(*get)(const BerthKey *key, gconstpointer field); /* floating */
    gboolean (*parse)(const char *text, guint64 *value);        /* for numbers: as a person types it */
    char *(*format)(guint64 value);                             /* for numbers: the same way out */
} BerthKind;

extern const BerthKind berth_kind_uint;   /* guint, "u" */
extern const BerthKind berth_kind_uint64; /* guint64, "t" */
extern const BerthKind berth_kind_bytes;  /* guint64, "t", typed with K M G T */
extern const BerthKind berth_kind_span;   /* guint64, "t", µs, typed as a time span */
extern const BerthKind berth_kind_bool;   /* gboolean, "b" */
extern const BerthKind berth_kind_word;   /* const char *, "s": points into the key's words */
extern const BerthKind berth_kind_text;   /* char *, "s", never NULL */
extern const BerthKind berth_kind_list;   /* GPtrArray * of structs of the key's table, "aa{sv}" */
extern const BerthKind berth_kind_dict;   /* struct of the key's table, in place, "a{sv}" */
extern const BerthKind berth_kind_labels; /* GHashTable * of utf8 → utf8, NULL where empty, "a{ss}" */

typedef enum {
    BERTH_KEY_REQUIRED = 1 << 0, /* every dictionary of the table must say it */
    BERTH_KEY_ZERO = 1 << 1,     /* a number may also be 0 */
    BERTH_KEY_UNSET = 1 << 2,    /* 0, or what is empty, stands for "unset": it is left out of what is shown */
    BERTH_KEY_LOWER = 1 << 3,    /* a text is kept in lower case */
    BERTH_KEY_FIXED = 1 << 4,    /* of the daemon's settings: stays as it was when the daemon started */
    BERTH_KEY_LIVE = 1 << 5,     /* of a definition: a change holds at once, also where the VM runs */
} BerthKeyFlags;

struct BerthKey {
    const char *name;
    const BerthKind *kind;
    gsize offset;
    BerthKeyFlags flags;
    guint64 min, max, step;   /* of a number; max: bytes of a text, entries of a list or of labels */
    guint64 fallback;         /* default of a number or boolean */
    const char *text;         /* default of a text; NULL for "" */
    const char *const *words; /* NULL-terminated, the default first */
    /* (nullable): for texts: %NULL where @text is fine, else what it must be, e.g. "must be a numeric IPv4 address" */
    const char *(*problem)(const char *text);
    const BerthKeyTable *table; /* of a list's entries, of a dictionary */
};

/* At most 32 keys. */
struct BerthKeyTable {
    const BerthKey *keys;
    guint n_keys;
    gsize size;          /* of the struct */
    GDestroyNotify free; /* of one entry in a list */
};

/* A struct with the defaults, a copy, its end. */
gpointer berth_keys_new(const BerthKeyTable *table);
gpointer berth_keys_dup(const BerthKeyTable *table, gconstpointer source);
void berth_keys_free(const BerthKeyTable *table, gpointer target);
/* Only what the fields own; the struct itself stays. */
void berth_keys_clear(const BerthKeyTable *table, gpointer target);

/* (nullable) */
const BerthKey *berth_keys_find(const BerthKeyTable *table, const char *name);

/* The error for a name that berth_keys_find() does not know, with what may have been meant. */
void berth_keys_refuse_unknown(const BerthKeyTable *table, const char *place, const char *name, GError **error);

/**
 * berth_keys_set:
 * @place: where @dict stands, e.g. "disks[0]"; "" for the top
 * @dict: an a{sv}, hostile until checked
 * @target: the struct; on failure some of its fields may have been set
 *
 * Returns: FALSE with InvalidArgs where a key is unknown, there twice, missing, of another type or out of its bounds
 */
gboolean berth_keys_set(const BerthKeyTable *table, const char *place, GVariant *dict, gpointer target, GError **error);

/* One key alone. */
gboolean berth_key_set(const BerthKey *key, const char *place, GVariant *value, gpointer target, GError **error);
void berth_key_reset(const BerthKey *key, gpointer target);
/* (transfer full), not floating */
GVariant *berth_key_get(const BerthKey *key, gconstpointer source);

/* Whether what @source has for @key is said, and not left out as unset. */
gboolean berth_key_is_shown(const BerthKey *key, gconstpointer source);

/* (transfer full): a floating a{sv} in the table's order. */
GVariant *berth_keys_get(const BerthKeyTable *table, gconstpointer source);

/* A struct, and the table that its fields are of. */
typedef struct {
    const BerthKeyTable *table;
    gpointer fields;
} BerthKeyTarget;

/**
 * berth_keys_read_object:
 * @object: one that berth_json_parse_object() has let through
 * @targets: where the members of @object go: to the first whose table knows them. On failure some may have been set
 *
 * The short way for the JSON that the daemon itself has written, with every check that the long way has.
 *
 * Returns: FALSE where something is otherwise, for whatever reason: then the long way, by berth_keys_from_json(), has
 *   the last word, and says what is wrong
 */
gboolean berth_keys_read_object(JsonObject *object, const BerthKeyTarget *targets, guint n_targets);

/* (transfer full): an a{sv}, not floating, typed by the table; members in @skip (nullable) are passed over. Bounds are
 * left to berth_keys_set(). */
GVariant *berth_keys_from_json(const BerthKeyTable *table, const char *place, JsonObject *object,
                               const char *const *skip, GError **error);

/* (transfer full): the value that a person typed, in the key's type, not floating; lists and dictionaries are JSON.
 * Numbers are in their bounds, so that an error can quote what was typed. */
GVariant *berth_key_from_text(const BerthKey *key, const char *text, GError **error);

/* (transfer full): @place and @name joined: "vcpus", "disks[0].size". */
char *berth_key_place(const char *place, const char *name);

/* InvalidArgs: "<place> is <shown>; it <format …>". */
void berth_key_refuse(GError **error, const char *place, const char *shown, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Whether @value is in the key's bounds. @shown (nullable): the value as it was typed. */
gboolean berth_key_check_number(const BerthKey *key, const char *place, const char *shown, guint64 value,
                                GError **error);
