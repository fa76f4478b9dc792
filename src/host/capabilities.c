/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "capabilities.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/syscall.h>

#include "../core/autofd.h"

static gboolean can_open(const char *path)
{
    BERTH_AUTOFD fd = open(path, O_RDWR | O_CLOEXEC);
    return fd >= 0;
}

static gboolean processor_has_virtualization(void)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
        return FALSE;
    const char *flags = strstr(text, "\nflags");
    const char *end = flags ? strchr(flags + 1, '\n') : NULL;
    if (!end)
        return FALSE;
    g_autofree char *line = g_strndup(flags + 1, (gsize) (end - flags - 1));
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    return g_strv_contains((const char *const *) words, "vmx") || g_strv_contains((const char *const *) words, "svm");
}

static gboolean parameter_is_on(const char *path)
{
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) && (*text == 'Y' || *text == '1');
}

static gboolean has_landlock(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) > 0;
}

static gboolean choose_kvm(const char *wish, gboolean usable, gboolean openable)
{
    if (g_str_equal(wish, "kvm")) {
        if (!usable)
            g_warning("Accelerator=kvm, but %s; VMs may not start",
                      openable ? "the processor shows neither vmx nor svm" : "/dev/kvm can't be opened");
        return TRUE;
    }
    if (g_str_equal(wish, "tcg"))
        return FALSE;
    g_message("Accelerator=auto: using %s, since %s", usable ? "kvm" : "tcg",
              usable     ? "/dev/kvm opens and the processor shows vmx or svm"
              : openable ? "the processor shows neither vmx nor svm, though /dev/kvm opens"
                         : "/dev/kvm can't be opened");
    return usable;
}

GStrv berth_capabilities_find(const char *wish, const char **accelerator)
{
    g_autoptr(GStrvBuilder) found = g_strv_builder_new();
    gboolean openable = can_open("/dev/kvm");
    gboolean usable = openable && processor_has_virtualization();
    *accelerator = choose_kvm(wish, usable, openable) ? "kvm" : "tcg";

    if (usable)
        g_strv_builder_add(found, "kvm");
    g_strv_builder_add(found, "tcg");
    if (can_open("/dev/vhost-vsock"))
        g_strv_builder_add(found, "vhost-vsock");
    if (has_landlock())
        g_strv_builder_add(found, "landlock");
    if (usable && parameter_is_on("/sys/module/kvm_intel/parameters/tdx"))
        g_strv_builder_add(found, "tdx");
    if (usable && parameter_is_on("/sys/module/kvm_amd/parameters/sev_snp"))
        g_strv_builder_add(found, "sev-snp");
    return g_strv_builder_end(found);
}
