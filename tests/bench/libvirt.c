/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt.h"

#include "shell.h"

gboolean libvirt_start(void)
{
    /* Where /dev/kvm is there and QEMU can't use it, libvirt asks QEMU anew what it can do for each domain, for
     * seconds. */
    shell_write("/run/systemd/system/libvirtd.service.d/50-bench.conf",
                "[Unit]\nStartLimitIntervalSec=0\n[Service]\nInaccessiblePaths=-/dev/kvm\n");
    shell_run("systemctl daemon-reload");
    if (shell_succeeds("command -v virsh && systemctl start libvirtd.service && " VIRSH " list"))
        return TRUE;
    g_print("%-44s skipped: there is no libvirt here (libvirt-daemon-system, libvirt-clients)\n", "libvirt");
    return FALSE;
}
