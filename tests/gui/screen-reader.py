# SPDX-License-Identifier: LGPL-2.1-or-later
"""What a screen reader asks of the desktop manager over the accessibility bus. Prints what is not as it should be.

    names              each widget that can have the focus has a name
    vm NAME STATE      the list has this virtual machine, and says its state
    press NAME         presses the button with this name
    disabled NAME      the button with this name can't be pressed
    text TEXT          this is somewhere to be read
    meter NAME FIGURE  there is a meter of this, and its name says the figure, or what is like it
"""

import sys

import gi
import pyatspi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

# How long the window may take for an answer, also where it has just come, in milliseconds: only who hangs takes so long.
# libatspi's own 800 ms are too few on a busy machine, and what had been pressed would be pressed again.
PATIENCE = 60000

# What is in them has the focus, if anything can.
NAMELESS = {pyatspi.ROLE_SCROLL_PANE, pyatspi.ROLE_LIST}
# They have a name, and GTK's own parts inside have none.
WITH_PARTS = {pyatspi.ROLE_COMBO_BOX, pyatspi.ROLE_SPIN_BUTTON}


def below(node):
    """The node and all that is in it, parents first."""
    yield node
    for i in range(node.childCount):
        child = node.getChildAtIndex(i)
        if child is not None:
            yield from below(child)


def windows():
    for application in pyatspi.Registry.getDesktop(0):
        if application is not None:
            yield from application


def find(role, name, root=None):
    for top in [root] if root else windows():
        for node in below(top):
            if node.getRole() == role and (name is None or node.name == name):
                yield node


def path(node):
    parts = []
    while node is not None and node.getRole() != pyatspi.ROLE_APPLICATION:
        parts.append(f"{node.getRoleName()} “{node.name}”")
        node = node.parent
    return " in ".join(part for part in parts if not part.startswith(("panel", "filler")))


def is_part(node):
    parent = node.parent
    while parent is not None and parent.getRole() != pyatspi.ROLE_APPLICATION:
        if parent.getRole() in WITH_PARTS:
            return True
        parent = parent.parent
    return False


def has_place(node):
    """What is on a page that nobody goes to has no size."""
    extents = node.queryComponent().getExtents(pyatspi.WINDOW_COORDS)
    return extents.width > 0 and extents.height > 0


def is_expander(node):
    """libadwaita's rows that unfold are a row with a list inside; the first of that is what has the focus."""
    return node.getRole() == pyatspi.ROLE_LIST_ITEM and any(find(pyatspi.ROLE_LIST, None, node))


def names():
    seen = 0
    for top in windows():
        for node in below(top):
            if not node.getState().contains(pyatspi.STATE_FOCUSABLE) or node.getRole() in NAMELESS:
                continue
            if not has_place(node) or is_expander(node):
                continue
            seen += 1
            name = node.name or ""
            # What has no name is called by its class.
            if (not name or name.startswith(("Gtk", "Adw", "BerthUi"))) and not is_part(node):
                print("no name:", path(node))
            words = name.split()
            half = len(words) // 2
            if words and words[:half] == words[half:]:
                print("said twice:", path(node))
    if seen == 0:
        print("nothing can have the focus")


def vm(name, state):
    for machines in find(pyatspi.ROLE_LIST, "Virtual Machines"):
        for item in find(pyatspi.ROLE_LIST_ITEM, f"{name}, {state}", machines):
            if any(find(pyatspi.ROLE_STATUS_BAR, state, item)):
                return
        print("in the list:", [item.name for item in machines])
    print(f"no {name} that is {state}")


def button(name, sensitive):
    for node in find(pyatspi.ROLE_PUSH_BUTTON, name):
        if node.getState().contains(pyatspi.STATE_SENSITIVE) == sensitive:
            return node
    print(f"no button {name} with sensitive: {sensitive}")
    return None


def press(name):
    node = button(name, True)
    if node and not node.queryAction().doAction(0):
        print(f"{name} was not pressed")


def disabled(name):
    button(name, False)


def meter(name, figure):
    names = [node.name for node in find(pyatspi.ROLE_LEVEL_BAR, None)]
    if not any(said.startswith(f"{name}: ") and figure in said for said in names):
        print(f"no meter {name} with {figure}:", names)


def text(words):
    if not any(node.name == words for top in windows() for node in below(top)):
        print(f"nothing says: {words}")


Atspi.set_timeout(PATIENCE, PATIENCE)
try:
    globals()[sys.argv[1]](*sys.argv[2:])
except (GLib.Error, LookupError, NotImplementedError) as error:
    # A window that changes while it is read: what was seen a moment ago isn't there, or has another role.
    print("changed meanwhile:", error)
