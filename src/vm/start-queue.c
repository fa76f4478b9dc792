/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "start-queue.h"

#include "manager.h"
#include "restart.h"
#include "run.h"

struct BerthStartQueue {
    BerthManager *manager;
    GQueue restarts;   /* (element-type BerthVm) in the order in which they came due */
    GQueue boots;      /* (element-type BerthVm) in their order */
    guint n_starting;  /* who have a turn */
    guint look_source; /* source id of a look that is due, 0 */
    gboolean in_order; /* those of a boot are all there, and may begin */

    /* Who has a `boot-delay` lets nobody of those behind pass, first until its start has ended, then for so long. */
    const BerthVm *gate_keeper; /* (nullable): it is starting; only compared */
    guint gate_timer;           /* source id of the gate's opening, 0 */
};

BerthStartQueue *berth_start_queue_new(BerthManager *manager)
{
    BerthStartQueue *queue = g_new0(BerthStartQueue, 1);
    queue->manager = manager;
    g_queue_init(&queue->restarts);
    g_queue_init(&queue->boots);
    return queue;
}

void berth_start_queue_free(BerthStartQueue *queue)
{
    g_clear_handle_id(&queue->look_source, g_source_remove);
    g_clear_handle_id(&queue->gate_timer, g_source_remove);
    g_free(queue);
}

static BerthStartQueue *queue_of(const BerthVm *vm)
{
    return berth_manager_start_queue(vm->manager);
}

static guint64 delay_after(const BerthVm *vm)
{
    return vm->record->config->boot_delay_usec;
}

static gboolean gate_is_open(const BerthStartQueue *queue)
{
    return queue->in_order && !queue->gate_keeper && queue->gate_timer == 0;
}

static void begin(BerthStartQueue *queue, BerthVm *vm)
{
    const gboolean is_boot = vm->line == &queue->boots;
    berth_queue_leave(vm);
    vm->has_turn = TRUE;
    queue->n_starting++;
    if (is_boot && delay_after(vm) > 0)
        queue->gate_keeper = vm;
    if (is_boot)
        berth_restart_go_after_boot(vm);
    else
        berth_restart_go(vm);
}

static gboolean has_room(const BerthStartQueue *queue)
{
    return queue->n_starting < berth_manager_host(queue->manager)->settings->max_concurrent_starts;
}

/* The first who may; who may not yet keeps its place. */
static BerthVm *find_next(GQueue *line)
{
    for (GList *place = line->head; place; place = place->next)
        if (berth_vm_check(place->data, BERTH_METHOD_START, NULL))
            return place->data;
    return NULL;
}

static gboolean look(gpointer data)
{
    BerthStartQueue *queue = data;
    queue->look_source = 0;
    for (;;) {
        BerthVm *vm = find_next(&queue->restarts);
        if (!vm && gate_is_open(queue))
            vm = find_next(&queue->boots);
        if (!vm || !has_room(queue))
            return G_SOURCE_REMOVE;
        begin(queue, vm);
    }
}

void berth_queue_poke(BerthManager *manager)
{
    BerthStartQueue *queue = berth_manager_start_queue(manager);
    if (queue->look_source == 0 && queue->restarts.length + queue->boots.length > 0)
        queue->look_source = g_idle_add_full(G_PRIORITY_DEFAULT, look, queue, NULL);
}

static void join(BerthVm *vm, GQueue *line, GList *behind)
{
    g_queue_insert_before(line, behind, vm);
    vm->line = line;
    vm->place = behind ? behind->prev : line->tail;
}

void berth_queue_restart(BerthVm *vm)
{
    join(vm, &queue_of(vm)->restarts, NULL);
    berth_queue_poke(vm->manager);
}

/* Boots */

static gint by_order(gconstpointer a, gconstpointer b, gpointer data)
{
    const BerthVm *left = a, *right = b;
    /* One less than 0 is the last of all. */
    const guint64 first = left->record->config->boot_order - 1, second = right->record->config->boot_order - 1;
    return first != second ? (first > second) - (first < second) : g_strcmp0(berth_vm_name(left), berth_vm_name(right));
}

/* The first who is behind it; NULL where it is the last. */
static GList *find_behind(GQueue *line, const BerthVm *vm)
{
    GList *place = line->head;
    while (place && by_order(place->data, vm, NULL) <= 0)
        place = place->next;
    return place;
}

void berth_queue_boot(BerthVm *vm)
{
    BerthStartQueue *queue = queue_of(vm);
    if (!queue->in_order) {
        join(vm, &queue->boots, NULL);
        return;
    }
    join(vm, &queue->boots, find_behind(&queue->boots, vm));
    berth_restart_set_due(vm, g_get_monotonic_time());
    /* Where there is room, nobody sees it rest in between. */
    if (queue->look_source == 0)
        look(queue);
}

static gboolean open_gate(gpointer data)
{
    BerthStartQueue *queue = data;
    queue->gate_timer = 0;
    berth_queue_poke(queue->manager);
    return G_SOURCE_REMOVE;
}

static void close_gate(BerthStartQueue *queue, guint64 delay_usec)
{
    queue->gate_timer = g_timeout_add((guint) (delay_usec / 1000), open_gate, queue);
}

/* What is left of the delay after a VM that runs. A clock that was set makes it no longer than the whole. */
static guint64 delay_left(const BerthVm *vm)
{
    if (!vm->run || vm->run->started == 0)
        return 0;
    const gint64 delay = (gint64) delay_after(vm);
    return (guint64) CLAMP(vm->run->started + delay - g_get_real_time(), 0, delay);
}

/* An earlier daemon of this boot may have been ended in the middle: then who is in front of the first that waits has been
 * started. How that was, by its turn or by somebody's Start, is not known, and makes no difference here.
 * Returns how long the gate stays closed, in µs. */
static guint64 find_gate(BerthStartQueue *queue)
{
    const BerthVm *first = g_queue_peek_head(&queue->boots);
    guint64 left = 0;
    GHashTableIter iter;
    gpointer value;
    g_hash_table_iter_init(&iter, berth_manager_vms(queue->manager));
    while (first && g_hash_table_iter_next(&iter, NULL, &value)) {
        BerthVm *vm = value;
        if (!vm->record->config || delay_after(vm) == 0 || by_order(vm, first, NULL) >= 0)
            continue;
        left = MAX(left, delay_left(vm));
        /* Of several the last: the others let it pass. */
        if (vm->state == BERTH_VM_STARTING && (!queue->gate_keeper || by_order(vm, queue->gate_keeper, NULL) > 0))
            queue->gate_keeper = vm;
    }
    return left;
}

void berth_queue_begin_boot(BerthManager *manager)
{
    BerthStartQueue *queue = berth_manager_start_queue(manager);
    g_queue_sort(&queue->boots, by_order, NULL);
    queue->in_order = TRUE;
    const guint64 left = find_gate(queue);
    if (!queue->gate_keeper && left > 0)
        close_gate(queue, left);
    gint64 at = g_get_monotonic_time() + (gint64) left;
    for (GList *place = queue->boots.head; place; place = place->next) {
        BerthVm *vm = place->data;
        vm->place = place;
        berth_restart_set_due(vm, at);
        at += (gint64) delay_after(vm);
    }
    berth_queue_poke(manager);
}

/* Ends */

void berth_queue_leave(BerthVm *vm)
{
    if (!vm->place)
        return;
    g_queue_delete_link(vm->line, g_steal_pointer(&vm->place));
    vm->line = NULL;
}

/* The next one's time is known to the moment now; that of those behind it stays the earliest that can be. */
static void gate_keeper_started(BerthStartQueue *queue, const BerthVm *vm)
{
    const guint64 delay = vm->record->config ? delay_after(vm) : 0;
    queue->gate_keeper = NULL;
    /* One that rests has not come to run nor failed: half a start was undone, and it waits for its turn again. */
    if (delay == 0 || vm->state == BERTH_VM_STOPPED)
        return;
    close_gate(queue, delay);
    if (queue->boots.head)
        berth_restart_set_due(queue->boots.head->data, g_get_monotonic_time() + (gint64) delay);
}

void berth_queue_start_ended(BerthVm *vm)
{
    BerthStartQueue *queue = queue_of(vm);
    if (vm->has_turn)
        queue->n_starting--;
    vm->has_turn = FALSE;
    if (queue->gate_keeper == vm)
        gate_keeper_started(queue, vm);
    berth_queue_poke(vm->manager);
}
