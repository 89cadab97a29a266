# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Negotiation: bind a port of neutron to a VIF for the plugins of a host.

Controllers import the package. The package reads no state of a host, loads no plugin, and opens
no file or socket.

:class:`~os_vif.objects.HostOffer`, here named ``Offer``, has the VIFs for a host; :func:`os_vif.offer` makes the offer on the host, and
:func:`of_host_info`, :func:`of_agent`, :func:`of_chassis` and :func:`of_document` read an offer
from published data.
:func:`vif_of` and :func:`details_of` translate between ``vif_details`` of neutron and a VIF.
:func:`bind` writes a VIF for the release of a host, and :func:`verdict` judges a live migration.
"""

from __future__ import annotations

from os_vif.negotiation.isolation import needs_isolation
from os_vif.negotiation.move_verdict import FieldChange, Verdict, verdict
from os_vif.negotiation.offer_readers import of_agent, of_chassis, of_document, of_host_info
from os_vif.negotiation.port_binding import Bound, agent_state, bind, profile_of_guest
from os_vif.negotiation.vif_exchange import details_of, vif_of
from os_vif.objects import GuestOffer as Guest
from os_vif.objects import HostOffer as Offer

__all__ = [
    "Bound",
    "FieldChange",
    "Guest",
    "Offer",
    "Verdict",
    "agent_state",
    "bind",
    "details_of",
    "needs_isolation",
    "of_agent",
    "of_chassis",
    "of_document",
    "of_host_info",
    "profile_of_guest",
    "verdict",
    "vif_of",
]
