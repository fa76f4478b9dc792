/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "power.h"
#include "src/core/names.h"

/* What scenarios have in common: the VM that each is about, and another that stands by. */

/* Promises, in the order in which the act gets them. */
#define SCENE_FIRST 1u
#define SCENE_SECOND 2u

#define SCENE_VM "subject"
#define SCENE_BYSTANDER "bystander"

void scene_make_bystander(Power *power);
/* Both. (transfer full): the path of SCENE_VM */
char *scene_make_vms(Power *power);
/* Whole, and as it was. */
void scene_expect_bystander(Power *power);
/* SCENE_VM is wanted or not; where @promised is not set, anything will do. */
void scene_expect_wanted(Power *power, gboolean promised, gboolean wanted);
/* @fates unless @promise is kept: then none */
PowerFates scene_unless(guint kept, guint promise, PowerFates fates);

/* (transfer full): a file in the VM's directory */
char *scene_file(Power *power, const char *path, const char *name);
