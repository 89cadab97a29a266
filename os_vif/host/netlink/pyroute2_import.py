# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Import of pyroute2 at first use."""

from __future__ import annotations

import importlib
from types import ModuleType

from os_vif.forking import ForkSafeLock

#: The modules of pyroute2 import each other in a cycle. Without the lock a second thread, or a
#: child process after a fork, would see a partly imported module.
_lock = ForkSafeLock()


def load(name: str) -> ModuleType:
    """Import a module of pyroute2, or return the imported module."""
    with _lock:
        # Another library may import pyroute2 at the same time. The import of the package waits for
        # the end of that import; the import of a module would be refused as a deadlock.
        importlib.import_module("pyroute2")
        return importlib.import_module(name)
