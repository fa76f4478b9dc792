/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* libvirt in the same bed, by virsh. */

#define VIRSH "virsh --connect qemu:///system --quiet"

/* Starts it. FALSE, with a word to the reader, where it is not installed. */
gboolean libvirt_start(void);
