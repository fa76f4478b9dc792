/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* Whatever is spawned with @environ (transfer full) has @library between itself and the C library; also in a build with the
 * address sanitizer, whose library would rather be the first. */
void preload_into(char ***environ, const char *library);
