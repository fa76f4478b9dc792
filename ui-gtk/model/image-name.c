/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "image-name.h"

#include <glib/gi18n.h>
#include <string.h>

#include "names.h"

#define SHA256_DIGITS 64
#define PROPOSED_MAX 48u /* bytes */

static const char *const endings[] = {".qcow2", ".qcow", ".img", ".raw"};

static void cut_ending(char *name)
{
    g_autofree char *lower = g_ascii_strdown(name, -1);
    for (guint i = 0; i < G_N_ELEMENTS(endings); i++)
        if (g_str_has_suffix(lower, endings[i])) {
            name[strlen(name) - strlen(endings[i])] = '\0';
            return;
        }
}

/* (transfer full): what of it a name can have, from the first letter or digit on */
static char *fit(const char *name)
{
    GString *fitting = g_string_new(NULL);
    for (const char *at = name; *at && fitting->len < PROPOSED_MAX; at = g_utf8_next_char(at)) {
        gboolean is_good = g_ascii_isalnum(*at) || strchr("._-", *at);
        if (fitting->len > 0 ? is_good : g_ascii_isalnum(*at))
            g_string_append_c(fitting, *at);
        else if (fitting->len > 0 && fitting->str[fitting->len - 1] != '-')
            g_string_append_c(fitting, '-');
    }
    while (fitting->len > 0 && fitting->str[fitting->len - 1] == '-')
        g_string_truncate(fitting, fitting->len - 1);
    return g_string_free(fitting, FALSE);
}

char *berth_ui_propose_image_name(const char *file, GListModel *images)
{
    g_autofree char *base = g_strdup(file);
    cut_ending(base);
    g_autofree char *fitting = fit(base);
    return berth_ui_propose_name(fitting, images);
}

const char *berth_ui_check_sha256(const char *text)
{
    gsize n = strspn(text, G_CSET_DIGITS "abcdefABCDEF");
    return text[n] || (n > 0 && n != SHA256_DIGITS) ? _("64 digits from 0 to 9 and letters from A to F") : NULL;
}
