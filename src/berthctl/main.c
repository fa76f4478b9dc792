/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>

#include "bus.h"
#include "config.h"
#include "options.h"
#include "text.h"

static const CtlCommand commands[] = {
    {"list", "", N_("List the VMs"), ctl_run_list},
    {"status", N_("NAME…"), N_("Show what is known of VMs"), ctl_run_status},
    {"create", N_("NAME"), N_("Make a VM"), ctl_run_create},
    {"clone", N_("NAME NEW"), N_("Make a VM with a copy of the disks of another"), ctl_run_clone},
    {"set", N_("NAME KEY=VALUE…"), N_("Change the definition of a VM"), ctl_run_set},
    {"start", N_("NAME…"), N_("Start VMs; returns when their guests run"), ctl_run_lifecycle},
    {"shutdown", N_("NAME…"), N_("Ask guests to power down"), ctl_run_lifecycle},
    {"poweroff", N_("NAME…"), N_("End VMs at once"), ctl_run_lifecycle},
    {"reset", N_("NAME…"), N_("Reset VMs, as the button does"), ctl_run_lifecycle},
    {"pause", N_("NAME…"), N_("Stop the processors of VMs"), ctl_run_lifecycle},
    {"resume", N_("NAME…"), N_("Let paused VMs go on"), ctl_run_lifecycle},
    {"refresh", N_("NAME…"), N_("Ask the agents of guests what has changed"), ctl_run_lifecycle},
    {"remove", N_("NAME…"), N_("Remove VMs and all of their data"), ctl_run_remove},
    {"cancel-removal", N_("NAME…"), N_("Take a removal back within its grace time"), ctl_run_lifecycle},
    {"console", N_("NAME"), N_("Use the serial console of a VM; ^] leaves"), ctl_run_console},
    {"log", N_("NAME"), N_("Show what a guest wrote to its serial port"), ctl_run_log},
    {"watch", N_("[NAME]"), N_("Print a line for each change, as it happens"), ctl_run_watch},
    {"wait", N_("NAME STATE"), N_("Wait until a VM is in a state, \"gone\", or its guest \"ready\""), ctl_run_wait},
    {"images", "", N_("List the images"), ctl_run_images},
    {"import", N_("NAME [FILE]"), N_("Bring a disk or a kernel into the image library"), ctl_run_import},
    {"image-remove", N_("NAME…"), N_("Remove images"), ctl_run_image_remove},
    {"reload", "", N_("Let the daemon compare the state directory with what it knows"), ctl_run_reload},
    {"audit", "", N_("Look for what no VM owns, and for what a VM lacks"), ctl_run_audit},
    {"capabilities", "", N_("List what this host can do"), ctl_run_capabilities},
    {"version", "", N_("Show the versions of berthctl and of the daemon"), ctl_run_version},
};

static const CtlCommand *find_command(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++)
        if (g_str_equal(commands[i].name, name))
            return &commands[i];
    return NULL;
}

static char *describe_commands(void)
{
    GString *text = g_string_new(_("Manage virtual machines.\n\nCommands:\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autofree char *usage = ctl_describe_usage(&commands[i]);
        int padding = 24 - (int) ctl_columns(usage);
        g_string_append_printf(text, "  %s%*s%s\n", usage, MAX(padding, 1), "", _(commands[i].summary));
    }
    g_string_append(text, _("\nA NAME is a VM's name or its id. \"berthctl COMMAND --help\" tells more of each."));
    return g_string_free(text, FALSE);
}

/* Up to the command's name; what is after it, the command parses. */
static GOptionContext *new_context(Ctl *ctl, gboolean *version)
{
    const GOptionEntry entries[] = {
        {"version", 0, 0, G_OPTION_ARG_NONE, version, N_("Show the version of berthctl"), NULL},
        G_OPTION_ENTRY_NULL,
    };
    GOptionContext *context = g_option_context_new(_("COMMAND [ARGUMENT…]"));
    g_autofree char *summary = describe_commands();
    g_option_context_set_strict_posix(context, TRUE);
    g_option_context_set_summary(context, summary);
    g_option_context_set_description(
        context, _("Exit status: 0 success, 1 failure, 2 wrong usage or a value that is not allowed, 3 not found, "
                   "4 not permitted,\n5 waited too long, 6 the audit found something.\n"));
    ctl_add_global_options(ctl, context);
    g_option_context_add_main_entries(context, entries, GETTEXT_PACKAGE);
    return context;
}

static CtlStatus dispatch(Ctl *ctl, int argc, char **argv)
{
    if (argc < 2)
        return ctl_usage("%s", _("A command is missing; \"berthctl --help\" lists them"));
    const CtlCommand *command = find_command(argv[1]);
    if (command == NULL)
        return ctl_usage(_("There is no command \"%s\"; \"berthctl --help\" lists them"), argv[1]);
    return command->run(ctl, command, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    bindtextdomain(GETTEXT_PACKAGE, BERTH_LOCALEDIR);
    bind_textdomain_codeset(GETTEXT_PACKAGE, "UTF-8");
    textdomain(GETTEXT_PACKAGE);
    g_set_prgname("berthctl");

    Ctl ctl = {0};
    gboolean version = FALSE;
    g_autoptr(GOptionContext) context = new_context(&ctl, &version);
    g_autoptr(GError) error = NULL;
    if (!g_option_context_parse(context, &argc, &argv, &error))
        return ctl_usage("%s", error->message);
    if (version) {
        printf("berthctl %s\n", BERTH_VERSION);
        return CTL_OK;
    }
    CtlStatus status = dispatch(&ctl, argc, argv);
    ctl_disconnect(&ctl);
    if (fflush(stdout) != 0 && status == CTL_OK)
        return CTL_FAILED;
    return (int) status;
}
