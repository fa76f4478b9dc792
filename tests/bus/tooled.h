/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "src/core/names.h"
#include "tests/lib/await.h"
#include "tests/lib/fakes/fake-tools.h"
#include "tests/lib/fixture.h"

/* The fixture with a scripted QEMU and a qemu-img that can be held. */

typedef struct {
    Fixture fixture; /* first: functions of the fixture take a cast pointer */
    FakeTools *tools;
} Tooled;

/* @config: (nullable): text for the end of berth.conf, which is within [QEMU] */
#define TOOLED_ADD(path, config, func) g_test_add(path, Tooled, config, tooled_set_up, func, tooled_tear_down)

void tooled_set_up(Tooled *tooled, gconstpointer config);
void tooled_tear_down(Tooled *tooled, gconstpointer config);
/* main() of such tests: skips all where something is missing. */
int tooled_main(int argc, char **argv, void (*add)(void));

/* (transfer floating): an a{sv} from GVariant's text form; at least small memory is in it where it says none. */
GVariant *tooled_config(const char *text);
/* The same as it is. */
GVariant *tooled_asv(const char *text);
/* A small VM; @script as fake-qemu has it, %NULL for a QEMU that behaves. (transfer full): its path */
char *tooled_vm(Tooled *tooled, const char *name, const char *script);
/* The same with more of a definition, as tooled_config() has it. */
char *tooled_vm_with(Tooled *tooled, const char *name, const char *config, const char *script);

/* Options are none. @fixture may be of any client. */
FixtureCall *tooled_begin(Fixture *fixture, const char *path, const char *method);
/* Waits for the answer: it went well. Frees @call. */
void tooled_succeeds(FixtureCall *call);
/* It failed so (a name without a dot is one of Berth's), with all of @words, separated by "|", in its text. Frees @call. */
void tooled_fails(FixtureCall *call, const char *error_name, const char *words);
void tooled_assert_error(const GError *error, const char *error_name, const char *words);

/* All properties of one object's interface. (transfer full) */
GVariant *tooled_get_all(Fixture *fixture, const char *path, const char *interface);
/* What lies below the directory, names, sizes and contents of small files, in one text that can be compared. */
char *tooled_files(const char *dir);
/* (transfer full): vms/<id>, or a file below it */
char *tooled_vm_file(Fixture *fixture, const char *path, const char *file);
/* How many entries a directory has, 0 where it is not there. */
guint tooled_count_entries(const char *base, const char *name);
