/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batch.h"

#include <glib/gi18n.h>

#include "ui-gtk/model/words.h"
#include "ui-gtk/widgets/failure.h"

typedef struct {
    AdwToastOverlay *toasts;
    BerthVmMethod method;
    guint n_pending, n_failed;
    GPtrArray *done;
    char *title;      /* of the last failure */
    GString *details; /* of all */
    BerthUiBatchDone callback;
    gpointer data;
} Batch;

typedef struct {
    Batch *batch;
    BerthUiVm *vm;
} Call;

static void batch_free(Batch *batch)
{
    g_object_unref(batch->toasts);
    g_ptr_array_unref(batch->done);
    g_free(batch->title);
    g_string_free(batch->details, TRUE);
    g_free(batch);
}

static void tell(Batch *batch)
{
    if (batch->n_failed == 0)
        return;
    g_autofree char *many = g_strdup_printf(
        ngettext("This failed for %u virtual machine", "This failed for %u virtual machines", batch->n_failed),
        batch->n_failed);
    berth_ui_tell_failure(batch->toasts, batch->n_failed == 1 ? batch->title : many, batch->details->str);
}

static void add_failure(Batch *batch, BerthUiVm *vm, const GError *error)
{
    batch->n_failed++;
    g_free(batch->title);
    batch->title = berth_ui_describe_failure(vm, batch->method);
    g_autofree char *details = berth_ui_failure_details(error);
    g_string_append_printf(batch->details, "%s%s", batch->n_failed > 1 ? "\n\n" : "", details);
}

static void end(Batch *batch)
{
    tell(batch);
    if (batch->callback)
        batch->callback(batch->done, batch->data);
    batch_free(batch);
}

static void on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    Call *call = data;
    Batch *batch = call->batch;
    g_autoptr(GError) error = NULL;
    if (!berth_ui_service_call_finish(BERTH_UI_SERVICE(source), result, &error))
        add_failure(batch, call->vm, error);
    else
        g_ptr_array_add(batch->done, g_object_ref(call->vm));
    g_object_unref(call->vm);
    g_free(call);
    if (--batch->n_pending == 0)
        end(batch);
}

void berth_ui_call_vms(AdwToastOverlay *toasts, BerthUiService *service, GPtrArray *vms, BerthVmMethod method,
                       GVariant *options, BerthUiBatchDone callback, gpointer data)
{
    g_autoptr(GVariant) sunk = options ? g_variant_ref_sink(options) : NULL;
    Batch *batch = g_new0(Batch, 1);
    batch->toasts = g_object_ref(toasts);
    batch->method = method;
    batch->n_pending = vms->len;
    batch->done = g_ptr_array_new_with_free_func(g_object_unref);
    batch->details = g_string_new(NULL);
    batch->callback = callback;
    batch->data = data;
    for (guint i = 0; i < vms->len; i++) {
        Call *call = g_new(Call, 1);
        call->batch = batch;
        call->vm = g_object_ref(vms->pdata[i]);
        berth_ui_service_call_async(service, call->vm, method, sunk, NULL, on_answer, call);
    }
    if (vms->len == 0)
        end(batch);
}
