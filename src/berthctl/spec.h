/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

/* What is short on the command line and a list in the definition. Each becomes JSON that
 * berth_vm_config_variant_from_json() takes and checks: keys, types and bounds stand in core's table alone. Errors are
 * InvalidArgs and quote what was typed. */

/* "10G", "10G,format=raw,bus=sata,read-only" (transfer full) */
JsonObject *ctl_disk_from_spec(const char *spec, GError **error);
/* "user", "bridge=br0", "user,mac=52:54:00:00:00:01"; "none" is %NULL without an error. (transfer full) */
JsonObject *ctl_network_from_spec(const char *spec, GError **error);
/* "8080:80", "udp:5353:53", "tcp:0.0.0.0:8080:80" (transfer full) */
JsonObject *ctl_port_from_spec(const char *spec, GError **error);

/**
 * ctl_networks_from_specs:
 * @networks: (nullable): of --network; none at all is one "user" network
 * @ports: (nullable): of --port; they go to the first "user" network
 *
 * Returns: (transfer full): the list
 */
JsonArray *ctl_networks_from_specs(char **networks, char **ports, GError **error);

/**
 * ctl_split_assignment:
 * @text: "KEY=VALUE"
 *
 * Returns: FALSE where there is no "=" or nothing before it; else *@key (transfer full), and *@value within @text
 */
gboolean ctl_split_assignment(const char *text, char **key, const char **value, GError **error);
