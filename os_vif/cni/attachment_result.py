# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""The result of ADD, in the form of each version of the specification.

A result is a plain dict in the newest form. :func:`convert` writes the form of a version: releases
before 1.0.0 have ``version`` in each address, and 1.1.0 added fields of interfaces and routes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any

from os_vif.cni.network_configuration import invalid_field, is_at_least
from os_vif.escape import abbreviated
from os_vif.host.netlink import rtnetlink
from os_vif.sandbox import PodResult

#: The destinations of the default routes.
DEFAULT_ROUTES = frozenset(("0.0.0.0/0", "::/0"))
#: Fields that 1.1.0 added.
_NEW_FIELDS = {
    "interfaces": ("mtu", "socketPath", "pciID"),
    "routes": ("mtu", "advmss", "priority", "table", "scope"),
}


def host_interfaces(vif: Any, plugged: PodResult) -> Iterator[dict[str, Any]]:
    """Yield the bridge and the host's end of the pod's interface."""
    bridge: str | None = getattr(vif, "bridge_name") if "bridge_name" in vif else None  # noqa: B009 - a field of some classes
    with rtnetlink.opened() as net:
        for name in (bridge, plugged.host_name):
            link = net.link(name) if name else None
            if link is not None:
                yield {"name": link.name, "mac": link.address}


def join(
    previous: Mapping[str, Any] | None,
    interfaces: list[dict[str, Any]],
    addresses: list[dict[str, Any]],
    routes: list[dict[str, Any]],
    dns: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the result of an attachment, appended to the result of the plugins before.

    :param previous: ``prevResult``; None for the first plugin.
    :param addresses: the addresses; ``interface`` is an index of *interfaces*.
    """
    before = dict(previous or {})
    offset = len(before.get("interfaces") or ())
    shifted = [
        {**address, "interface": address["interface"] + offset}
        if address.get("interface") is not None
        else dict(address)
        for address in addresses
    ]
    return {
        **before,
        "interfaces": [*(before.get("interfaces") or ()), *interfaces],
        "ips": [*(before.get("ips") or ()), *shifted],
        "routes": [*(before.get("routes") or ()), *routes],
        "dns": dict(dns or before.get("dns") or {}),
    }


def convert(result: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return a result in the form of a version. Values that the version lacks are left out.

    :raises CniError: for an address of ``prevResult`` that is no address.
    """
    written: dict[str, Any] = {**result, "cniVersion": version}
    is_newest = is_at_least(version, "1.1.0")
    for field, names in _NEW_FIELDS.items():
        written[field] = [
            {
                name: value
                for name, value in each.items()
                if (is_newest or name not in names) and value not in ("", None)
            }
            for each in result.get(field) or ()
        ]
    written["ips"] = [_convert_address(each, version) for each in result.get("ips") or ()]
    return written


def _convert_address(address: Mapping[str, Any], version: str) -> dict[str, Any]:
    """Return an address in the form of a version."""
    converted = {name: value for name, value in address.items() if value not in ("", None)}
    converted.pop("version", None)
    if not is_at_least(version, "1.0.0"):
        converted["version"] = str(interface_of(address).version)
    return converted


def interface_of(
    address: Mapping[str, Any],
) -> ipaddress.IPv4Interface | ipaddress.IPv6Interface:
    """Return the address of an item of ``ips``.

    :raises CniError: if the item has no address with a prefix.
    """
    value = address.get("address")
    try:
        # ip_interface() takes an address without a prefix as a network of its own.
        if not isinstance(value, str) or "/" not in value:
            raise ValueError(value)  # noqa: TRY301 - one error for all
        return ipaddress.ip_interface(value)
    except ValueError:
        raise invalid_field(
            "ips.address", abbreviated(value, 60), "an address with a prefix, such as 10.0.0.2/24"
        ) from None
