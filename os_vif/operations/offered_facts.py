# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The offer of a host: the plugins, and the facts that are readable without privileges.

An unreadable fact stays unset. The physical networks are from ``ovn-bridge-mappings`` of OVN;
agents of ML2 publish the mappings of ML2.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from os_vif import exception
from os_vif.host.ovsdb.connection import Ovsdb
from os_vif.host.ovsdb.notation import mapping, values
from os_vif.host.sriov import inventory
from os_vif.negotiation.offer_readers import INTERFACE_TYPES, of_host_info
from os_vif.objects.versioning.releases import CURRENT_RELEASE

if TYPE_CHECKING:
    from os_vif.host.ovsdb.remotes import Target
    from os_vif.objects import GuestOffer, HostInfo, HostOffer
    from os_vif.plugin import PluginBase

LOG = logging.getLogger(__name__)


def make_offer(
    info: HostInfo,
    plugins: Mapping[str, PluginBase],
    host: str | None,
    guest: GuestOffer | None,
) -> HostOffer:
    """Return the offer of the host.

    :param info: the plugins with classes and port profiles.
    :param plugins: the loaded plugins by name.
    :param host: the name of the host; by default the host name of the system.
    :param guest: the settings of the guest; None for an offer without a guest.
    """
    offer = of_host_info(info, CURRENT_RELEASE, host or socket.gethostname())
    offer.offloads = sorted(_read_offloads())
    switch = getattr(plugins.get("ovs"), "switch", None)
    if callable(switch):
        try:
            _add_switch_facts(offer, switch())
        except exception.ExceptionBase as error:
            LOG.info("The offer has no facts of Open vSwitch: %s", error)
    if guest is not None:
        offer.guest = guest
    return offer


def _add_switch_facts(offer: HostOffer, target: Target) -> None:
    """Add the facts of Open vSwitch to an offer.

    :raises os_vif.exception.OvsdbError: if the database cannot be read.
    """
    with Ovsdb.to(target) as ovsdb:
        columns = ["iface_types", "external_ids"]
        root = next(iter(ovsdb.select("Open_vSwitch", [], columns)), None)
        bridges = ovsdb.select("Bridge", [], ["datapath_type"])
    if root is None:
        return
    external_ids = mapping(root["external_ids"])
    offer.interface_types = sorted({*map(str, values(root["iface_types"]))} & {*INTERFACE_TYPES})
    types = {str(row["datapath_type"]) or "system" for row in bridges}
    configured = external_ids.get("ovn-bridge-datapath-type")
    if types or configured:
        offer.datapath_types = sorted(types | ({configured} if configured else set()))
    networks = external_ids.get("ovn-bridge-mappings")
    if networks is not None:
        names = (entry.partition(":")[0].strip() for entry in networks.split(","))
        offer.physical_networks = sorted({name for name in names if name})


def _read_offloads() -> Iterable[str]:
    """Yield the offloads of the network cards."""
    if any(card.mode == inventory.SWITCHDEV for card in inventory.physical_functions()):
        yield "representor"
    if _has_vdpa():
        yield "vdpa"


def _has_vdpa() -> bool:
    """Return True if a network card has a management device of vDPA."""
    # Loads pyroute2.
    from os_vif.steps.sriov import vdpa

    try:
        return bool(vdpa.management_devices())
    except OSError as error:
        LOG.debug("The kernel lists no management devices of vDPA: %s", error.strerror)
        return False
