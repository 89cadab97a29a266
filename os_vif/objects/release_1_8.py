# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Release 1.8.0 alone kept the addresses of a port on the VIF, not in its subnets.

It numbered this ``VIFBase`` 1.1 and ``Subnet`` 1.1, and took both back in 1.9.0.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from os_vif.objects import fixed_ip, history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.objects.backlevel import Peer
    from os_vif.objects.vif import VIFBase


def read_addresses(vif: VIFBase, data: dict[str, Any]) -> None:
    """Show ``fixed_ips`` of a payload on the VIF, and in the subnets that contain them."""
    if "fixed_ips" not in data:
        return
    vif.fixed_ips = fixed_ip.FixedIPList.obj_from_primitive(data["fixed_ips"], vif._context)
    if "network" not in vif or vif.network is None:
        return
    addresses = [ip for ip in _items(vif, "fixed_ips") if "address" in ip]
    for subnet in vif.network.subnets:
        if "cidr" not in subnet or "ips" in subnet:
            continue
        inside = [ip for ip in addresses if ip.address in subnet.cidr]
        if inside:
            subnet.ips = fixed_ip.FixedIPList(objects=copy.deepcopy(inside))
            # The payload did not have it, so nobody is told that it changed.
            subnet.ips.obj_reset_changes(recursive=True)
            subnet.obj_reset_changes(["ips"])


def write_addresses(vif: VIFBase, primitive: dict[str, Any], peer: Peer) -> None:
    """Put the addresses where 1.8.0 looks for them, if that is who reads."""
    if not history.burnt(history.vocabulary()["VIFBase"], peer.get("VIFBase")):
        return
    addresses = list(_items(vif, "fixed_ips"))
    seen = {str(ip.address) for ip in addresses if "address" in ip}
    for subnet in _items(vif, "network", "subnets"):
        addresses.extend(
            ip
            for ip in _items(subnet, "ips")
            if "address" not in ip or str(ip.address) not in seen
        )
    if addresses or hasattr(vif, "fixed_ips"):
        listed = fixed_ip.FixedIPList(objects=addresses)
        primitive["fixed_ips"] = listed.obj_to_primitive(version_manifest=peer)


def _items(holder: Any, *names: str) -> Iterable[Any]:
    """The members of the list object at the end of a path; none where the path ends early."""
    for name in names:
        holder = getattr(holder, name, None) if name in holder or name == "fixed_ips" else None
        if holder is None:
            return ()
    return holder.objects if "objects" in holder else ()
