# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The addresses of a port in release 1.8.0: an attribute of the VIF, not a field of the subnets.

Release 1.8.0 had version 1.1 of ``VIFBase`` and of ``Subnet``; release 1.9.0 withdrew the two
versions.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from os_vif.codec import construct
from os_vif.codec.address import select_inside
from os_vif.codec.primitive import PRIMITIVES
from os_vif.objects.versioning import history

if TYPE_CHECKING:
    from collections.abc import Iterable

    from os_vif.objects.versioning.manifest import TargetManifest


@functools.cache
def _fixed_ip_list() -> Any:
    """Return the class FixedIPList. The module of the class imports :mod:`release_1_8`."""
    return history.public_classes()["FixedIPList"]


def read_addresses(vif: Any, primitive: dict[str, Any]) -> None:
    """Set ``fixed_ips`` of a VIF, and ``ips`` of the subnets, from a payload of release 1.8.0."""
    data = vif._obj_primitive_field(primitive, "data")
    if "fixed_ips" not in data or "fixed_ips" in vif.fields:
        return
    vif.fixed_ips = _fixed_ip_list().obj_from_primitive(data["fixed_ips"], vif._context)
    if "fixed_ips" in vif._obj_primitive_field(primitive, "changes", ()):
        vif._changed_fields.add("fixed_ips")
    place_addresses(vif)


def place_addresses(vif: Any) -> None:
    """Copy each address of ``fixed_ips`` to the subnet with the address."""
    addresses = [
        (address, ip)
        for ip in members(vif.fixed_ips)
        if (address := value_of(ip, "_obj_address")) is not None
    ]
    cls = _fixed_ip_list()
    for subnet in subnets(vif):
        cidr = value_of(subnet, "_obj_cidr")
        if cidr is None or "_obj_ips" in subnet.__dict__:
            continue
        if inside := select_inside(cidr, addresses):
            # The payload lacks the field ``ips``, so no field counts as changed.
            construct.set_unchanged(subnet, "ips", construct.list_copies(cls, inside))


def move_addresses_to_vif(
    vif: Any, primitive: dict[str, Any], peer: TargetManifest
) -> Iterable[Any]:
    """Write ``fixed_ips`` into a primitive for release 1.8.0, and return the written addresses."""
    if not history.withdrawn_version(history.public_classes()["VIFBase"], peer.get("VIFBase")):
        return ()
    if "fixed_ips" in vif.fields:
        return ()
    own = vars(vif).get("fixed_ips")
    if not isinstance(own, _fixed_ip_list()):
        # The constructor of a VIF stores unknown keywords as attributes.
        own = None
    addresses = list(members(own))
    seen = {str(ip.address) for ip in addresses if "address" in ip}
    more = [
        ip
        for subnet in subnets(vif)
        for ip in members(value_of(subnet, "_obj_ips"))
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
    """Return the identity of an address of a port: the address and the floating addresses."""
    return value_of(ip, "_obj_address"), value_of(ip, "_obj_floating_ips")


def subnets(vif: Any) -> Iterable[Any]:
    """Return the subnets of a VIF; none for unset fields."""
    network = value_of(vif, "_obj_network")
    return members(None if network is None else value_of(network, "_obj_subnets"))


def members(listing: Any) -> Iterable[Any]:
    """Return the members of a list object; none for None."""
    return () if listing is None else value_of(listing, "_obj_objects") or ()


def value_of(obj: Any, attribute: str) -> Any:
    """Return the value of a field by the attribute of oslo; None for an unset field."""
    value = obj.__dict__.get(attribute)
    if value is None:
        # The class of a third party may store the value in another attribute.
        value = PRIMITIVES[type(obj)].state_of(obj).get(attribute)
    return value
