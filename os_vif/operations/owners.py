# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Private: the owner of VIFs, for the commands."""

from __future__ import annotations

from os_vif.engine.recording import keeping_owner

__all__ = ["keeping_owner"]
