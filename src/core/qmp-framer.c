/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "qmp-framer.h"

#include <string.h>

#include "error.h"
#include "json-guard.h"

G_STATIC_ASSERT(BERTH_QMP_LINE_MAX <= BERTH_JSON_SIZE_MAX);

/* bytes: consumed | whole lines | the line that is still coming in
 *        0        ^start        ^open                             ^len
 *
 * push() looks at each new byte once, for a newline; next() at each byte of a whole line once more. The consumed
 * part is cut away only when it is the larger part, so that each byte moves at most once on average. */
struct BerthQmpFramer {
    GByteArray *bytes;
    gsize start;
    gsize open;
    gboolean dead;
};

BerthQmpFramer *berth_qmp_framer_new(void)
{
    BerthQmpFramer *framer = g_new0(BerthQmpFramer, 1);
    framer->bytes = g_byte_array_new();
    return framer;
}

void berth_qmp_framer_free(BerthQmpFramer *framer)
{
    if (framer == NULL)
        return;
    g_byte_array_unref(framer->bytes);
    g_free(framer);
}

static gboolean check_alive(const BerthQmpFramer *framer, GError **error)
{
    if (!framer->dead)
        return TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "The QMP stream was broken before");
    return FALSE;
}

static gboolean too_long(BerthQmpFramer *framer, GError **error)
{
    framer->dead = TRUE;
    g_set_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS, "QEMU sent a QMP line of more than %u bytes",
                BERTH_QMP_LINE_MAX);
    return FALSE;
}

static void compact(BerthQmpFramer *framer)
{
    if (framer->start == 0 || framer->start < framer->bytes->len - framer->start)
        return;
    g_byte_array_remove_range(framer->bytes, 0, (guint) framer->start);
    framer->open -= framer->start;
    framer->start = 0;
}

gboolean berth_qmp_framer_push(BerthQmpFramer *framer, const char *bytes, gsize length, GError **error)
{
    if (!check_alive(framer, error))
        return FALSE;

    compact(framer);
    gsize at = framer->bytes->len;
    g_byte_array_append(framer->bytes, (const guint8 *) bytes, (guint) length);

    const guint8 *data = framer->bytes->data;
    const guint8 *newline;
    while (at < framer->bytes->len && (newline = memchr(data + at, '\n', framer->bytes->len - at)) != NULL) {
        at = (gsize) (newline - data);
        if (at - framer->open > BERTH_QMP_LINE_MAX)
            return too_long(framer, error);
        framer->open = ++at;
    }
    if (framer->bytes->len - framer->open > BERTH_QMP_LINE_MAX)
        return too_long(framer, error);
    return TRUE;
}

/* The next whole line that is not empty (QEMU ends its lines with CR LF), or FALSE. */
static gboolean take_line(BerthQmpFramer *framer, const char **line, gsize *length)
{
    while (framer->start < framer->open) {
        const char *begin = (const char *) framer->bytes->data + framer->start;
        const char *end = memchr(begin, '\n', framer->open - framer->start);
        framer->start += (gsize) (end - begin) + 1;
        if (end > begin && end[-1] == '\r')
            end--;
        if (end > begin) {
            *line = begin;
            *length = (gsize) (end - begin);
            return TRUE;
        }
    }
    return FALSE;
}

gboolean berth_qmp_framer_next(BerthQmpFramer *framer, JsonObject **message, GError **error)
{
    if (!check_alive(framer, error))
        return FALSE;

    const char *line;
    gsize length;
    if (!take_line(framer, &line, &length)) {
        *message = NULL;
        return TRUE;
    }

    JsonObject *object = berth_json_parse_object(line, length, error);
    if (object == NULL) {
        framer->dead = TRUE;
        g_prefix_error(error, "QEMU sent broken QMP: ");
        return FALSE;
    }
    *message = object;
    return TRUE;
}

char *berth_qmp_command(const char *command, JsonObject *arguments, gint64 id)
{
    g_autoptr(JsonObject) object = json_object_new();
    json_object_set_string_member(object, "execute", command);
    if (arguments != NULL)
        json_object_set_object_member(object, "arguments", json_object_ref(arguments));
    if (id >= 0)
        json_object_set_int_member(object, "id", id);

    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), object);
    g_autofree char *text = json_to_string(node, FALSE);
    return g_strconcat(text, "\n", NULL);
}
