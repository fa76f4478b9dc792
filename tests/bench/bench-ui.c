/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "samples.h"
#include "src/core/names.h"
#include "tests/gui/scrolling.h"
#include "ui-gtk/widgets/badge.h"

/* The desktop manager with few VMs and with many: how long it takes until what happens in the daemon is painted, and
 * until a frame is painted while the list is scrolled. With the real daemon, on a display without a graphics card. */

#define FEW 50
#define MANY 1000
#define REPEATS 30
#define STEP 120 /* pixels for each frame: a brisk turn of the wheel */

static double since(gint64 begin)
{
    return (double) (g_get_monotonic_time() - begin) / 1000;
}

static guint n_vms(Stage *stage)
{
    return g_list_model_get_n_items(berth_ui_service_get_vms(stage->service));
}

static void make_vms(Stage *stage, guint n)
{
    for (guint i = n_vms(stage); i < n; i++) {
        g_autofree char *name = g_strdup_printf("vm-%04u", i);
        g_autofree char *path = fixture_create(&stage->fixture, name, NULL);
    }
    AWAIT(n_vms(stage) == n);
    scrolling_to_top(stage);
}

static double ms_of(gint64 usec)
{
    return (double) usec / 1000;
}

/* Another client makes one, whose place is at the top of the list. */
static void measure_appearing(Stage *stage, Samples *called, Samples *answered)
{
    static guint n = 9999; /* the last one comes first */
    g_autofree char *name = g_strdup_printf("a-%04u", n--);
    gint64 begin = g_get_monotonic_time(), answer = 0;
    g_autoptr(FixtureCall) call = fixture_begin(&stage->fixture, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "CreateVM",
                                                g_variant_new_parsed("(%s, @a{sv} {}, @a{sv} {})", name));
    AWAIT((answer = answer || !call->done ? answer : g_get_monotonic_time(),
           answer && g_str_equal(stage_row_name(stage, 0), name)));
    g_assert_no_error(call->error);
    scrolling_await_frame(stage);
    samples_add(called, since(begin));
    samples_add(answered, since(answer));
    const char *path;
    g_variant_get(call->answer, "(&o)", &path);
    fixture_vm(&stage->fixture, path, "Remove");
    AWAIT(!g_str_equal(stage_row_name(stage, 0), name));
}

static double measure_scrolling(Stage *stage)
{
    g_autoptr(Samples) elapsed = samples_new(), processor = samples_new();
    Scrolling scrolling;
    scrolling_init(&scrolling);
    scrolling_run(&scrolling, stage, STEP);
    for (guint i = 0; i < scrolling.frames->len; i++) {
        const ScrollingFrame *frame = &g_array_index(scrolling.frames, ScrollingFrame, i);
        samples_add(elapsed, ms_of(frame->elapsed));
        samples_add(processor, ms_of(frame->processor));
    }
    samples_print("a frame while scrolling (aim 16)", elapsed);
    samples_print("  of it on a processor", processor);
    g_print("99 %% of %u frames: %.2f ms, on a processor %.2f ms; %.2f rows bound for each; %u widgets made\n",
            scrolling.frames->len, samples_percentile(elapsed, 99), samples_percentile(processor, 99),
            (double) scrolling.n_bound / scrolling.frames->len, scrolling.n_made);
    scrolling_clear(&scrolling);
    scrolling_to_top(stage);
    return samples_median(processor);
}

static double measure(Stage *stage, guint n)
{
    g_autoptr(Samples) called = samples_new(), answered = samples_new();
    make_vms(stage, n);
    g_autofree char *title = g_strdup_printf("with %u VMs", n);
    samples_print_head(title, "ms");
    for (guint i = 0; i < REPEATS; i++)
        measure_appearing(stage, called, answered);
    samples_print("CreateVM called → row painted (aim 100)", called);
    samples_print("CreateVM answered → row painted", answered);
    double median = measure_scrolling(stage);
    g_print("\n");
    return median;
}

static void bench(Stage *stage, gconstpointer data)
{
    double few = measure(stage, FEW), many = measure(stage, MANY);
    g_print("ratio of a frame's processor time with %u VMs to one with %u: %.2f\n", MANY, FEW, many / few);
}

static void add(void)
{
    STAGE_ADD("/bench/ui", bench);
}

int main(int argc, char **argv)
{
    return stage_main(argc, argv, add);
}
