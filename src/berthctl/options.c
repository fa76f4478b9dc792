/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <glib/gi18n.h>

#include "text.h"

void ctl_add_global_options(Ctl *ctl, GOptionContext *context)
{
    const GOptionEntry entries[] = {
        {"json", 0, 0, G_OPTION_ARG_NONE, &ctl->json, N_("Print JSON"), NULL},
        {"user", 0, 0, G_OPTION_ARG_NONE, &ctl->user, N_("Talk to your own daemon, on the session bus"), NULL},
        {"no-legend", 0, 0, G_OPTION_ARG_NONE, &ctl->no_legend, N_("Print tables without headers and footers"), NULL},
        {"no-ask-password", 0, 0, G_OPTION_ARG_NONE, &ctl->no_ask_password, N_("Never ask for a password"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
}

CtlStatus ctl_usage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);
    ctl_say_error(message);
    return CTL_USAGE;
}

/* What gettext has for "" is the header of the translation. */
static const char *describe_arguments(const CtlCommand *command)
{
    return command->arguments[0] != '\0' ? _(command->arguments) : "";
}

char *ctl_describe_usage(const CtlCommand *command)
{
    const char *arguments = describe_arguments(command);
    return g_strconcat(command->name, arguments[0] != '\0' ? " " : "", arguments, NULL);
}

static gboolean count_fits(const CtlCommand *command, guint n, guint min, guint max)
{
    if (n >= min && n <= max)
        return TRUE;
    g_autofree char *usage = ctl_describe_usage(command);
    if (n < min)
        ctl_usage(_("Too few arguments. Usage: berthctl %s"), usage);
    else
        ctl_usage(_("Too many arguments. Usage: berthctl %s"), usage);
    return FALSE;
}

char **ctl_parse(Ctl *ctl, const CtlCommand *command, const GOptionEntry *entries, guint min, guint max, int argc,
                 char **argv)
{
    g_autofree char *program = g_strconcat("berthctl ", command->name, NULL);
    g_set_prgname(program);
    g_autoptr(GOptionContext) context = g_option_context_new(describe_arguments(command));
    g_option_context_set_summary(context, _(command->summary));
    if (entries != NULL)
        g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    ctl_add_global_options(ctl, context);

    g_auto(GStrv) rest = NULL;
    const GOptionEntry remaining[] = {
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &rest, NULL, NULL},
        G_OPTION_ENTRY_NULL,
    };
    g_option_context_add_main_entries(context, remaining, NULL);

    g_autoptr(GError) error = NULL;
    if (!g_option_context_parse(context, &argc, &argv, &error)) {
        ctl_usage("%s", error->message);
        return NULL;
    }
    if (rest == NULL)
        rest = g_new0(char *, 1);
    if (!count_fits(command, g_strv_length(rest), min, max))
        return NULL;
    return g_steal_pointer(&rest);
}
