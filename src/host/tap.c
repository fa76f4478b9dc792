/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../core/autofd.h"
#include "../core/error.h"
#include "../core/vm-config.h"

#define TUN_DEVICE "/dev/net/tun"
#define ALIAS_PREFIX "berth:"
#define DUMP_BYTES 32768u /* the kernel fills no more at once */

/* What is told to the kernel about an interface, in one message. */
typedef struct {
    struct nlmsghdr header;
    struct ifinfomsg info;
    guint8 attributes[512];
} LinkRequest;

/* IFNAMSIZ leaves 15 bytes: a digest of what it is derived from, not a part of it. */
static char *digest_of(const char *id, guint index)
{
    g_autofree char *owner = g_strdup_printf("%s/%u", id, index);
    return g_compute_checksum_for_string(G_CHECKSUM_SHA256, owner, -1);
}

char *berth_tap_name(const char *id, guint index)
{
    g_autofree char *digest = digest_of(id, index);
    return g_strdup_printf("bt%.12s", digest);
}

/* A bridge takes the lowest address of its ports for its own, and the host would drop its connections whenever that
 * changes: ours is among the highest. */
static void host_side_mac(const char *id, guint index, guint8 mac[6])
{
    g_autofree char *digest = digest_of(id, index);
    mac[0] = 0xfe;
    for (guint i = 1; i < 6; i++)
        mac[i] = (guint8) (g_ascii_xdigit_value(digest[2 * i]) << 4 | g_ascii_xdigit_value(digest[2 * i + 1]));
}

static void add_attribute(LinkRequest *request, unsigned short type, const void *data, gsize length)
{
    struct rtattr *attribute = (struct rtattr *) ((guint8 *) request + NLMSG_ALIGN(request->header.nlmsg_len));
    g_assert((guint8 *) RTA_DATA(attribute) + length <= (guint8 *) (request + 1));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short) RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), data, length);
    request->header.nlmsg_len = NLMSG_ALIGN(request->header.nlmsg_len) + (guint32) RTA_SPACE(length);
}

/* Sends it and waits for the kernel's acknowledgement, which comes at once. Returns: 0 or a positive errno. */
static int transact(const LinkRequest *request)
{
    struct {
        struct nlmsghdr header;
        struct nlmsgerr answer;
        guint8 rest[sizeof(LinkRequest) + 512]; /* our request again, and the kernel's remarks */
    } reply;
    BERTH_AUTOFD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (fd < 0 || send(fd, request, request->header.nlmsg_len, 0) < 0)
        return errno;
    ssize_t length = recv(fd, &reply, sizeof reply, 0);
    if (length < 0)
        return errno;
    if ((gsize) length < NLMSG_LENGTH(sizeof reply.answer) || reply.header.nlmsg_type != NLMSG_ERROR)
        return EBADMSG;
    return -reply.answer.error;
}

/* The MTU of interface @name, 0 where it can't be told. */
static guint32 mtu_of(const char *name)
{
    struct ifreq request = {0};
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    BERTH_AUTOFD fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return fd >= 0 && ioctl(fd, SIOCGIFMTU, &request) == 0 ? (guint32) request.ifr_mtu : 0;
}

/* Owner, address, MTU, bridge, up: all or, since the tap goes with its descriptor, nothing. */
static gboolean configure(const char *name, const char *id, guint index, const char *bridge, GError **error)
{
    const guint32 master = if_nametoindex(bridge);
    if (master == 0) {
        g_set_error(error, BERTH_ERROR, BERTH_ERROR_START_FAILED, "This host has no bridge \"%s\"", bridge);
        return FALSE;
    }
    LinkRequest request = {
        .header = {.nlmsg_len = NLMSG_LENGTH(sizeof request.info),
                   .nlmsg_type = RTM_SETLINK,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .info = {.ifi_family = AF_UNSPEC,
                 .ifi_index = (int) if_nametoindex(name),
                 .ifi_flags = IFF_UP,
                 .ifi_change = IFF_UP},
    };
    g_autofree char *alias = g_strdup_printf(ALIAS_PREFIX "%s/%u", id, index);
    guint8 mac[6];
    host_side_mac(id, index, mac);
    add_attribute(&request, IFLA_IFALIAS, alias, strlen(alias));
    add_attribute(&request, IFLA_ADDRESS, mac, sizeof mac);
    /* A bridge would shrink its own MTU to that of the smallest port. */
    const guint32 mtu = mtu_of(bridge);
    if (mtu != 0)
        add_attribute(&request, IFLA_MTU, &mtu, sizeof mtu);
    add_attribute(&request, IFLA_MASTER, &master, sizeof master);

    const int failure = transact(&request);
    if (failure != 0)
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, failure, "join network interface %s to bridge \"%s\"",
                              name, bridge);
    return failure == 0;
}

int berth_tap_open(const char *id, guint index, const char *bridge, GError **error)
{
    g_autofree char *name = berth_tap_name(id, index);
    BERTH_AUTOFD tap = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "open %s", TUN_DEVICE);
        return -1;
    }
    /* EXCL: one that is there already, made by somebody to last, is not ours to take over. */
    struct ifreq request = {.ifr_flags = (short) (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL)};
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);
    if (ioctl(tap, TUNSETIFF, &request) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "make network interface %s", name);
        return -1;
    }
    return configure(name, id, index, bridge, error) ? berth_steal_fd(&tap) : -1;
}

/* The id in an alias "berth:<id>/<index>". (transfer full) (nullable) */
static char *owner_in(const char *alias)
{
    const char *id = g_str_has_prefix(alias, ALIAS_PREFIX) ? alias + strlen(ALIAS_PREFIX) : "";
    const char *slash = strchr(id, '/');
    g_autofree char *owner = g_strndup(id, slash ? (gsize) (slash - id) : 0);
    return berth_vm_id_is_valid(owner) ? g_steal_pointer(&owner) : NULL;
}

static void add_link(const struct nlmsghdr *header, GHashTable *taps)
{
    g_autofree char *name = NULL, *owner = NULL;
    const struct ifinfomsg *info = NLMSG_DATA(header);
    int left = (int) IFLA_PAYLOAD(header);
    for (const struct rtattr *attribute = IFLA_RTA(info); RTA_OK(attribute, left);
         attribute = RTA_NEXT(attribute, left)) {
        g_autofree char *text = g_strndup(RTA_DATA(attribute), RTA_PAYLOAD(attribute));
        if (attribute->rta_type == IFLA_IFNAME)
            name = g_steal_pointer(&text);
        else if (attribute->rta_type == IFLA_IFALIAS)
            owner = owner_in(text);
    }
    if (name && owner)
        g_hash_table_replace(taps, g_steal_pointer(&name), g_steal_pointer(&owner));
}

/* One datagram of the dump. Returns: 1 at its end, 0 where more comes, or a negative errno. */
static int read_links(int fd, GHashTable *taps)
{
    g_autofree char *buffer = g_malloc(DUMP_BYTES);
    ssize_t length = recv(fd, buffer, DUMP_BYTES, 0);
    if (length < 0)
        return -errno;
    int left = (int) length;
    for (const struct nlmsghdr *header = (void *) buffer; NLMSG_OK(header, (guint) left);
         header = NLMSG_NEXT(header, left)) {
        if (header->nlmsg_type == NLMSG_DONE)
            return 1;
        if (header->nlmsg_type == NLMSG_ERROR)
            return ((const struct nlmsgerr *) NLMSG_DATA(header))->error;
        if (header->nlmsg_type == RTM_NEWLINK)
            add_link(header, taps);
    }
    return length == 0 ? -EBADMSG : 0;
}

GHashTable *berth_tap_list(GError **error)
{
    g_autoptr(GHashTable) taps = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    const struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {
        .header = {.nlmsg_len = sizeof request, .nlmsg_type = RTM_GETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
    };
    BERTH_AUTOFD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int r = fd < 0 || send(fd, &request, sizeof request, 0) < 0 ? -errno : 0;
    while (r == 0)
        r = read_links(fd, taps);
    if (r < 0) {
        berth_error_set_errno(error, BERTH_ERROR_UNSUPPORTED, -r, "list the network interfaces");
        return NULL;
    }
    return g_steal_pointer(&taps);
}
