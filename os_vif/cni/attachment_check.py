# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""CHECK: the state of an attachment that the runtime may expect.

``prevResult`` decides, because later plugins of a chain may have changed the pod: the MAC address is
the address in ``prevResult``, and only addresses and routes in ``prevResult`` are expected. MTU and
kernel parameters are no part of a result before 1.1.0, so differences of the MTU are no errors.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from os_vif import objects
from os_vif.cni.attachment_result import DEFAULT_ROUTES, interface_of
from os_vif.cni.cni_error import CniError, Code
from os_vif.cni.invocation import Invocation
from os_vif.cni.vif_source import PodVif

if TYPE_CHECKING:
    from os_vif.steps.plan import Difference

#: Attributes and steps whose settings the plugin tuning may change.
_CHANGEABLE = frozenset(("MTU", "promiscuous mode", "queue discipline"))
_CHANGEABLE_STEPS = frozenset(("SetSysctl",))


def require_interface(invocation: Invocation, previous: Mapping[str, Any]) -> int:
    """Return the index of the pod's interface in ``prevResult``.

    :raises CniError: if ``prevResult`` has interfaces, but not the pod's.
    """
    interfaces = previous.get("interfaces") or ()
    for number, each in enumerate(interfaces):
        if each.get("name") == invocation.ifname and each.get("sandbox"):
            return number
    raise CniError(
        Code.INVALID_CONFIGURATION,
        "invalid network configuration",
        f"prevResult has no interface {invocation.ifname} with a sandbox",
    )


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
