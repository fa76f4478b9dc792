/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fake-service.h"

/* A polkit on a private bus that answers from a table. */

typedef struct FakePolkit FakePolkit;

typedef enum {
    FAKE_POLKIT_NO,
    FAKE_POLKIT_YES,
    FAKE_POLKIT_CHALLENGE, /* yes where the question may interact with the user, else "is_challenge" */
} FakePolkitAnswer;

/* @otherwise: for actions that fake_polkit_set() does not name. */
FakePolkit *fake_polkit_new(const char *address, FakePolkitAnswer otherwise);
void fake_polkit_free(FakePolkit *fake);

/* To hold, fail, delay and count "CheckAuthorization" and "CancelCheckAuthorization", to vanish and come back. A
 * question that is cancelled while it is held is answered with an error, as polkit does. */
FakeService *fake_polkit_service(FakePolkit *fake);

void fake_polkit_set(FakePolkit *fake, const char *action, FakePolkitAnswer answer);
/* How often @action was asked for. */
guint fake_polkit_asked(FakePolkit *fake, const char *action);
/* (transfer full) (nullable): the last question, ((sa{sv})sa{ss}us). */
GVariant *fake_polkit_last_question(FakePolkit *fake);
