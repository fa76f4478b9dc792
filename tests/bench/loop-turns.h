/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

/* What the preload library tells the bench, in a file that both map: see loop-turns.c. All in ns. */

#define LOOP_TURNS_ENV "BERTH_BENCH_TURNS"

typedef struct {
    _Atomic uint64_t longest;     /* turn, by the clock on the wall */
    _Atomic uint64_t longest_cpu; /* turn, in processor time */
    _Atomic uint64_t turns;
} LoopTurns;
