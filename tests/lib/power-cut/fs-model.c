/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fs-model.h"

#include <string.h>
#include <sys/stat.h>

/* Any choice of so many changes is tried. */
#define CHOICES_MAX 10u

typedef struct {
    mode_t mode;
    uid_t uid;
    gid_t gid;
} Meta;

typedef struct {
    guint64 number, birth;
    Meta meta, durable_meta;
    FsContents *contents, *durable_contents; /* NULL of a directory */
    GHashTable *entries, *durable_entries;   /* name to Inode; NULL of what is no directory */
} Inode;

typedef struct {
    Inode *directory;
    char *name;
    Inode *inode;    /* NULL: there is no such entry any more */
    gboolean synced; /* the directory was, since */
} Entry;

/* A change of entries that is one step. */
typedef struct {
    Entry entries[2];
    guint n_entries;
} Change;

struct FsModel {
    Inode *root;
    GPtrArray *inodes;    /* (element-type Inode): all that ever were */
    GHashTable *numbered; /* guint64 to Inode: who has that number now */
    GPtrArray *pending;   /* (element-type Change): what is not durable, in order */
};

static void inode_free(Inode *inode)
{
    g_clear_pointer(&inode->contents, fs_contents_unref);
    g_clear_pointer(&inode->durable_contents, fs_contents_unref);
    g_clear_pointer(&inode->entries, g_hash_table_unref);
    g_clear_pointer(&inode->durable_entries, g_hash_table_unref);
    g_free(inode);
}

static void change_free(Change *change)
{
    for (guint i = 0; i < change->n_entries; i++)
        g_free(change->entries[i].name);
    g_free(change);
}

static GHashTable *new_entries(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

/* Empty, with nothing of it durable but that it is. */
static Inode *add_inode(FsModel *model, guint64 number, Meta meta)
{
    Inode *inode = g_new0(Inode, 1);
    inode->number = number;
    inode->meta = inode->durable_meta = meta;
    if (S_ISDIR(meta.mode)) {
        inode->entries = new_entries();
        inode->durable_entries = new_entries();
    } else {
        inode->contents = fs_contents_new("", 0, 0);
        inode->durable_contents = fs_contents_ref(inode->contents);
    }
    g_ptr_array_add(model->inodes, inode);
    g_hash_table_replace(model->numbered, g_memdup2(&number, sizeof number), inode);
    return inode;
}

static void set_contents(FsContents **at, FsContents *contents)
{
    fs_contents_ref(contents);
    fs_contents_unref(*at);
    *at = contents;
}

static Inode *add_tree(FsModel *model, const FsTree *tree);

static gboolean add_entry(gpointer name, gpointer tree, gpointer data)
{
    gpointer *to = data;
    Inode *directory = to[1], *inode = add_tree(to[0], tree);
    g_hash_table_insert(directory->entries, g_strdup(name), inode);
    g_hash_table_insert(directory->durable_entries, g_strdup(name), inode);
    return FALSE;
}

static Inode *add_tree(FsModel *model, const FsTree *tree)
{
    Inode *inode = add_inode(model, tree->inode, (Meta){tree->mode, tree->uid, tree->gid});
    inode->birth = tree->birth;
    if (tree->entries) {
        g_tree_foreach(tree->entries, add_entry, (gpointer[]){model, inode});
    } else {
        set_contents(&inode->contents, tree->contents);
        set_contents(&inode->durable_contents, tree->contents);
    }
    return inode;
}

FsModel *fs_model_new(const FsTree *tree)
{
    FsModel *model = g_new0(FsModel, 1);
    model->inodes = g_ptr_array_new_with_free_func((GDestroyNotify) inode_free);
    model->numbered = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
    model->pending = g_ptr_array_new_with_free_func((GDestroyNotify) change_free);
    model->root = add_tree(model, tree);
    return model;
}

void fs_model_free(FsModel *model)
{
    g_ptr_array_unref(model->pending);
    g_hash_table_unref(model->numbered);
    g_ptr_array_unref(model->inodes);
    g_free(model);
}

/* What a trace does */

static Inode *find(const FsModel *model, guint64 number)
{
    return g_hash_table_lookup(model->numbered, &number);
}

static void set_entry(GHashTable *entries, const char *name, Inode *inode)
{
    if (inode)
        g_hash_table_replace(entries, g_strdup(name), inode);
    else
        g_hash_table_remove(entries, name);
}

static Change *begin_change(FsModel *model)
{
    Change *change = g_new0(Change, 1);
    g_ptr_array_add(model->pending, change);
    return change;
}

static void change_entry(Change *change, Inode *directory, const char *name, Inode *inode)
{
    change->entries[change->n_entries++] = (Entry){directory, g_strdup(name), inode, FALSE};
    set_entry(directory->entries, name, inode);
}

static void create(FsModel *model, const FsRecord *record)
{
    const FsTraceHead *head = &record->head;
    Inode *directory = find(model, head->dir), *there;
    if (!directory)
        return;
    there = g_hash_table_lookup(directory->entries, record->name);
    if (there && there->number == head->ino)
        return; /* opened, and there already */
    Inode *inode = add_inode(model, head->ino, (Meta){head->mode, head->uid, head->gid});
    inode->birth = head->birth;
    if (S_ISLNK(head->mode)) { /* its text comes with it */
        gsize length = g_bytes_get_size(record->data);
        FsContents *text = fs_contents_new(g_bytes_get_data(record->data, NULL), length, length);
        set_contents(&inode->contents, text);
        set_contents(&inode->durable_contents, text);
        fs_contents_unref(text);
    }
    change_entry(begin_change(model), directory, record->name, inode);
}

static void add_link(FsModel *model, const FsRecord *record)
{
    Inode *directory = find(model, record->head.dir), *inode = find(model, record->head.ino);
    if (directory && inode)
        change_entry(begin_change(model), directory, record->name, inode);
}

static void remove_entry(FsModel *model, const FsRecord *record)
{
    Inode *directory = find(model, record->head.dir);
    if (directory)
        change_entry(begin_change(model), directory, record->name, NULL);
}

static void move_entry(FsModel *model, const FsRecord *record)
{
    Inode *from = find(model, record->head.dir), *to = find(model, record->head.to_dir);
    if (!from && !to)
        return;
    g_assert_true(from && to); /* nothing comes from outside, and nothing goes there */
    Inode *moved = g_hash_table_lookup(from->entries, record->name);
    Inode *replaced = g_hash_table_lookup(to->entries, record->to_name);
    g_assert_nonnull(moved);
    Change *change = begin_change(model);
    change_entry(change, to, record->to_name, moved);
    change_entry(change, from, record->name, record->head.kind == FS_TRACE_EXCHANGE ? replaced : NULL);
}

static void write_bytes(Inode *inode, GBytes *data, guint64 offset)
{
    gsize old_length, length;
    const void *old = g_bytes_get_data(inode->contents->bytes, &old_length);
    const void *bytes = g_bytes_get_data(data, &length);
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_byte_array_append(all, old, (guint) old_length);
    if (offset + length > old_length) {
        g_byte_array_set_size(all, (guint) (offset + length));
        memset(all->data + old_length, 0, offset + length - old_length);
    }
    if (length > 0)
        memcpy(all->data + offset, bytes, length);
    FsContents *contents = fs_contents_new(all->data, all->len, MAX(inode->contents->size, all->len));
    set_contents(&inode->contents, contents);
    fs_contents_unref(contents);
}

static void set_bytes(Inode *inode, GBytes *data, guint64 size)
{
    gsize length = 0;
    const void *bytes = data ? g_bytes_get_data(data, &length) : "";
    FsContents *contents = fs_contents_new(bytes, MIN(length, size), size);
    /* What is synced without having changed stays the same: there is nothing to be lost. */
    if (!g_str_equal(contents->sum, inode->contents->sum))
        set_contents(&inode->contents, contents);
    fs_contents_unref(contents);
}

static gboolean touch_the_same(const Change *a, const Change *b)
{
    for (guint i = 0; i < a->n_entries; i++)
        for (guint n = 0; n < b->n_entries; n++)
            if (a->entries[i].directory == b->entries[n].directory &&
                g_str_equal(a->entries[i].name, b->entries[n].name))
                return TRUE;
    return FALSE;
}

/* All of its directories were synced, and no change before it that is not durable speaks of the same entries. */
static gboolean becomes_durable(const FsModel *model, guint index)
{
    const Change *change = model->pending->pdata[index];
    for (guint n = 0; n < change->n_entries; n++)
        if (!change->entries[n].synced)
            return FALSE;
    for (guint i = 0; i < index; i++)
        if (touch_the_same(change, model->pending->pdata[i]))
            return FALSE;
    return TRUE;
}

static void sync_directory(FsModel *model, Inode *directory)
{
    for (guint i = 0; i < model->pending->len; i++) {
        Change *change = model->pending->pdata[i];
        for (guint n = 0; n < change->n_entries; n++)
            change->entries[n].synced |= change->entries[n].directory == directory;
    }
    for (guint i = 0; i < model->pending->len;) {
        const Change *change = model->pending->pdata[i];
        if (!becomes_durable(model, i)) {
            i++;
            continue;
        }
        for (guint n = 0; n < change->n_entries; n++)
            set_entry(change->entries[n].directory->durable_entries, change->entries[n].name, change->entries[n].inode);
        g_ptr_array_remove_index(model->pending, i);
    }
}

static void sync_inode(FsModel *model, Inode *inode)
{
    inode->durable_meta = inode->meta;
    if (inode->entries)
        sync_directory(model, inode);
    else
        set_contents(&inode->durable_contents, inode->contents);
}

static void apply_to_inode(FsModel *model, Inode *inode, const FsRecord *record)
{
    const FsTraceHead *head = &record->head;
    switch ((FsTraceKind) head->kind) {
    case FS_TRACE_WRITE:
        write_bytes(inode, record->data, head->offset);
        break;
    case FS_TRACE_TRUNCATE:
        set_bytes(inode, inode->contents->bytes, head->offset);
        break;
    case FS_TRACE_CONTENTS:
        set_bytes(inode, record->data, head->offset);
        break;
    case FS_TRACE_META:
        inode->meta = (Meta){head->mode, head->uid, head->gid};
        break;
    case FS_TRACE_SYNC:
        sync_inode(model, inode);
        break;
    default:
        break;
    }
}

void fs_model_apply(FsModel *model, const FsRecord *record)
{
    Inode *inode = NULL;
    switch ((FsTraceKind) record->head.kind) {
    case FS_TRACE_CREATE:
        create(model, record);
        break;
    case FS_TRACE_LINK:
        add_link(model, record);
        break;
    case FS_TRACE_UNLINK:
        remove_entry(model, record);
        break;
    case FS_TRACE_RENAME:
    case FS_TRACE_EXCHANGE:
        move_entry(model, record);
        break;
    case FS_TRACE_SENT:
        break;
    default:
        inode = find(model, record->head.ino);
        if (inode)
            apply_to_inode(model, inode, record);
    }
}

/* What may be found */

typedef enum {
    CONTENTS_LOST,
    CONTENTS_HALF,
    CONTENTS_THERE,
    N_CONTENTS,
} ContentsKept;

static const char *const contents_words[] = {"lost", "half there", "there"};

typedef struct {
    const FsModel *model;
    const gboolean *kept; /* for each pending change */
    ContentsKept contents;
} Cut;

static FsTree *make_tree(const Cut *cut, const Inode *inode);

static FsContents *half_of(const FsContents *contents)
{
    gsize length;
    const void *bytes = g_bytes_get_data(contents->bytes, &length);
    guint64 half = contents->size / 2;
    return fs_contents_new(bytes, MIN(length, half), half);
}

static FsTree *make_file(const Cut *cut, const Inode *inode)
{
    if (cut->contents == CONTENTS_LOST || inode->contents == inode->durable_contents)
        return fs_tree_new_file(inode->meta.mode, inode->durable_contents);
    if (cut->contents == CONTENTS_THERE)
        return fs_tree_new_file(inode->meta.mode, inode->contents);
    FsContents *half = half_of(inode->contents);
    FsTree *tree = fs_tree_new_file(inode->meta.mode, half);
    fs_contents_unref(half);
    return tree;
}

/* (transfer full): the entries of a directory with the changes that are kept */
static GHashTable *find_entries(const Cut *cut, const Inode *directory)
{
    GHashTable *entries = new_entries();
    GHashTableIter iter;
    gpointer name, inode;
    g_hash_table_iter_init(&iter, directory->durable_entries);
    while (g_hash_table_iter_next(&iter, &name, &inode))
        set_entry(entries, name, inode);
    for (guint i = 0; i < cut->model->pending->len; i++) {
        const Change *change = cut->model->pending->pdata[i];
        for (guint n = 0; cut->kept[i] && n < change->n_entries; n++)
            if (change->entries[n].directory == directory)
                set_entry(entries, change->entries[n].name, change->entries[n].inode);
    }
    return entries;
}

static FsTree *make_directory(const Cut *cut, const Inode *inode)
{
    FsTree *tree = fs_tree_new_directory(0);
    g_autoptr(GHashTable) entries = find_entries(cut, inode);
    GHashTableIter iter;
    gpointer name, entry;
    g_hash_table_iter_init(&iter, entries);
    while (g_hash_table_iter_next(&iter, &name, &entry))
        fs_tree_add(tree, name, make_tree(cut, entry));
    return tree;
}

static FsTree *make_tree(const Cut *cut, const Inode *inode)
{
    const Meta *meta = cut->contents == CONTENTS_LOST ? &inode->durable_meta : &inode->meta;
    FsTree *tree = inode->durable_entries ? make_directory(cut, inode) : make_file(cut, inode);
    tree->mode = meta->mode;
    tree->uid = meta->uid;
    tree->gid = meta->gid;
    tree->inode = inode->number;
    tree->birth = inode->birth;
    return tree;
}

FsTree *fs_model_now(const FsModel *model)
{
    g_autofree gboolean *kept = g_new(gboolean, model->pending->len + 1);
    for (guint i = 0; i < model->pending->len; i++)
        kept[i] = TRUE;
    return make_tree(&(Cut){model, kept, CONTENTS_THERE}, model->root);
}

static void try_cut(const Cut *cut, FsCutFunc func, gpointer data)
{
    g_autoptr(GString) how = g_string_new("changes of names kept:");
    for (guint i = 0; i < cut->model->pending->len; i++) {
        const Change *change = cut->model->pending->pdata[i];
        g_string_append_printf(how, " %s%s%s", cut->kept[i] ? "" : "(not ", change->entries[0].inode ? "" : "-",
                               change->entries[0].name);
        if (!cut->kept[i])
            g_string_append_c(how, ')');
    }
    g_string_append_printf(how, "; contents %s", contents_words[cut->contents]);
    func(make_tree(cut, cut->model->root), how->str, data);
}

/* With what is kept of the names, each that may be kept of the contents. */
static void try_contents(Cut *cut, FsCutFunc func, gpointer data)
{
    for (cut->contents = 0; cut->contents < N_CONTENTS; cut->contents++)
        try_cut(cut, func, data);
}

static void cut_prefixes(Cut *cut, gboolean *kept, FsCutFunc func, gpointer data)
{
    guint n = cut->model->pending->len;
    for (guint length = 0; length <= n; length++) {
        for (guint i = 0; i < n; i++)
            kept[i] = i < length;
        try_contents(cut, func, data);
    }
}

static void cut_choices(Cut *cut, gboolean *kept, FsCutFunc func, gpointer data)
{
    guint n = cut->model->pending->len;
    for (guint choice = 0; choice < 1u << n; choice++) {
        for (guint i = 0; i < n; i++)
            kept[i] = (choice >> i & 1) != 0;
        try_contents(cut, func, data);
    }
}

static void cut_singles(Cut *cut, gboolean *kept, FsCutFunc func, gpointer data)
{
    guint n = cut->model->pending->len;
    for (guint chosen = 0; chosen < 2 * n; chosen++) {
        for (guint i = 0; i < n; i++)
            kept[i] = (i == chosen % n) == (chosen < n);
        try_contents(cut, func, data);
    }
}

void fs_model_cut(const FsModel *model, FsCutFunc func, gpointer data)
{
    g_autofree gboolean *kept = g_new0(gboolean, model->pending->len + 1);
    Cut cut = {.model = model, .kept = kept};
    cut_prefixes(&cut, kept, func, data);
    if (model->pending->len <= CHOICES_MAX)
        cut_choices(&cut, kept, func, data);
    else
        cut_singles(&cut, kept, func, data);
}
