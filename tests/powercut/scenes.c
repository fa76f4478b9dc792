/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "scenes.h"

void scene_make_bystander(Power *power)
{
    g_free(tooled_vm(power_tooled(power), SCENE_BYSTANDER, NULL));
}

char *scene_make_vms(Power *power)
{
    scene_make_bystander(power);
    return tooled_vm(power_tooled(power), SCENE_VM, NULL);
}

void scene_expect_bystander(Power *power)
{
    g_free(power_expect_vm(power, SCENE_BYSTANDER, POWER_ALIVE));
}

void scene_expect_wanted(Power *power, gboolean promised, gboolean wanted)
{
    g_autoptr(GVariant) value = power_get(power, SCENE_VM, "WantRunning");
    if (promised && value && g_variant_get_boolean(value) != wanted)
        power_violation(power, "it is %swanted", wanted ? "not " : "");
}

PowerFates scene_unless(guint kept, guint promise, PowerFates fates)
{
    return kept & promise ? 0 : fates;
}

char *scene_file(Power *power, const char *path, const char *name)
{
    return tooled_vm_file(power_fixture(power), path, name);
}
