# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The privileged daemon of a plugin, for plugin authors: ``Context``.

``DaemonOpener`` opens the socket of ovsdb-server through the daemon of a plugin.

The ``privsep_module`` of a plugin creates a context, and assigns ``run``, ``undo`` and ``check``
from ``Context.entry_points()``. The first call of a function starts the daemon, not the import.
"""

from __future__ import annotations

from os_vif.engine.daemon_opener import DaemonOpener
from os_vif.engine.privsep_context import Context

__all__ = ["Context", "DaemonOpener"]
