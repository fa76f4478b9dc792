/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <fcntl.h>
#include <glib/gi18n.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../core/autofd.h"
#include "../core/names.h"
#include "job.h"
#include "json.h"
#include "options.h"
#include "text.h"

typedef struct {
    char *kernel, *initrd;
    char *format, *sha256, *description, *version, *cmdline;
} ImportOptions;

typedef struct {
    int disk, kernel, initrd;
} ImportFiles;

static void close_files(ImportFiles *files)
{
    berth_autofd_close(&files->disk);
    berth_autofd_close(&files->kernel);
    berth_autofd_close(&files->initrd);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportFiles, close_files)

static void clear_options(ImportOptions *o)
{
    char *texts[] = {o->kernel, o->initrd, o->format, o->sha256, o->description, o->version, o->cmdline};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_free(texts[i]);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImportOptions, clear_options)

/* With our own rights: the daemon reads only what we could open. Without blocking, should it be a pipe: the daemon
 * refuses what is no regular file. */
static gboolean open_file(const char *path, int *fd)
{
    if (path == NULL)
        return TRUE;
    int opened = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened < 0) {
        g_autofree char *message = g_strdup_printf(_("Can't open %s: %s"), path, g_strerror(errno));
        ctl_say_error(message);
        return FALSE;
    }
    *fd = opened;
    return TRUE;
}

/* No disk is an empty file. */
static gboolean open_disk(const char *path, int *fd)
{
    if (path != NULL)
        return open_file(path, fd);
    *fd = memfd_create("berth-no-disk", MFD_CLOEXEC);
    if (*fd < 0)
        ctl_say_error(g_strerror(errno));
    return *fd >= 0;
}

static void set_text(GVariantDict *dict, const char *key, const char *text)
{
    if (text != NULL)
        g_variant_dict_insert(dict, key, "s", text);
}

static void set_handle(GVariantDict *dict, const char *key, int fd)
{
    if (fd >= 0)
        g_variant_dict_insert(dict, key, "h", fd);
}

static GVariant *arguments(const char *name, const ImportOptions *o, const ImportFiles *files)
{
    g_auto(GVariantDict) dict = G_VARIANT_DICT_INIT(NULL);
    set_text(&dict, "format", o->format);
    set_text(&dict, "sha256", o->sha256);
    set_text(&dict, "description", o->description);
    set_text(&dict, "version", o->version);
    set_text(&dict, "cmdline", o->cmdline);
    set_handle(&dict, "kernel", files->kernel);
    set_handle(&dict, "initrd", files->initrd);
    return g_variant_new("(sh@a{sv})", name, files->disk, g_variant_dict_end(&dict));
}

static CtlStatus report_imported(Ctl *ctl, const char *name, const char *path)
{
    if (!ctl->json) {
        printf(_("Imported %s.\n"), name);
        return CTL_OK;
    }
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autoptr(CtlObject) image = NULL;
    int r = ctl_read_object(ctl, path, BERTH_IFACE_IMAGE, &image, &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't show the image %s"), name);
    ctl_print_json(ctl_object_to_json(image), TRUE);
    return CTL_OK;
}

static CtlStatus import(Ctl *ctl, const char *name, const char *file, const ImportOptions *o)
{
    g_auto(ImportFiles) files = {-1, -1, -1};
    if (!open_disk(file, &files.disk) || !open_file(o->kernel, &files.kernel) || !open_file(o->initrd, &files.initrd))
        return CTL_FAILED;
    CtlStatus status = ctl_connect(ctl, TRUE);
    if (status != CTL_OK)
        return status;
    g_auto(sd_bus_error) error = SD_BUS_ERROR_NULL;
    g_autofree char *result = NULL;
    int r = ctl_job_run(ctl, BERTH_PATH_ROOT, BERTH_IFACE_MANAGER, "ImportImage", arguments(name, o, &files), &result,
                        &error);
    if (r < 0)
        return ctl_fail(ctl, r, &error, _("Can't import %s"), name);
    return report_imported(ctl, name, result);
}

CtlStatus ctl_run_import(Ctl *ctl, const CtlCommand *command, int argc, char **argv)
{
    g_auto(ImportOptions) o = {0};
    const GOptionEntry entries[] = {
        {"kernel", 'k', 0, G_OPTION_ARG_FILENAME, &o.kernel, N_("Kernel to boot directly"), N_("FILE")},
        {"initrd", 'i', 0, G_OPTION_ARG_FILENAME, &o.initrd, N_("Initial RAM disk for the kernel"), N_("FILE")},
        {"cmdline", 'c', 0, G_OPTION_ARG_STRING, &o.cmdline, N_("Kernel command line"), N_("TEXT")},
        {"format", 'f', 0, G_OPTION_ARG_STRING, &o.format, N_("qcow2 or raw; else by what the file is"), N_("FORMAT")},
        {"sha256", 0, 0, G_OPTION_ARG_STRING, &o.sha256, N_("Refuse a file with another checksum than this"),
         N_("HEX")},
        {"description", 0, 0, G_OPTION_ARG_STRING, &o.description, N_("What the image is"), N_("TEXT")},
        {"version", 0, 0, G_OPTION_ARG_STRING, &o.version, N_("Version of the image"), N_("TEXT")},
        G_OPTION_ENTRY_NULL,
    };
    g_auto(GStrv) words = ctl_parse(ctl, command, entries, 1, 2, argc, argv);
    if (words == NULL)
        return CTL_USAGE;
    const char *file = words[1] != NULL && !g_str_equal(words[1], "-") ? words[1] : NULL;
    if (file == NULL && o.kernel == NULL)
        return ctl_usage("%s", _("An image without a disk needs a --kernel"));
    if (o.initrd != NULL && o.kernel == NULL)
        return ctl_usage("%s", _("--initrd needs a --kernel"));
    if (!g_utf8_validate(words[0], -1, NULL))
        return ctl_usage("%s", _("The name is not valid UTF-8"));
    return import(ctl, words[0], file, &o);
}
