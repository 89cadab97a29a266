# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Release 1.8.0 alone kept the addresses of a port on the VIF, not in its subnets.

It numbered this ``VIFBase`` 1.1 and ``Subnet`` 1.1, and took both back in 1.9.0.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from os_vif.codec import construct
from os_vif.codec.address import contains
from os_vif.codec.compiled import CHANGED
from os_vif.codec.primitive import PRIMITIVES
from os_vif.objects.versioning import history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.objects.versioning.manifest import TargetManifest


@functools.cache
def _fixed_ip_list() -> Any:
    """Return the class FixedIPList, whose module imports this one."""
    return history.public_classes()["FixedIPList"]


def read_addresses(vif: Any, primitive: dict[str, Any]) -> None:
    """Set ``fixed_ips`` of a VIF from a payload, and the addresses of its subnets."""
    data = vif._obj_primitive_field(primitive, "data")
    if "fixed_ips" not in data or "fixed_ips" in vif.fields:
        return
    vif.fixed_ips = _fixed_ip_list().obj_from_primitive(data["fixed_ips"], vif._context)
    changes = vif._obj_primitive_field(primitive, "changes", ())
    place_addresses(vif, is_changed="fixed_ips" in changes)


def place_addresses(vif: Any, *, is_changed: bool) -> None:
    """Copy the addresses of ``fixed_ips`` to the subnets that contain them.

    :param is_changed: True if the payload listed ``fixed_ips`` as changed.
    """
    if is_changed:
        vif._changed_fields.add("fixed_ips")
    addresses = [
        (address, ip)
        for ip in _value(vif.fixed_ips, "objects") or ()
        if (address := _value(ip, "address")) is not None
    ]
    for subnet in subnets(vif):
        cidr = _value(subnet, "cidr")
        if cidr is None or "ips" in subnet:
            continue
        inside = [construct.duplicate(ip) for address, ip in addresses if contains(cidr, address)]
        if inside:
            listing = _fixed_ip_list()(objects=inside)
            # The payload did not have these addresses, so no field counts as changed.
            for obj in (*inside, listing):
                vars(obj)[CHANGED] = set()
            construct.set_unchanged(subnet, "ips", listing)


def _value(obj: Any, name: str) -> Any:
    """Return the value of a field; None for an unset field."""
    return PRIMITIVES[type(obj)].state_of(obj).get(f"_obj_{name}")


def move_addresses_to_vif(
    vif: Any, primitive: dict[str, Any], peer: TargetManifest
) -> Iterable[Any]:
    """Put the addresses where 1.8.0 reads them, if the reader is 1.8.0; return the addresses."""
    if not history.withdrawn_version(history.public_classes()["VIFBase"], peer.get("VIFBase")):
        return ()
    if "fixed_ips" in vif.fields:
        return ()
    own = vars(vif).get("fixed_ips")
    if not isinstance(own, _fixed_ip_list()):
        # Any keyword may have become an attribute.
        own = None
    addresses = list(members(own))
    seen = {str(ip.address) for ip in addresses if "address" in ip}
    more = [
        ip
        for subnet in subnets(vif)
        for ip in members(subnet.ips if "ips" in subnet else None)
        if "address" not in ip or str(ip.address) not in seen
    ]
    if own is None or more:
        if not addresses + more:
            return ()
        own = _fixed_ip_list()(objects=addresses + more)
        if not vif.obj_what_changed():
            own.obj_reset_changes()
    primitive["fixed_ips"] = own.obj_to_primitive(version_manifest=peer)
    return members(own)


def key_of(ip: Any) -> tuple[Any, ...]:
    """Return what identifies an address of a port: the address and its floating addresses."""
    return tuple(getattr(ip, name) if name in ip else None for name in ("address", "floating_ips"))


def subnets(vif: Any) -> Iterable[Any]:
    network = vif.network if "network" in vif else None
    return members(network.subnets if network is not None and "subnets" in network else None)


def members(listing: Any) -> Iterable[Any]:
    """The members of a list object, which may be unset."""
    return listing.objects if listing is not None and "objects" in listing else ()
