# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""CHECK: the state of an attachment that the runtime may expect.

``prevResult`` decides, because later plugins of a chain may have changed the pod: the MAC address is
the address in ``prevResult``, and exactly the addresses and routes in ``prevResult`` are expected,
also those of later plugins. A route may be in any table. MTU and kernel parameters are no part of a
result before 1.1.0, so differences of the MTU are no errors.
"""

from __future__ import annotations

import copy
import ipaddress
import os
import socket
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import objects
from os_vif.cni.attachment_result import DEFAULT_ROUTES, interface_of
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import Invocation
from os_vif.cni.vif_source import PodVif, read_address, read_destination
from os_vif.host import limits
from os_vif.host.netlink import pod_namespaces, rtnetlink
from os_vif.operations.pod_plugging import pod_layer_3
from os_vif.sandbox import Sandbox
from os_vif.steps.ip import addresses, routes

if TYPE_CHECKING:
    from os_vif.host.netlink.rtnetlink import Link, Netlink
    from os_vif.steps.plan import Difference

#: Attributes and steps whose settings the plugin tuning may change.
_CHANGEABLE = frozenset(("MTU", "promiscuous mode", "queue discipline"))
_CHANGEABLE_STEPS = frozenset(("SetSysctl",))


def require_interface(invocation: Invocation, previous: Mapping[str, Any]) -> int:
    """Return the index of the pod's interface in ``prevResult``.

    :raises CniError: if ``prevResult`` does not have the interface in the namespace of the pod.
    """
    interfaces = previous.get("interfaces") or ()
    for number, each in enumerate(interfaces):
        if each.get("name") == invocation.ifname and _is_same_file(
            each.get("sandbox"), invocation.netns
        ):
            return number
    raise CniError(
        Code.INVALID_CONFIGURATION,
        "invalid network configuration",
        f"prevResult has no interface {invocation.ifname} with the sandbox {invocation.netns}",
    )


def _is_same_file(path: object, other: str) -> bool:
    """Return whether two paths name the same file, or are equal."""
    if not isinstance(path, str) or not path:
        return False
    try:
        return path == other or os.path.samefile(path, other)  # noqa: PTH121 - any text
    except (OSError, ValueError):
        return False


def expected_vif(
    invocation: Invocation, pod: PodVif, previous: Mapping[str, Any]
) -> objects.VIFBase:
    """Return the VIF of an attachment with the values of ``prevResult``."""
    own = require_interface(invocation, previous)
    interface = (previous.get("interfaces") or ())[own]
    vif = copy.deepcopy(pod.vif)
    if interface.get("mac"):
        vif.address = interface["mac"]
    network: Any = vif.network if "network" in vif else None
    if network is None or "subnets" not in network:
        return vif
    addresses = {
        str(interface_of(each).ip)
        for each in previous.get("ips") or ()
        if each.get("interface") in (None, own)
    }
    destinations = {str(each.get("dst")) for each in previous.get("routes") or ()}
    for subnet in network.subnets.objects:
        if "ips" in subnet:
            subnet.ips.objects = [
                each for each in subnet.ips.objects if str(each.address) in addresses
            ]
        if "routes" in subnet:
            subnet.routes.objects = [
                each for each in subnet.routes.objects if str(each.cidr) in destinations
            ]
    return vif


def has_default_route(previous: Mapping[str, Any]) -> bool:
    """Return whether ``prevResult`` lists a default route."""
    destinations = {str(each.get("dst")) for each in previous.get("routes") or ()}
    return not destinations.isdisjoint(DEFAULT_ROUTES)


def relevant(found: Iterable[Difference]) -> list[Difference]:
    """Return the differences without the settings of later plugins, and without pending ones."""
    return [
        each
        for each in found
        if not each.pending
        and each.attribute not in _CHANGEABLE
        and each.step not in _CHANGEABLE_STEPS
    ]


def require_listed(
    invocation: Invocation, vif: objects.VIFBase, sandbox: Sandbox, previous: Mapping[str, Any]
) -> None:
    """Check that the host and the pod have the resources of ``prevResult``.

    :param vif: the VIF of :func:`expected_vif`; the pod has its addresses and routes.
    :raises CniError: with the missing interfaces of the host, addresses and routes.
    """
    missing = [*_missing_host_interfaces(vif, previous)]
    left = _without_settings_of(vif, sandbox, previous)
    if sandbox.identity is not None and (left["ips"] or left["routes"]):
        with (
            pod_namespaces.opened(invocation.netns, sandbox.identity) as namespace,
            namespace.entered() as net,
        ):
            link = net.link(invocation.ifname)
            # A pod with a vhost-user socket has no interface.
            if link is not None:
                own = require_interface(invocation, previous)
                missing += _missing_addresses(net, link, own, left)
                missing += _missing_routes(net, link, left)
    if missing:
        raise CniError(
            Code.DIFFERS,
            f"{invocation.ifname} of the pod is not as in prevResult",
            "; ".join(missing),
        )


def _without_settings_of(
    vif: objects.VIFBase, sandbox: Sandbox, previous: Mapping[str, Any]
) -> dict[str, list[Any]]:
    """Return the addresses and routes of ``prevResult`` that are not settings of the VIF."""
    own_addresses, own_routes, _ = pod_layer_3.read_layer_3(
        vif, default_gateway=sandbox.default_gateway
    )
    known_addresses = {each.address for each in own_addresses}
    known_routes = {
        (str(each.destination), gateway)
        for each in own_routes
        for gateway in ("", each.gateway or "")
    }
    return {
        "ips": [
            each
            for each in previous.get("ips") or ()
            if str(each.get("address")) not in known_addresses
        ],
        "routes": [
            each
            for each in previous.get("routes") or ()
            if (str(each.get("dst")), str(each.get("gw") or "")) not in known_routes
        ],
    }


def _missing_host_interfaces(vif: objects.VIFBase, previous: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each interface of the host that is missing.

    Only the MAC address of the pair's end must be equal: a bridge has the address of a port.
    """
    pair = getattr(vif, "vif_name") if "vif_name" in vif else None  # noqa: B009 - a field of some classes
    listed = [each for each in previous.get("interfaces") or () if not each.get("sandbox")]
    with rtnetlink.opened() as net:
        for each in listed:
            name, mac = each.get("name"), str(each.get("mac") or "").lower()
            link = net.link(name) if limits.is_device_name(name) else None
            if link is None:
                yield f"the host has no interface {name}"
            elif name == pair and mac not in ("", link.address):
                yield f"{name} has the MAC address {link.address}, not {mac}"


def _missing_addresses(
    net: Netlink, link: Link, own: int, previous: Mapping[str, Any]
) -> Iterator[str]:
    """Yield a sentence for each missing address of the pod's interface.

    An address without an index of an interface may be on any interface of the pod.
    """
    held = {each.address for each in addresses.read_addresses(net, link)}
    for each in previous.get("ips") or ():
        wanted = interface_of(each)
        if each.get("interface") not in (None, own) or str(wanted) in held:
            continue
        # The kernel gives IPv6 link-local addresses.
        if wanted.version == 6 and wanted.is_link_local:  # noqa: PLR2004 - the version of IP
            continue
        if each.get("interface") is None and str(wanted) in {
            found.address for any_ in net.links() for found in addresses.read_addresses(net, any_)
        }:
            continue
        yield f"{link.name} does not have the address {wanted}"


def _missing_routes(net: Netlink, link: Link, previous: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each missing route of the pod, which may be of any interface."""
    listed = previous.get("routes") or ()
    if not listed:
        return
    held = {
        (ipaddress.ip_network(route.destination), gateway)
        for family in (socket.AF_INET, socket.AF_INET6)
        for message in routes.dump_routes(net, None, family)
        for route, _ in [routes.parse_route(link, message)]
        for gateway in (None, route.gateway)
    }
    for each in listed:
        wanted, gateway = read_destination(each), read_address("routes.gw", each.get("gw"))
        if (wanted, gateway) not in held:
            via = f" via {gateway}" if gateway else ""
            yield f"the pod does not have the route to {wanted}{via}"
