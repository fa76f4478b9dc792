/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <locale.h>

#include "application.h"
#include "config.h"

int main(int argc, char **argv)
{
    setlocale(LC_ALL, "");
    bindtextdomain(BERTH_GETTEXT_DOMAIN, BERTH_LOCALEDIR);
    bind_textdomain_codeset(BERTH_GETTEXT_DOMAIN, "UTF-8");
    textdomain(BERTH_GETTEXT_DOMAIN);
    g_autoptr(BerthUiApplication) application = berth_ui_application_new();
    return g_application_run(G_APPLICATION(application), argc, argv);
}
