/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "minimal-qemu.h"

#include "shell.h"
#include "turns.h"

#define PATH "/run/berth-bench-qemu"

static const char script[] = "#!/bin/sh\n"
                             "kept=\n"
                             "while [ $# -gt 0 ]; do\n"
                             "  case $1 in\n"
                             "  -no-user-config | -nodefaults) kept=\"$kept $1\"; shift ;;\n"
                             "  -name | -uuid | -display | -sandbox | -accel | -chardev | -mon)\n"
                             "    kept=\"$kept $1 $2\"; shift 2 ;;\n"
                             "  *) shift 2 ;;\n"
                             "  esac\n"
                             "done\n"
                             "exec /usr/bin/qemu-system-x86_64 $kept -machine none\n";

void minimal_qemu_prepare(void)
{
    shell_write(PATH, script);
    shell_run("chmod 755 " PATH);
    turns_prepare("[QEMU]\nAccelerator=tcg\nQEMUPath=" PATH "\n");
}
