# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the engine, which runs or checks a plan of :mod:`os_vif.steps`.

``runner`` orders the steps and rolls back. ``kernel`` calls the privileged daemon, where ``daemon``
asks ``policy`` and applies the steps. ``ovs_executor`` and ``ovs`` make transactions in the database
of Open vSwitch.
"""

from __future__ import annotations

from types import ModuleType

from os_vif.forking import ForkSafeLock

#: Held during the late import of a module. Another green thread, or a child process after a fork,
#: would otherwise use a partly imported module.
first_use = ForkSafeLock()


def load_engine() -> ModuleType:
    """Return the module :mod:`os_vif.engine.runner`; the first plug or check imports the module."""
    with first_use:
        from os_vif.engine import runner

        return runner
