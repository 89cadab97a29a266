# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plans for pods: the steps of the plugin on the host, and the steps in the pod.

The plan of a plug is the plan of the plugin, the device of the pod, and the settings of the pod.
"""

from __future__ import annotations

import dataclasses
import ipaddress
from typing import TYPE_CHECKING, Any

from os_vif import call_errors, exception, objects
from os_vif.escape import with_article
from os_vif.plugins import vif_fields
from os_vif.sandbox import PodAddress, PodResult, PodRoute, Sandbox
from os_vif.steps import (
    DeleteLink,
    EnsureAddress,
    EnsureBridge,
    EnsureRoute,
    Plan,
    SetLink,
    SetSysctl,
)
from os_vif.steps.pod.in_pod import InPod
from os_vif.steps.pod.pod_veth import EnsurePodVeth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from os_vif.steps.kernel_step import KernelStep
    from os_vif.steps.plan import Step

_DEFAULT_ROUTE = {4: "0.0.0.0/0", 6: "::/0"}


@dataclasses.dataclass(frozen=True)
class Target:
    """The open network namespace of a pod."""

    #: Path of the namespace file.
    netns: str
    #: ``DEVICE:INODE`` of the file.
    netns_id: str
    sandbox: Sandbox
    #: False if the namespace has gone.
    is_present: bool = True

    @property
    def ifname(self) -> str:
        return self.sandbox.ifname

    def step(self, inner: KernelStep) -> InPod:
        """Return a step in the pod."""
        return InPod.of(self.netns, self.netns_id, inner)


def plan_plug(plugin: Any, vif: Any, instance_info: Any, target: Target) -> tuple[Plan, PodResult]:
    """Return the plan of a plug and the result of a successful run.

    :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    """
    host = _host_plan(plugin, vif, instance_info, "plug")
    if isinstance(vif, objects.VIFBridge):
        return _plan_veth(plugin, vif, host, target)
    raise vif_fields.invalid("vif", with_article(vif.obj_name()), "a VIFBridge")


def plan_unplug(plugin: Any, vif: Any, instance_info: Any, target: Target) -> Plan:
    """Return the plan of an unplug.

    :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    """
    del target
    host = _host_plan(plugin, vif, instance_info, "unplug")
    steps: tuple[Step, ...] = ()
    if isinstance(vif, objects.VIFBridge):
        # The kernel deletes the other end in the pod, too.
        steps = (DeleteLink(vif_fields.named(vif, "vif_name"), include_unmanaged=True),)
    return Plan(*steps, *host, switch=host.switch)


def _host_plan(plugin: Any, vif: Any, instance_info: Any, action: str) -> Plan:
    if not call_errors.has_plan(plugin, action):
        raise exception.PlanNotSupported(
            plugin_name=vif.plugin, reason=f"{action}() of the plugin acts without a plan"
        )
    return call_errors.plan_of(plugin, vif, instance_info, action)


def _plan_veth(plugin: Any, vif: Any, host: Plan, target: Target) -> tuple[Plan, PodResult]:
    """Return the plan for a veth pair whose end on the host is in a Linux bridge."""
    name, bridge = vif_fields.named(vif, "vif_name"), vif_fields.named(vif, "bridge_name")
    mac, mtu = vif_fields.mac(vif), _mtu(plugin, vif)
    # The daemon accepts a bridge that the call names.
    named = any(isinstance(step, EnsureBridge) and step.name == bridge for step in host)
    steps = (
        *host,
        *(() if named else (EnsureBridge(bridge),)),
        EnsurePodVeth(name, target.netns, target.netns_id, target.ifname, mac, mtu, bridge),
        SetSysctl(name, "disable_ipv6", 1),
        SetLink(name, mtu=mtu, master=bridge, up=True),
    )
    return _with_pod(steps, host, vif, target, mac=mac, mtu=mtu, host_name=name)


def _with_pod(
    steps: tuple[Step, ...],
    host: Plan,
    vif: Any,
    target: Target,
    *,
    mac: str | None,
    mtu: int | None,
    host_name: str | None,
    pci_id: str | None = None,
) -> tuple[Plan, PodResult]:
    """Return a plan with the settings of the pod's interface at the end, and the result."""
    addresses, routes, dns = read_layer_3(vif, default_gateway=target.sandbox.default_gateway)
    result = PodResult(
        name=target.ifname,
        mac=mac,
        mtu=mtu,
        host_name=host_name,
        netns=target.netns,
        addresses=addresses,
        routes=routes,
        dns=dns,
        pci_id=pci_id,
    )
    inner = _pod_steps(target.ifname, result)
    return Plan(*steps, *map(target.step, inner), switch=host.switch), result


def _pod_steps(ifname: str, result: PodResult) -> Iterator[KernelStep]:
    """Yield the steps for the settings of a pod's interface."""
    yield SetLink("lo", up=True)
    has_ipv6 = any(":" in address.address for address in result.addresses)
    # Before the device is up and gets a link-local address.
    yield SetSysctl(ifname, "disable_ipv6", 0 if has_ipv6 else 1)
    yield SetLink(ifname, address=result.mac, mtu=result.mtu, up=True)
    for address in result.addresses:
        yield EnsureAddress(ifname, address.address)
    for route in result.routes:
        yield EnsureRoute(ifname, route.destination, route.gateway)


def read_layer_3(
    vif: Any, *, default_gateway: bool
) -> tuple[tuple[PodAddress, ...], tuple[PodRoute, ...], tuple[str, ...]]:
    """Return addresses, routes and name servers of ``vif.network.subnets``, each once.

    :param default_gateway: add the default routes.
    :raises os_vif.exception.InvalidField: for an address without a subnet.
    """
    addresses: dict[str, PodAddress] = {}
    routes: dict[str, PodRoute] = {}
    dns: dict[str, None] = {}
    network = vif_fields.get(vif, "network")
    subnets = vif_fields.get(network, "subnets") if network is not None else None
    for number, subnet in enumerate(subnets or ()):
        gateway = vif_fields.get(subnet, "gateway")
        gateway = None if gateway is None else str(gateway)
        for ip in _addresses_of(subnet, number):
            addresses.setdefault(ip, PodAddress(ip, gateway))
        for route in vif_fields.get(subnet, "routes") or ():
            destination = str(ipaddress.ip_network(str(route.cidr), strict=False))
            via = vif_fields.get(route, "gateway")
            routes.setdefault(
                destination, PodRoute(destination, None if via is None else str(via))
            )
        for server in vif_fields.get(subnet, "dns") or ():
            dns[str(server)] = None
        if default_gateway and gateway is not None:
            default = _DEFAULT_ROUTE[ipaddress.ip_address(gateway).version]
            routes.setdefault(default, PodRoute(default, gateway))
    return tuple(addresses.values()), tuple(routes.values()), tuple(dns)


def _addresses_of(subnet: Any, number: int) -> Iterator[str]:
    """Yield the addresses of a port in a subnet, each with the prefix length of the subnet."""
    ips = vif_fields.get(subnet, "ips") or ()
    cidr = vif_fields.get(subnet, "cidr")
    for ip in ips:
        if cidr is None:
            field = f"vif.network.subnets[{number}].cidr"
            raise vif_fields.invalid(field, "unset", "the network of the addresses")
        length = str(cidr).rpartition("/")[2]
        yield str(ipaddress.ip_interface(f"{ip.address}/{length}"))


def _mtu(plugin: Any, vif: Any) -> int | None:
    """Return the MTU of the network in bytes, or of the plugin's options; None for neither."""
    config = plugin.config
    if getattr(config, "network_device_mtu", None) is None:
        network = vif_fields.get(vif, "network")
        return (vif_fields.get(network, "mtu") or None) if network is not None else None
    return vif_fields.mtu(vif, config, f"os_vif_{vif.plugin}")
