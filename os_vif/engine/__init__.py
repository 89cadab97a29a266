# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the engine that runs a plan of :mod:`os_vif.steps`, or checks one."""

from __future__ import annotations

from types import ModuleType

from os_vif.forking import ForkSafeLock

#: Held while a module is imported at its first use. Green threads that import the same module at
#: the same time would see it half initialised, and so would a child process that is forked.
first_use = ForkSafeLock()


def load_engine() -> ModuleType:
    """Return the module of the engine, which is imported with the first plug or check."""
    with first_use:
        from os_vif.engine import runner

        return runner
