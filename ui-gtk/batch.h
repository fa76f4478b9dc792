/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <adwaita.h>

#include "ui-gtk/model/service.h"

/* Calling a method of one VM or of many at a time, and saying once what has failed. */

/* @done: (element-type BerthUiVm): those that it went well for; maybe none */
typedef void (*BerthUiBatchDone)(GPtrArray *done, gpointer data);

/**
 * berth_ui_call_vms:
 * @toasts: where failures are told, with their technical text behind a button
 * @vms: (element-type BerthUiVm)
 * @options: (nullable): a{sv}, floating
 * @callback: (nullable): called once, when all have answered
 */
void berth_ui_call_vms(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms, BerthVmMethod method,
                       GVariant *options, BerthUiBatchDone callback, gpointer data);
