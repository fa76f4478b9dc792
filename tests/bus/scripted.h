/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tests/lib/await.h"
#include "tests/lib/fixture.h"
#include "tests/lib/test-cgroup.h"

/* The fixture with the scripted QEMU (tests/lib/fakes/fake-qemu.c says how it is steered) and short deadlines. */

/* Adds a test whose berth.conf ends with @config ("" or keys of its section [VM]). */
#define SCRIPTED_ADD(path, config, func) g_test_add(path, Fixture, config, scripted_set_up, func, fixture_tear_down)

/* Everything but the daemon. */
void scripted_prepare(Fixture *fixture, gconstpointer config);
void scripted_set_up(Fixture *fixture, gconstpointer config);
/* Writes more at the end of berth.conf, for the next daemon or Reload. */
void scripted_configure(Fixture *fixture, const char *text);
/* main() of such tests: skips all where something is missing. */
int scripted_main(int argc, char **argv, void (*add)(void));

/* A small VM; @script as fake-qemu has it, %NULL for a QEMU that behaves. (transfer full): its path */
char *scripted_vm(Fixture *fixture, const char *name, const char *script);
/* The same with more of a definition, in GVariant's text form: "{'restart': <'always'>}" */
char *scripted_vm_with(Fixture *fixture, const char *name, const char *config, const char *script);
/* The same, called "web", that was started with scripted_start(). */
char *scripted_running(Fixture *fixture, const char *config, const char *script);
/* For the next start. */
void scripted_write(Fixture *fixture, const char *name, const char *script);
/* Makes a file that rules wait for. */
void scripted_touch(Fixture *fixture, const char *file);
/* It is not there any more, or was not. */
void scripted_untouch(Fixture *fixture, const char *file);
/* How often QEMU of @name wrote this line, or one that begins so. */
guint scripted_count(Fixture *fixture, const char *name, const char *line);
void scripted_await(Fixture *fixture, const char *name, const char *line, guint count);
/* From now on they are those of the next VM of that name. */
void scripted_forget(Fixture *fixture, const char *name);
/* Everything that it wrote. (transfer full) */
char *scripted_log(Fixture *fixture, const char *name);

/* A method of a VM without options, under way. */
FixtureCall *scripted_begin(Fixture *fixture, const char *path, const char *method);
/* Start, and all signals of it have come in: a recorder that is made now hears only what follows. Its keeper is heard by
 * QEMU, which tells it nothing before. */
void scripted_start(Fixture *fixture, const char *path);
/* Waits for its answer: it went well. Takes @call. */
void scripted_succeeds(FixtureCall *call);
/* It failed so; names as fixture_call_fails() has them. Takes @call. */
void scripted_fails(FixtureCall *call, const char *error_name, const char *words);

/* A scope as berthd would start it, with this process in it; with one that has died: active, with nobody in it. */
void scripted_start_scope(Fixture *fixture, const char *unit, pid_t pid);
void scripted_start_ghost(Fixture *fixture, const char *unit);

/* Paths. (transfer full) */
char *scripted_vm_dir(Fixture *fixture, const char *path);
char *scripted_vm_file(Fixture *fixture, const char *path, const char *file);
char *scripted_runtime_dir(Fixture *fixture, const char *path);
pid_t scripted_qemu(Fixture *fixture, const char *path);
/* QEMU's parent. */
pid_t scripted_keeper(Fixture *fixture, const char *path);
int scripted_pidfd(pid_t pid);
/* What a daemon goes by. The kernel says so a moment after it has taken the process out of its cgroup. */
gboolean scripted_is_dead(int pidfd);
/* Waits for its end, and closes the pidfd. */
void scripted_await_dead(int pidfd);

/* The daemon sleeps for two seconds at a stretch. What follows of what was done takes its time on a busy machine; one that is
 * woken again and again never does. */
void scripted_assert_idle(Fixture *fixture);

/* Where the daemons that are started from now on tell systemd of their state; to be closed. */
int scripted_notify_socket(Fixture *fixture);
/* Waits until one tells @words: "STOPPING=1". */
void scripted_await_notified(int fd, const char *words);
/* The cgroup of its scope. */
char *scripted_cgroup(Fixture *fixture, const char *path);

/* What is true of a VM without processes, at once: its cgroup is empty and its sockets are gone. */
void scripted_assert_nobody(Fixture *fixture, const char *path);
void scripted_assert_string(Fixture *fixture, const char *path, const char *property, const char *value);
void scripted_assert_wanted(Fixture *fixture, const char *path, gboolean wanted);
/* Waits until the last that @recorder has heard of a string property is @words: "stopping running". A state may be over before
 * one asks for it, and has been told all the same. */
void scripted_await_told(const Recorder *recorder, const char *property, const char *words);
/* LastError's text has @words in it; "" for none at all. */
void scripted_assert_last_error(Fixture *fixture, const char *path, const char *words);
void scripted_await_last_error(Fixture *fixture, const char *path, const char *words);
/* Manager.Reload with what it says that it did. */
void scripted_reload(Fixture *fixture, guint loaded, guint updated, guint removed);
/* Remove with options in text form. */
void scripted_remove(Fixture *fixture, const char *path, const char *options);

/* The immutable flag of a file or directory: nobody, root included, can write there. FALSE where there is no such. */
gboolean scripted_set_immutable(const char *path, gboolean immutable);
void scripted_copy_tree(const char *from, const char *to);
/* One text in a file for another; aborts the test where it does not occur. */
void scripted_replace(const char *file, const char *old, const char *new);
