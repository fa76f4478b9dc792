/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl-run.h"

#include "tests/lib/await.h"

typedef struct {
    CtlRun *run;
    GInputStream *stream;
    GString *text;
} Pipe;

static void read_on(Pipe *pipe);

static void on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Pipe *pipe = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = g_input_stream_read_bytes_finish(pipe->stream, result, &error);
    g_assert_no_error(error);
    gsize length;
    const char *chunk = g_bytes_get_data(bytes, &length);
    if (length > 0) {
        g_string_append_len(pipe->text, chunk, (gssize) length);
        read_on(pipe);
        return;
    }
    pipe->run->n_open--;
    g_free(pipe);
}

static void read_on(Pipe *pipe)
{
    g_input_stream_read_bytes_async(pipe->stream, 4096, G_PRIORITY_DEFAULT, NULL, on_read, pipe);
}

static void add_pipe(CtlRun *run, GInputStream *stream, GString *text)
{
    Pipe *pipe = g_new0(Pipe, 1);
    *pipe = (Pipe){run, stream, text};
    run->n_open++;
    read_on(pipe);
}

static void on_exited(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GError) error = NULL;
    g_subprocess_wait_finish(G_SUBPROCESS(source), result, &error);
    g_assert_no_error(error);
    ((CtlRun *) data)->has_exited = TRUE;
}

CtlRun *ctl_run_start(const char *word, ...)
{
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (char *) g_getenv("BERTHCTL"));
    g_ptr_array_add(argv, (char *) "--user");
    va_list words;
    va_start(words, word);
    for (const char *next = word; next != NULL; next = va_arg(words, const char *))
        g_ptr_array_add(argv, (char *) next);
    va_end(words);
    g_ptr_array_add(argv, NULL);

    g_autoptr(GError) error = NULL;
    CtlRun *run = g_new0(CtlRun, 1);
    run->process = g_subprocess_newv((const char *const *) argv->pdata,
                                     G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error);
    g_assert_no_error(error);
    run->out = g_string_new(NULL);
    run->err = g_string_new(NULL);
    add_pipe(run, g_subprocess_get_stdout_pipe(run->process), run->out);
    add_pipe(run, g_subprocess_get_stderr_pipe(run->process), run->err);
    g_subprocess_wait_async(run->process, NULL, on_exited, run);
    return run;
}

int ctl_run_finish(CtlRun *run)
{
    AWAIT(run->has_exited && run->n_open == 0);
    if (!g_subprocess_get_if_exited(run->process))
        return -1;
    return g_subprocess_get_exit_status(run->process);
}

void ctl_run_free(CtlRun *run)
{
    if (!run->has_exited)
        g_subprocess_force_exit(run->process);
    AWAIT(run->has_exited && run->n_open == 0);
    g_object_unref(run->process);
    g_string_free(run->out, TRUE);
    g_string_free(run->err, TRUE);
    g_free(run);
}
