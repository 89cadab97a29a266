# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Validation of the result of an IPAM plugin, before the pod is plugged."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from os_vif.cni import attachment_result
from os_vif.cni.cni_error import CniError, Code
from os_vif.escape import abbreviated
from os_vif.host.netlink import uapi

#: Scope of a route to a network on the link.
SCOPE_LINK = uapi.RT_SCOPE_LINK
#: Values of fields of routes that os-vif applies; the first is the default of each field.
_ROUTE_VALUES = {
    "table": (0, 254),
    "priority": (0,),
    "mtu": (0,),
    "advmss": (0,),
    "scope": (0, SCOPE_LINK),
}


class _Kind(NamedTuple):
    """A kind of a text: the function that raises ValueError for an invalid text, and a description."""

    parse: Callable[[str], object]
    expected: str


def _parse_interface(text: str) -> object:
    """Return an address with a prefix.

    :raises ValueError: for another text.
    """
    if "/" not in text:
        raise ValueError(text)
    return ipaddress.ip_interface(text)


_INTERFACE = _Kind(_parse_interface, "an address with a prefix, such as 10.0.0.2/24")
_ADDRESS = _Kind(ipaddress.ip_address, "an IP address")
_NETWORK = _Kind(
    lambda text: ipaddress.ip_network(text, strict=False), "a network such as 10.0.0.0/8"
)


def require_usable(path: str, result: Mapping[str, Any]) -> None:
    """Check the addresses and routes of a result.

    :param path: the IPAM plugin, for errors.
    :raises CniError: with the code 6 for malformed addresses or routes, and with the code 2 for a
        field of a route with a value that os-vif does not apply.
    """
    for number, address in enumerate(_objects(path, result, "ips")):
        field = f"ips[{number}]"
        _require(path, f"{field}.address", address.get("address"), _INTERFACE)
        if address.get("gateway") not in (None, ""):
            _require(path, f"{field}.gateway", address["gateway"], _ADDRESS)
    for number, route in enumerate(_objects(path, result, "routes")):
        field = f"routes[{number}]"
        _require(path, f"{field}.dst", route.get("dst"), _NETWORK)
        if route.get("gw") not in (None, ""):
            _require(path, f"{field}.gw", route["gw"], _ADDRESS)
        _require_route_fields(path, field, route)
    if not isinstance(result.get("dns"), dict | None):
        raise _malformed(path, "dns", result["dns"], "an object")


def applied_routes(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the routes of a result that a pod gets: of the families of the addresses."""
    families = {attachment_result.interface_of(each).version for each in result.get("ips") or ()}
    return [
        route
        for route in result.get("routes") or ()
        if ipaddress.ip_network(str(route["dst"]), strict=False).version in families
    ]


def _objects(path: str, result: Mapping[str, Any], field: str) -> list[dict[str, Any]]:
    """Return a list of objects; a missing list is empty."""
    values = result.get(field)
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(each, dict) for each in values):
        raise _malformed(path, field, values, "a list of objects")
    return values


def _require_route_fields(path: str, field: str, route: Mapping[str, Any]) -> None:
    """Check the fields of a route that 1.1.0 added."""
    for name, applied in _ROUTE_VALUES.items():
        value = route.get(name)
        if value is None:
            continue
        if type(value) is not int:
            raise _malformed(path, f"{field}.{name}", value, "a number")
        if value not in applied or (value == SCOPE_LINK and route.get("gw")):
            raise CniError(
                Code.UNSUPPORTED_FIELD,
                "a field of a route is not supported",
                f"{path} printed {field}.{name} {value} for {abbreviated(route['dst'], 60)}; "
                "os-vif sets routes of the main table without metrics",
            )


def _require(path: str, field: str, value: object, kind: _Kind) -> None:
    """Check a text."""
    try:
        if isinstance(value, str):
            kind.parse(value)
            return
    except ValueError:
        pass
    raise _malformed(path, field, value, kind.expected)


def _malformed(path: str, field: str, value: object, expected: str) -> CniError:
    """Return the error for a malformed result."""
    found = "missing" if value is None else abbreviated(value, 80)
    return CniError(
        Code.UNDECODABLE,
        f"{path} printed a malformed result",
        f"{field} is {found}; expected {expected}",
    )
