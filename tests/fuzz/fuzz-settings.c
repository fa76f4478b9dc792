/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "src/core/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void hear(const char *file, guint line, const char *message, gpointer data)
{
    g_assert_true(g_utf8_validate(message, -1, NULL));
}

/* Whatever the file says, the settings are usable. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup(size ? (const char *) data : "", size);
    g_autoptr(BerthSettings) settings = berth_settings_new("/state", "/runtime");
    berth_settings_parse(settings, "file", text, hear, NULL);
    berth_settings_finish(settings, hear, NULL);

    g_assert_true(settings->state_dir[0] == '/' && settings->runtime_dir[0] == '/');
    g_assert_true(settings->qemu_path[0] == '/' && settings->firmware_vars[0] == '/');
    g_assert_cmpuint(settings->cid_first, >=, 1000);
    g_assert_cmpuint(settings->cid_last, <=, 65535);
    g_assert_cmpuint(settings->max_vms, >=, 1);
    g_assert_cmpuint(settings->max_vms, <=, settings->cid_last - settings->cid_first + 1);
    g_assert_cmpuint(settings->poweroff_timeout_usec, >, 0);
    return 0;
}
