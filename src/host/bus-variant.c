/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-variant.h"

#include <errno.h>

/* What one value takes beside its text: a GVariant of GLib 2.74 is 48 bytes, with the array that holds it. An array of
 * single bytes is thereby bounded to what fits, and not multiplied by the overhead of its elements. */
#define VALUE_COST 64u

typedef struct {
    guint depth;
    gsize left;
} Budget;

typedef union {
    guint8 y;
    int b;
    gint16 n;
    guint16 q;
    gint32 i;
    guint32 u;
    gint64 x;
    guint64 t;
    double d;
    const char *s;
    int h;
} Basic;

static int append_value(sd_bus_message *m, GVariant *value, guint depth);
static int read_value(sd_bus_message *m, Budget *budget, GVariant **value);

static int append_basic(sd_bus_message *m, GVariant *value, char type)
{
    Basic basic = {0};
    switch (type) {
    case 'y':
        basic.y = g_variant_get_byte(value);
        break;
    case 'b':
        basic.b = g_variant_get_boolean(value);
        break;
    case 'n':
        basic.n = g_variant_get_int16(value);
        break;
    case 'q':
        basic.q = g_variant_get_uint16(value);
        break;
    case 'i':
        basic.i = g_variant_get_int32(value);
        break;
    case 'u':
        basic.u = g_variant_get_uint32(value);
        break;
    case 'x':
        basic.x = g_variant_get_int64(value);
        break;
    case 't':
        basic.t = g_variant_get_uint64(value);
        break;
    case 'd':
        basic.d = g_variant_get_double(value);
        break;
    case 'h':
        basic.h = g_variant_get_handle(value);
        break;
    case 's':
    case 'o':
    case 'g':
        /* sd-bus takes text by pointer, everything else by address. */
        return sd_bus_message_append_basic(m, type, g_variant_get_string(value, NULL));
    default:
        return -EOPNOTSUPP;
    }
    return sd_bus_message_append_basic(m, type, &basic);
}

/* The type between the brackets of a container's own, as sd-bus wants it: "a{sv}" → "{sv}", "(ss)" → "ss". */
static char *contents_of(GVariant *value, char class)
{
    const char *type = g_variant_get_type_string(value);
    if (class == 'a')
        return g_strdup(type + 1);
    return g_strndup(type + 1, strlen(type) - 2);
}

static int append_children(sd_bus_message *m, GVariant *value, char class, guint depth)
{
    g_autofree char *contents = contents_of(value, class);
    char container = class == '{' ? SD_BUS_TYPE_DICT_ENTRY : class == '(' ? SD_BUS_TYPE_STRUCT : SD_BUS_TYPE_ARRAY;
    int r = sd_bus_message_open_container(m, container, contents);
    gsize n = g_variant_n_children(value);
    for (gsize i = 0; r >= 0 && i < n; i++) {
        g_autoptr(GVariant) child = g_variant_get_child_value(value, i);
        r = append_value(m, child, depth + 1);
    }
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_boxed(sd_bus_message *m, GVariant *value, guint depth)
{
    g_autoptr(GVariant) inner = g_variant_get_variant(value);
    int r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, g_variant_get_type_string(inner));
    if (r >= 0)
        r = append_value(m, inner, depth + 1);
    return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_value(sd_bus_message *m, GVariant *value, guint depth)
{
    char class = (char) g_variant_classify(value);
    if (g_variant_is_of_type(value, G_VARIANT_TYPE_BASIC))
        return append_basic(m, value, class);
    if (depth >= BERTH_BUS_VALUE_DEPTH)
        return -EMSGSIZE;
    switch (class) {
    case 'v':
        return append_boxed(m, value, depth);
    case 'a':
    case '(':
    case '{':
        return append_children(m, value, class, depth);
    default:
        return -EOPNOTSUPP;
    }
}

int berth_bus_append_variant(sd_bus_message *m, GVariant *value)
{
    int r = append_value(m, value, 0);
    return r < 0 ? r : 0;
}

static gboolean charge(Budget *budget, gsize bytes)
{
    if (bytes > budget->left)
        return FALSE;
    budget->left -= bytes;
    return TRUE;
}

/* sd-bus has checked the text by the bus' rules; GLib's are checked again, since it would abort on a difference. */
static int text_value(char type, const char *text, Budget *budget, GVariant **value)
{
    if (!charge(budget, strlen(text)))
        return -EMSGSIZE;
    if (type == 's' && g_utf8_validate(text, -1, NULL))
        *value = g_variant_new_string(text);
    else if (type == 'o' && g_variant_is_object_path(text))
        *value = g_variant_new_object_path(text);
    else if (type == 'g' && g_variant_is_signature(text))
        *value = g_variant_new_signature(text);
    else
        return -EBADMSG;
    return 0;
}

static int read_basic(sd_bus_message *m, char type, Budget *budget, GVariant **value)
{
    Basic basic = {0};
    int r = sd_bus_message_read_basic(m, type, &basic);
    if (r <= 0)
        return r < 0 ? r : -ENXIO;
    switch (type) {
    case 'y':
        *value = g_variant_new_byte(basic.y);
        return 0;
    case 'b':
        *value = g_variant_new_boolean(basic.b);
        return 0;
    case 'n':
        *value = g_variant_new_int16(basic.n);
        return 0;
    case 'q':
        *value = g_variant_new_uint16(basic.q);
        return 0;
    case 'i':
        *value = g_variant_new_int32(basic.i);
        return 0;
    case 'u':
        *value = g_variant_new_uint32(basic.u);
        return 0;
    case 'x':
        *value = g_variant_new_int64(basic.x);
        return 0;
    case 't':
        *value = g_variant_new_uint64(basic.t);
        return 0;
    case 'd':
        *value = g_variant_new_double(basic.d);
        return 0;
    case 'h':
        *value = g_variant_new_handle(basic.h);
        return 0;
    default:
        return text_value(type, basic.s, budget, value);
    }
}

/* All values up to the container's end, as one GVariant of @type. */
static int read_children(sd_bus_message *m, const char *type, Budget *budget, GVariant **value)
{
    g_autoptr(GPtrArray) children = g_ptr_array_new_with_free_func((GDestroyNotify) g_variant_unref);
    for (;;) {
        int r = sd_bus_message_at_end(m, 0);
        if (r < 0)
            return r;
        if (r > 0)
            break;
        GVariant *child = NULL;
        r = read_value(m, budget, &child);
        if (r < 0)
            return r;
        g_ptr_array_add(children, child);
    }
    GVariant *const *items = (GVariant *const *) children->pdata;
    if ((type[0] == 'v' && children->len != 1) || (type[0] == '{' && children->len != 2))
        return -EBADMSG;
    if (type[0] == 'v')
        *value = g_variant_new_variant(items[0]);
    else if (type[0] == 'a')
        *value = g_variant_new_array((const GVariantType *) (type + 1), items, children->len);
    else if (type[0] == '{')
        *value = g_variant_new_dict_entry(items[0], items[1]);
    else
        *value = g_variant_new_tuple(items, children->len);
    return 0;
}

static char *type_of(char container, const char *contents)
{
    switch (container) {
    case SD_BUS_TYPE_VARIANT:
        return g_strdup("v");
    case SD_BUS_TYPE_ARRAY:
        return g_strconcat("a", contents, NULL);
    case SD_BUS_TYPE_DICT_ENTRY:
        return g_strconcat("{", contents, "}", NULL);
    default:
        return g_strconcat("(", contents, ")", NULL);
    }
}

static int read_container(sd_bus_message *m, char container, const char *contents, Budget *budget, GVariant **value)
{
    if (budget->depth >= BERTH_BUS_VALUE_DEPTH)
        return -EMSGSIZE;
    /* @contents belongs to the message's own idea of where it is, which entering changes. */
    g_autofree char *type = type_of(container, contents);
    if (!g_variant_type_string_is_valid(type))
        return -EBADMSG;
    int r = sd_bus_message_enter_container(m, container, contents);
    if (r <= 0)
        return r < 0 ? r : -ENXIO;

    g_autoptr(GVariant) read = NULL;
    budget->depth++;
    r = read_children(m, type, budget, &read);
    budget->depth--;
    if (r >= 0)
        r = sd_bus_message_exit_container(m);
    if (r < 0)
        return r;
    *value = g_steal_pointer(&read);
    return 0;
}

/* @value: not floating. */
static int read_value(sd_bus_message *m, Budget *budget, GVariant **value)
{
    char type;
    const char *contents;
    int r = sd_bus_message_peek_type(m, &type, &contents);
    if (r <= 0)
        return r < 0 ? r : -ENXIO;
    if (!charge(budget, VALUE_COST))
        return -EMSGSIZE;
    GVariant *read = NULL;
    r = contents != NULL ? read_container(m, type, contents, budget, &read) : read_basic(m, type, budget, &read);
    if (r < 0)
        return r;
    *value = g_variant_take_ref(read);
    return 0;
}

int berth_bus_read_variant(sd_bus_message *m, GVariant **value)
{
    Budget budget = {.depth = 0, .left = BERTH_BUS_VALUE_BYTES};
    return read_value(m, &budget, value);
}
