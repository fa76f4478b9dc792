/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "../core/autofd.h"
#include "../core/error.h"

#define TUN_DEVICE "/dev/net/tun"

char *berth_tap_name(const char *id, guint index)
{
    /* IFNAMSIZ leaves 15 bytes: a digest of what it is derived from, not a part of it. */
    g_autofree char *owner = g_strdup_printf("%s/%u", id, index);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, owner, -1);
    return g_strdup_printf("bt%.12s", digest);
}

/* The alias, which only netlink can set: whose interface it is, for people and for cleaning up. */
static gboolean set_alias(unsigned ifindex, const char *alias, GError **error)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
        char attributes[RTA_SPACE(256)];
    } request = {
        .header = {.nlmsg_type = RTM_SETLINK, .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .info = {.ifi_family = AF_UNSPEC, .ifi_index = (int) ifindex},
    };
    struct rtattr *attribute = (struct rtattr *) request.attributes;
    gsize length = strlen(alias) + 1;
    attribute->rta_type = IFLA_IFALIAS;
    attribute->rta_len = (unsigned short) RTA_LENGTH(length);
    memcpy(RTA_DATA(attribute), alias, length);
    request.header.nlmsg_len = (guint32) (NLMSG_LENGTH(sizeof request.info) + RTA_SPACE(length));

    struct {
        struct nlmsghdr header;
        struct nlmsgerr answer;
        char rest[512];
    } reply = {0};
    BERTH_AUTOFD netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    if (netlink < 0 || send(netlink, &request, request.header.nlmsg_len, 0) < 0 ||
        recv(netlink, &reply, sizeof reply, 0) < (ssize_t) NLMSG_LENGTH(sizeof reply.answer)) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "name the owner of a network interface");
        return FALSE;
    }
    if (reply.header.nlmsg_type == NLMSG_ERROR && reply.answer.error != 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, -reply.answer.error,
                              "name the owner of a network interface");
        return FALSE;
    }
    return TRUE;
}

static gboolean join_bridge(const char *tap, unsigned ifindex, const char *bridge, GError **error)
{
    struct ifreq request = {0};
    BERTH_AUTOFD control = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_strlcpy(request.ifr_name, bridge, sizeof request.ifr_name);
    request.ifr_ifindex = (int) ifindex;
    if (control < 0 || ioctl(control, SIOCBRADDIF, &request) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "join bridge \"%s\"", bridge);
        return FALSE;
    }
    memset(&request, 0, sizeof request);
    g_strlcpy(request.ifr_name, tap, sizeof request.ifr_name);
    request.ifr_flags = IFF_UP;
    if (ioctl(control, SIOCSIFFLAGS, &request) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "bring interface %s up", tap);
        return FALSE;
    }
    return TRUE;
}

int berth_tap_open(const char *id, guint index, const char *bridge, GError **error)
{
    g_autofree char *name = berth_tap_name(id, index);
    g_autofree char *alias = g_strdup_printf("berth:%s/%u", id, index);
    struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
    g_strlcpy(request.ifr_name, name, sizeof request.ifr_name);

    BERTH_AUTOFD tap = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (tap < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "open %s", TUN_DEVICE);
        return -1;
    }
    if (ioctl(tap, TUNSETIFF, &request) < 0) {
        berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "make the network interface %s", name);
        return -1;
    }
    unsigned ifindex = if_nametoindex(name);
    if (ifindex == 0 || !set_alias(ifindex, alias, error) || !join_bridge(name, ifindex, bridge, error)) {
        if (ifindex == 0)
            berth_error_set_errno(error, BERTH_ERROR_START_FAILED, errno, "find the network interface %s", name);
        return -1;
    }
    return berth_steal_fd(&tap);
}
