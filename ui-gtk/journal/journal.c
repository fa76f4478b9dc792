/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "journal.h"

struct _BerthUiJournal {
    GObject parent_instance;
    BerthUiJournalReader *reader;
    BerthUiJournalStatus status;
    char *problem;
    GListStore *entries;
    guint n_max;
};

G_DEFINE_FINAL_TYPE(BerthUiJournal, berth_ui_journal, G_TYPE_OBJECT)

enum { PROPERTY_STATUS = 1, N_PROPERTIES };
static GParamSpec *specs[N_PROPERTIES];

static void set_status(BerthUiJournal *self, BerthUiJournalStatus status)
{
    if (self->status == status)
        return;
    self->status = status;
    g_object_notify_by_pspec(G_OBJECT(self), specs[PROPERTY_STATUS]);
}

/* The oldest make room. */
static void append(BerthUiJournal *self, GPtrArray *entries)
{
    guint n = g_list_model_get_n_items(G_LIST_MODEL(self->entries));
    g_list_store_splice(self->entries, n, 0, entries->pdata, entries->len);
    n += entries->len;
    if (n > self->n_max)
        g_list_store_splice(self->entries, 0, n - self->n_max, NULL, 0);
}

static void on_entries(GPtrArray *entries, const GError *error, gpointer data)
{
    BerthUiJournal *self = data;
    if (entries->len > 0)
        append(self, entries);
    if (!error) {
        set_status(self, BERTH_UI_JOURNAL_READY);
        return;
    }
    self->problem = g_strdup(error->message);
    gboolean denied = g_error_matches(error, G_IO_ERROR, G_IO_ERROR_PERMISSION_DENIED);
    set_status(self, denied ? BERTH_UI_JOURNAL_DENIED : BERTH_UI_JOURNAL_FAILED);
}

BerthUiJournal *berth_ui_journal_new(const BerthUiJournalQuery *query)
{
    BerthUiJournal *self = g_object_new(BERTH_UI_TYPE_JOURNAL, NULL);
    self->n_max = query->n_max;
    self->reader = berth_ui_journal_reader_new(query, on_entries, self);
    return self;
}

BerthUiJournalStatus berth_ui_journal_get_status(BerthUiJournal *self)
{
    return self->status;
}

const char *berth_ui_journal_get_problem(BerthUiJournal *self)
{
    return self->problem ? self->problem : "";
}

GListModel *berth_ui_journal_get_entries(BerthUiJournal *self)
{
    return G_LIST_MODEL(self->entries);
}

static void berth_ui_journal_get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    g_value_set_uint(value, BERTH_UI_JOURNAL(object)->status);
}

static void berth_ui_journal_dispose(GObject *object)
{
    g_clear_pointer(&BERTH_UI_JOURNAL(object)->reader, berth_ui_journal_reader_free);
    G_OBJECT_CLASS(berth_ui_journal_parent_class)->dispose(object);
}

static void berth_ui_journal_finalize(GObject *object)
{
    BerthUiJournal *self = BERTH_UI_JOURNAL(object);
    g_object_unref(self->entries);
    g_free(self->problem);
    G_OBJECT_CLASS(berth_ui_journal_parent_class)->finalize(object);
}

static void berth_ui_journal_class_init(BerthUiJournalClass *klass)
{
    GObjectClass *object_class = G_OBJECT_CLASS(klass);
    object_class->get_property = berth_ui_journal_get_property;
    object_class->dispose = berth_ui_journal_dispose;
    object_class->finalize = berth_ui_journal_finalize;
    specs[PROPERTY_STATUS] = g_param_spec_uint("status", NULL, NULL, 0, BERTH_UI_JOURNAL_FAILED, 0,
                                               G_PARAM_READABLE | G_PARAM_STATIC_STRINGS | G_PARAM_EXPLICIT_NOTIFY);
    g_object_class_install_properties(object_class, N_PROPERTIES, specs);
}

static void berth_ui_journal_init(BerthUiJournal *self)
{
    self->entries = g_list_store_new(BERTH_UI_TYPE_JOURNAL_ENTRY);
}
