/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <stdint.h>

#include "src/core/image-meta.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is taken is written and read the same again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthImageMeta) meta = berth_image_meta_from_json((const char *) data, size, &error);
    g_assert_true((meta == NULL) == (error != NULL));
    if (!meta)
        return 0;

    g_assert_true(berth_image_meta_check(meta, NULL));
    gsize length, length_again;
    g_autofree char *text = berth_image_meta_to_json(meta, &length);
    g_autoptr(BerthImageMeta) back = berth_image_meta_from_json(text, length, &error);
    g_assert_no_error(error);
    g_autofree char *again = berth_image_meta_to_json(back, &length_again);
    g_assert_cmpmem(text, length, again, length_again);
    return 0;
}
