/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "preload.h"

void preload_into(char ***environ, const char *library)
{
    const char *sanitizer = g_environ_getenv(*environ, "ASAN_OPTIONS");
    g_autofree char *options = g_strconcat("verify_asan_link_order=0:", sanitizer ? sanitizer : "", NULL);
    *environ = g_environ_setenv(*environ, "ASAN_OPTIONS", options, TRUE);
    *environ = g_environ_setenv(*environ, "LD_PRELOAD", library, TRUE);
}
