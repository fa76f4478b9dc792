/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <json-glib/json-glib.h>

#include "image-meta.h"
#include "key-table.h"
#include "restart-policy.h"

/* The definition of a VM: what a user may say of it. One table of keys, in vm-config-table.c, maps the
 * a{sv} of the bus, the JSON of vm.json and this struct onto each other and holds every bound.
 *
 * 10,000 of them are kept in memory. A const char * is one of the table's words, which live as long as the program: it
 * is never freed, and never set to anything else. */

typedef struct {
    guint64 size;       /* bytes; 0 on the first disk of a VM with a disk image: as large as the image */
    const char *format; /* "qcow2" or "raw" */
    const char *bus;    /* "virtio", "sata", "scsi" */
    gboolean read_only;
} BerthDisk;

typedef struct {
    const char *protocol; /* "tcp" or "udp" */
    char *host_address;   /* numeric IPv4; "127.0.0.1" unless said */
    guint host_port;
    guint guest_port;
} BerthPort;

typedef struct {
    const char *mode; /* "user", "bridge", "none" */
    char *bridge;     /* name of a host bridge, for mode "bridge", else "" */
    char *mac;        /* lower case; "" for one that is derived from the VM's id and the network's index */
    GPtrArray *ports; /* (element-type BerthPort), mode "user" only */
} BerthNetwork;

/* What is passed on to the scope; 0 where unset (systemd's own default holds). */
typedef struct {
    guint64 cpu_weight; /* CPUWeight, 1 to 10000 */
    guint64 cpu_quota;  /* CPUQuota, percent of one processor, 1 to 25600 */
    guint64 memory_max; /* MemoryMax, bytes, not less than the VM's memory */
    guint64 tasks_max;  /* TasksMax, 16 to 1048576 */
    guint64 io_weight;  /* IOWeight, 1 to 10000 */
} BerthLimits;

typedef struct {
    guint vcpus;
    guint64 memory;              /* bytes */
    char *image;                 /* "" for none */
    GPtrArray *disks;            /* (element-type BerthDisk) */
    GPtrArray *networks;         /* (element-type BerthNetwork) */
    const char *machine;         /* "q35", "microvm" */
    const char *firmware;        /* "bios", "uefi" */
    const char *display;         /* "none", "vga", "virtio" */
    char *cmdline;               /* kernel command line; "" for the image's own */
    const char *restart;         /* "no", "on-failure", "always" */
    BerthRestartBounds restarts; /* 0 where unset: berth.conf's hold */
    guint64 boot_order;          /* place among those that start after a boot; 0: after all that have one */
    guint64 boot_delay_usec;     /* how long those behind it wait then, once it runs */
    gboolean vsock;
    BerthLimits limits;
    char *description;
    GHashTable *labels;  /* (nullable) (element-type utf8 utf8): %NULL where there are none */
    gboolean protected_; /* key "protected" */
} BerthVmConfig;

/* The keys of a definition, in the order in which they are shown. */
extern const BerthKeyTable berth_vm_config_table;

BerthVmConfig *berth_vm_config_copy(const BerthVmConfig *config);
void berth_vm_config_free(BerthVmConfig *config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BerthVmConfig, berth_vm_config_free)

/**
 * berth_vm_config_new:
 *
 * Returns: (transfer full): the defaults: 1 processor, 1 GiB, no image, no disk, one "user" network, q35, bios,
 *   restart "no"
 */
BerthVmConfig *berth_vm_config_new(void);

/**
 * berth_vm_config_apply:
 * @base: what holds for keys that are not in @changes
 * @changes: an a{sv} of definition keys, hostile until checked
 *
 * Checks each key (known, of the right type, in its bounds) and then the whole (no host port twice, firmware
 * and machine fit together, ...). Lists and nested dictionaries are replaced whole.
 *
 * Returns: (transfer full): the new definition; %NULL with InvalidArgs, whose text names the key (with its
 *   place in a list, e.g. "networks[0].ports[1].host-port"), the value and the bound
 */
BerthVmConfig *berth_vm_config_apply(const BerthVmConfig *base, GVariant *changes, GError **error);

/* (transfer full): every key as a floating a{sv}, in the table's order: the Config property. */
GVariant *berth_vm_config_to_variant(const BerthVmConfig *config);

/**
 * berth_vm_config_variant_from_json:
 * @text: a JSON object whose members are definition keys; members listed in @skip are left to the caller
 * @length: its length in bytes
 *
 * Bounded (size, nesting) before it is parsed. JSON has one kind of number, so the table says which
 * D-Bus type each becomes. Shared by vm.json and `berthctl create --file`.
 *
 * Returns: (transfer full): an a{sv} for berth_vm_config_apply(), not floating
 */
GVariant *berth_vm_config_variant_from_json(const char *text, gsize length, const char *const *skip, GError **error);

/* The same of an object that berth_json_parse_object() has let through. */
GVariant *berth_vm_config_variant_from_object(JsonObject *object, const char *const *skip, GError **error);

/**
 * berth_vm_config_read:
 * @object: one that berth_json_parse_object() has let through; its members are definition keys, or belong to @others
 * @others: (nullable)
 *
 * The short way for what the daemon itself has written: berth_keys_read_object() and every check that apply() makes.
 *
 * Returns: (transfer full) (nullable): the definition; %NULL where something is otherwise, for whatever reason
 */
BerthVmConfig *berth_vm_config_read(JsonObject *object, const BerthKeyTarget *others);

/**
 * berth_vm_config_variant_from_string:
 * @key: a definition key
 * @text: its value as a person types it: a number (sizes with K, M, G, T), a word, yes/no, JSON for lists
 *
 * Returns: (transfer full): the value in the type that the table has for @key
 */
GVariant *berth_vm_config_variant_from_string(const char *key, const char *text, GError **error);

/**
 * berth_vm_config_place_in:
 * @text: of an error that is about a key of a definition
 *
 * Every such text begins with the place of the key, which is how a client knows where to show it.
 *
 * Returns: (transfer full) (nullable): e.g. "memory", "networks[0].ports[1].host-port"; %NULL where @text is about
 *   something else
 */
char *berth_vm_config_place_in(const char *text);

/* Whether a change of @key, of a definition, holds at once where the VM runs; else its next start brings it. */
gboolean berth_vm_config_is_live(const char *key);

/**
 * berth_vm_config_check_image:
 * @config: a definition that names an image
 * @image: that image
 *
 * What apply() can't know: the first disk is an overlay of the image's disk, so it is qcow2 and not smaller; an image
 * without a disk makes none, so the first disk needs a size; a kernel command line needs a kernel.
 */
gboolean berth_vm_config_check_image(const BerthVmConfig *config, const BerthImageMeta *image, GError **error);

/* A microvm has no PCI, but 24 virtio transports, of which the generator of random numbers and the balloon take two.
 * The agent's channel takes what is left of the rest, if anything is: a definition comes first. */
#define BERTH_MICROVM_TRANSPORTS 22u
/* How many of them the disks, networks, vsock and display of @config are. */
guint berth_vm_config_n_transports(const BerthVmConfig *config);

/* Whether the guest has a screen, a keyboard and a pointer. */
gboolean berth_vm_config_has_display(const BerthVmConfig *config);

/**
 * berth_vm_name_check:
 * @name: what a VM or an image is to be called
 *
 * 1 to 63 of a-z A-Z 0-9 . _ -, beginning with a letter or digit, and no UUID: fit for D-Bus errors, units,
 * file names, host names and QEMU's -name, and never mistaken for an id.
 */
gboolean berth_vm_name_check(const char *name, GError **error);

/* Whether @id is a UUID in lower case, as the daemon makes them. */
gboolean berth_vm_id_is_valid(const char *id);

/* Whether two forwardings want the same port of the host (one address, or one of them is 0.0.0.0). */
gboolean berth_port_collides(const BerthPort *a, const BerthPort *b);
