# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The lock for late imports."""

from __future__ import annotations

from os_vif.forking import ForkSafeLock

#: Held during the late import of a module. Another green thread, or a child process after a fork,
#: would otherwise use a partly imported module.
first_use = ForkSafeLock()
