/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ui-gtk/widgets/vm-view.h"

/* What the journal says of a VM. It is read only while this is to be seen.
 *
 * Of the service it takes whether that is the user's own. Property: "directory" s, where the journal's files are, NULL
 * for this computer's. */

#define BERTH_UI_TYPE_JOURNAL_PAGE (berth_ui_journal_page_get_type())
G_DECLARE_FINAL_TYPE(BerthUiJournalPage, berth_ui_journal_page, BERTH_UI, JOURNAL_PAGE, BerthUiVmView)
