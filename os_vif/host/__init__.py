# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The host: typed steps, the engine that runs a plan of them, and what it reads of the kernel.

The contract, for authors of plugins and of steps:

1. A step says what has to hold, not what to do. One that already holds changes nothing.
2. A step that changed something yields the steps that undo it.
3. When a step fails, the engine undoes those before it, in reverse, and raises that failure.
4. Everything is checked before anything is touched, and again on the privileged side.
"""

from __future__ import annotations

from types import ModuleType

from os_vif.forking import ForkSafeLock

#: Green threads that import at the same time would see half of a module.
#: A child that was forked meanwhile would see half of one for ever.
first_use = ForkSafeLock()


def load_engine() -> ModuleType:
    """The module of the engine. It, and netlink, come with the first plug or check."""
    with first_use:
        from os_vif.host import engine

        return engine
