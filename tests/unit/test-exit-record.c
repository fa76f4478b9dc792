/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib.h>
#include <signal.h>
#include <string.h>

#include "src/core/error.h"
#include "src/core/exit-record.h"
#include "src/core/keeper-protocol.h"

#define EXITED(status) ((status) << 8)
#define WHOLE                                                                                                          \
    "wait-status=256\nreason=guest-shutdown\npanicked=0\nrequested=1\ntime=1700000000000000\nwords=a=b, no "           \
    "room\nend\n"

static void test_parse(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthExitRecord) record = berth_exit_record_parse(WHOLE, strlen(WHOLE), &error);

    g_assert_no_error(error);
    g_assert_cmpint(record->wait_status, ==, EXITED(1));
    g_assert_cmpstr(record->reason, ==, "guest-shutdown");
    g_assert_false(record->panicked);
    g_assert_true(record->requested);
    g_assert_cmpint(record->time, ==, 1700000000000000);
    g_assert_cmpstr(record->words, ==, "a=b, no room");
}

static void refuse(const char *text, gsize length)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *copy = g_memdup2(text, length); /* so that ASan sees a read past its end */
    g_autoptr(BerthExitRecord) record = berth_exit_record_parse(copy, length, &error);

    g_assert_null(record);
    g_assert_error(error, BERTH_ERROR, BERTH_ERROR_INVALID_ARGS);
}

/* Whatever a crash left of it: only the whole is one. */
static void test_every_half(void)
{
    for (gsize length = 0; length < strlen(WHOLE); length++)
        refuse(WHOLE, length);
}

/* @WHOLE with @from replaced by @to. */
static char *changed(const char *from, const char *to)
{
    GString *text = g_string_new(WHOLE);
    g_assert_cmpuint(g_string_replace(text, from, to, 1), ==, 1);
    return g_string_free(text, FALSE);
}

static const char *const mistakes[][2] = {
    {"wait-status=256", "wait-status="},
    {"wait-status=256", "wait-status=-1"},
    {"wait-status=256", "wait-status=+256"},
    {"wait-status=256", "wait-status= 256"},
    {"wait-status=256", "wait-status=256x"},
    {"wait-status=256", "wait-status=65536"},
    {"wait-status=256", "wait-status=99999999999999999999"},
    {"wait-status=256", "wait-status=127"},   /* stopped: not the end of a process */
    {"wait-status=256", "wait-status=4991"},  /* stopped by SIGSTOP */
    {"wait-status=256", "wait-status=65535"}, /* continued */
    {"wait-status=256", "wait-status=0\nwait-status=256"},
    {"wait-status=256\n", ""},
    {"wait-status=256", "no assignment"},
    {"wait-status=256\n", "\nwait-status=256\n"},
    {"reason=guest-shutdown", "reason=Guest Shutdown"},
    {"reason=guest-shutdown", "reason=guest\x1bshutdown"},
    {"reason=guest-shutdown", "reason=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},
    {"panicked=0", "panicked=2"},
    {"panicked=0", "panicked=yes"},
    {"requested=1", "requested=1\noom-killed=2"},
    {"requested=1\n", ""},
    {"time=1700000000000000", "time=-5"},
    {"time=1700000000000000", "time=9223372036854775808"},
    {"end\n", "end"},
    {"end\n", "the end\n"},
    {"end\n", "end\nend\n"},
    {"end\n", "end\nwait-status=0\n"},
};

static void test_mistakes(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(mistakes); i++) {
        g_autofree char *text = changed(mistakes[i][0], mistakes[i][1]);
        g_test_message("%s", mistakes[i][1]);
        refuse(text, strlen(text));
    }
    refuse("\0\0\0\nend\n", 8);

    g_autofree char *many = g_strnfill(BERTH_EXIT_RECORD_MAX, 'x');
    g_autofree char *words = g_strconcat("words=", many, NULL);
    g_autofree char *text = changed("words=a=b, no room", words);
    refuse(text, strlen(text));
}

/* QEMU's bytes are whatever its guest and its libraries made them. */
static void test_words_are_made_fit(void)
{
    g_autofree char *text = changed("words=a=b, no room", "words=\x1b[31mred\xff\tend\xc2\x85");
    g_autoptr(GError) error = NULL;
    g_autoptr(BerthExitRecord) record = berth_exit_record_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_true(g_utf8_validate(record->words, -1, NULL));
    g_assert_cmpstr(record->words, ==, " [31mred\xef\xbf\xbd end ");
}

static void test_later_versions(void)
{
    g_autofree char *text = changed("words=", "memory-peak=17\nwords=");
    g_autoptr(BerthExitRecord) record = berth_exit_record_parse(text, strlen(text), NULL);
    g_assert_nonnull(record);
}

/* What is expected for (not running, not asked), (running, not asked), (not running, asked), (running, asked). */
typedef struct {
    int wait_status;
    const char *reason;
    gboolean panicked;
    BerthExitReason expected[4];
} Judgment;

#define G BERTH_EXIT_GUEST_SHUTDOWN
#define P BERTH_EXIT_GUEST_PANIC
#define H BERTH_EXIT_HOST_STOP
#define C BERTH_EXIT_CRASHED
#define K BERTH_EXIT_KILLED
#define F BERTH_EXIT_START_FAILED

static const Judgment judgments[] = {
    {EXITED(0), "guest-shutdown", FALSE, {G, G, H, H}},
    {EXITED(0), "guest-reset", FALSE, {G, G, H, H}},
    {EXITED(0), "subsystem-reset", FALSE, {G, G, H, H}},
    {EXITED(0), "snapshot-load", FALSE, {G, G, H, H}},
    {EXITED(0), "guest-panic", FALSE, {P, P, P, P}},
    {EXITED(0), "guest-panic", TRUE, {P, P, P, P}},
    {EXITED(0), "guest-shutdown", TRUE, {P, P, P, P}},
    {EXITED(0), "host-qmp-quit", FALSE, {H, H, H, H}},
    {EXITED(0), "host-qmp-system-reset", FALSE, {H, H, H, H}},
    {EXITED(0), "host-signal", FALSE, {H, H, H, H}},
    {EXITED(0), "host-ui", FALSE, {H, H, H, H}},
    {EXITED(0), "host-error", FALSE, {F, C, F, C}},
    {EXITED(0), "none", FALSE, {F, G, H, H}},
    {EXITED(0), "", FALSE, {F, G, H, H}},
    {EXITED(0), "some-later-word", FALSE, {F, G, H, H}},
    {EXITED(1), "", FALSE, {F, C, F, C}},
    {EXITED(1), "guest-shutdown", FALSE, {F, C, F, C}},
    {EXITED(1), "guest-panic", TRUE, {P, P, P, P}},
    {EXITED(1), "", TRUE, {P, P, P, P}},
    {EXITED(255), "host-qmp-quit", FALSE, {F, C, F, C}},
    {SIGKILL, "", FALSE, {F, K, H, H}},
    {SIGKILL, "host-qmp-quit", FALSE, {F, K, H, H}},
    {SIGTERM, "", FALSE, {F, C, H, H}},
    {SIGSEGV, "", FALSE, {F, C, F, C}},
    {SIGABRT | 0x80, "", FALSE, {F, C, F, C}},
    {SIGSEGV, "", TRUE, {F, C, F, C}},
};

static void test_judge(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(judgments); i++) {
        const Judgment *j = &judgments[i];
        for (guint column = 0; column < 4; column++) {
            const gboolean was_running = (column & 1) != 0, asked = (column & 2) != 0;
            BerthExitRecord record = {.wait_status = j->wait_status,
                                      .panicked = j->panicked,
                                      .words = (char *) "",
                                      .reason = (char *) j->reason};
            g_test_message("status %d reason \"%s\" panicked %d running %d asked %d", j->wait_status, j->reason,
                           j->panicked, was_running, asked);
            g_assert_cmpint(berth_exit_record_judge(&record, was_running, asked), ==, j->expected[column]);
            /* A signal to the keeper asks as well as the daemon does. */
            record.requested = asked;
            g_assert_cmpint(berth_exit_record_judge(&record, was_running, FALSE), ==, j->expected[column]);
        }
    }
}

/* The kernel's SIGKILL for want of memory, of which a record tells since there is such a key. */
static void test_oom(void)
{
    static const BerthExitReason expected[] = {F, BERTH_EXIT_OOM_KILLED, H, H};
    g_autofree char *killed = changed("wait-status=256\nreason=guest-shutdown", "wait-status=9\nreason=");
    g_autofree char *text = g_strconcat("oom-killed=1\n", killed, NULL);
    g_autoptr(BerthExitRecord) record = berth_exit_record_parse(text, strlen(text), NULL);
    g_autoptr(BerthExitRecord) older = berth_exit_record_parse(killed, strlen(killed), NULL);
    record->requested = older->requested = FALSE;
    for (guint column = 0; column < 4; column++)
        g_assert_cmpint(berth_exit_record_judge(record, (column & 1) != 0, (column & 2) != 0), ==, expected[column]);
    g_assert_cmpint(berth_exit_record_judge(older, TRUE, FALSE), ==, K);
    g_autofree char *words = berth_exit_record_describe(record);
    g_assert_nonnull(strstr(words, "memory"));
    /* Somebody else in the scope was killed so; QEMU ended in another way. */
    record->wait_status = SIGSEGV;
    g_assert_cmpint(berth_exit_record_judge(record, TRUE, FALSE), ==, C);
}

static void test_describe(void)
{
    static const struct {
        BerthExitRecord record;
        const char *expected;
    } cases[] = {
        {{.wait_status = SIGSEGV}, "QEMU was killed by signal 11 (Segmentation fault)"},
        {{.wait_status = SIGSEGV | 0x80}, "QEMU was killed by signal 11 (Segmentation fault, core dumped)"},
        {{.wait_status = EXITED(1)}, "QEMU failed with status 1; its last words: no such machine"},
        {{.wait_status = EXITED(0)}, "QEMU ended without an error"},
        {{.reason = (char *) "guest-shutdown"}, "The guest shut itself down"},
        {{.reason = (char *) "guest-shutdown", .panicked = TRUE}, "The guest's kernel panicked"},
        {{.wait_status = EXITED(1), .panicked = TRUE}, "The guest's kernel panicked"},
        {{.reason = (char *) "host-qmp-quit"}, "QEMU was told to quit"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        BerthExitRecord record = cases[i].record;
        record.words = (char *) (record.wait_status == EXITED(1) ? "no such machine" : "");
        if (!record.reason)
            record.reason = (char *) "";
        g_autofree char *words = berth_exit_record_describe(&record);
        g_assert_cmpstr(words, ==, cases[i].expected);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/exit-record/parse", test_parse);
    g_test_add_func("/exit-record/every-half", test_every_half);
    g_test_add_func("/exit-record/mistakes", test_mistakes);
    g_test_add_func("/exit-record/words-are-made-fit", test_words_are_made_fit);
    g_test_add_func("/exit-record/later-versions", test_later_versions);
    g_test_add_func("/exit-record/judge", test_judge);
    g_test_add_func("/exit-record/oom", test_oom);
    g_test_add_func("/exit-record/describe", test_describe);
    return g_test_run();
}
