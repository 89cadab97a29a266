# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Negotiation: bind a port of neutron to a VIF for the plugins of a host.

Controllers import the package. The package reads no state of a host, loads no plugin, and opens
no file or socket.
"""

from __future__ import annotations

from os_vif.negotiation.isolation import needs_isolation
from os_vif.negotiation.vif_exchange import details_of, vif_of

__all__ = ["details_of", "needs_isolation", "vif_of"]
