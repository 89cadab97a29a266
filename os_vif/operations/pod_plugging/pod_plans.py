# SPDX-FileCopyrightText: The os-vif developers
# SPDX-License-Identifier: Apache-2.0

"""Plans for pods: the steps of the plugin on the host, and the steps in the pod.

The plan of a plug has the kernel's steps on the host, the device of the pod, the settings of the
device in the pod, and the steps of Open vSwitch: a failure in the pod reaches no switch, and a
failure of the switch rolls the pod back.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import itertools
from typing import TYPE_CHECKING, Any

from os_vif import call_errors, exception, objects, vif_fields
from os_vif.host.netlink import rtnetlink, uapi
from os_vif.host.state import lent_devices
from os_vif.operations.pod_plugging import pod_layer_3
from os_vif.operations.pod_plugging.pod_devices import Device, Target, way_of
from os_vif.sandbox import PodResult
from os_vif.steps import (
    DeleteLink,
    EnsureAddress,
    EnsureBridge,
    EnsureOvsPort,
    EnsureRoute,
    Plan,
    SetLink,
    SetSysctl,
)
from os_vif.steps.ip import sysctl
from os_vif.steps.kernel_step import KernelStep
from os_vif.steps.pod.bridge_gateway import EnableForwarding, EnsureBridgeGateway
from os_vif.steps.pod.pod_device import ReturnLink
from os_vif.steps.pod.pod_upper_links import DeletePodLink
from os_vif.steps.pod.pod_veth import is_of_other_sandbox

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from os_vif.steps.plan import OvsdbTarget, Step


_GATEWAYS = "sandbox.bridge_addresses"
#: ``IP6_RT_PRIO_USER`` of linux/ipv6_route.h, the metric of an IPv6 route without a metric.
_METRIC_6 = 1024


def plan_plug(plugin: Any, vif: Any, instance_info: Any, target: Target) -> tuple[Plan, PodResult]:
    """Return the plan of a plug and the result of a successful run.

    :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    """
    parts = _parts(plugin, vif, instance_info, target)
    result = _result(vif, parts.device, target)
    inner: Iterator[KernelStep] = iter(())
    if parts.device.has_interface:
        has_ipv6 = _has_ipv6(result)
        inner = itertools.chain(
            _link_steps(target, parts.device, has_ipv6=has_ipv6),
            _layer_3_steps(target.ifname, result),
        )
    steps = (*parts.first, *map(target.step, inner), *parts.last)
    return Plan(*steps, switch=parts.switch), result


def plan_device(
    plugin: Any, vif: Any, instance_info: Any, target: Target
) -> tuple[Plan, Callable[[Any], tuple[Plan, PodResult]]]:
    """Return the first steps of a plug, and a function that returns the other steps.

    The first steps depend on no address: the device of the pod exists after the steps, and is up
    without IPv6. The function receives the VIF with all addresses, and returns the rest of the plan
    and the result of the plug.

    :raises: the errors of :func:`plan_plug`; the function raises InvalidField too.
    """
    parts = _parts(plugin, vif, instance_info, target)
    inner: Iterator[KernelStep] = iter(())
    if parts.device.has_interface:
        inner = _link_steps(target, parts.device, has_ipv6=False)

    def plan_rest(addressed: Any) -> tuple[Plan, PodResult]:
        result = _result(addressed, parts.device, target)
        rest: list[KernelStep] = []
        if parts.device.has_interface:
            rest += [SetSysctl(target.ifname, "disable_ipv6", 0)] if _has_ipv6(result) else []
            rest += _layer_3_steps(target.ifname, result)
        return Plan(*map(target.step, rest), *parts.last, switch=parts.switch), result

    return Plan(*parts.first, *map(target.step, inner)), plan_rest


@dataclasses.dataclass(frozen=True)
class _Parts:
    """The parts of the plan of a plug, without the settings of the device in the pod."""

    device: Device
    #: The steps before the settings.
    first: tuple[Step, ...]
    #: The steps after the settings.
    last: tuple[Step, ...]
    switch: OvsdbTarget | None


def _parts(plugin: Any, vif: Any, instance_info: Any, target: Target) -> _Parts:
    """Return the parts of the plan of a plug.

    :raises: the errors of :func:`plan_plug`.
    """
    way = way_of(vif)
    host = _host_plan(plugin, _for_host(vif), instance_info, "plug")
    device = way(plugin, vif, host, target)
    gateways = _gateway_steps(vif, host, target)
    # The steps of the kernel before those of Open vSwitch are a single call of the daemon.
    before = list(itertools.takewhile(lambda step: isinstance(step, KernelStep), host))
    after = (_must_open(vif, step) for step in list(host)[len(before) :])
    first = (*device.first, *before, *gateways, *device.steps)
    return _Parts(device, first, tuple(after), host.switch)


def plan_unplug(plugin: Any, vif: Any, instance_info: Any, target: Target) -> Plan:
    """Return the plan of an unplug. A namespace that has gone has no steps.

    The plan is empty if the VIF has been plugged into another sandbox since: an unplug of the
    earlier sandbox must not disconnect the pod of the other one.

    :raises os_vif.exception.InvalidField: if a field of the VIF has an unusable value.
    :raises os_vif.exception.PlanNotSupported: if the plugin acts without a plan.
    """
    way_of(vif)
    if is_in_other_sandbox(vif, target):
        return Plan()
    host = _host_plan(plugin, _for_host(vif), instance_info, "unplug")
    own = _removal(vif, target)
    if any(isinstance(step, ReturnLink) for step in own):
        # The driver of a virtual function refuses the earlier MAC address of the device, until the
        # address that the physical function has assigned is released.
        return Plan(*host, *own, switch=host.switch)
    # Ports of Open vSwitch are deleted before their devices, and bridges after their ports.
    before = list(itertools.takewhile(lambda step: not isinstance(step, KernelStep), host))
    return Plan(*before, *own, *list(host)[len(before) :], switch=host.switch)


def _gateway_steps(vif: Any, host: Plan, target: Target) -> Iterator[KernelStep]:
    """Yield the steps by which the host is the gateway of the pods in the VIF's Linux bridge.

    :raises os_vif.exception.InvalidField: for an unusable address, and for a VIF whose bridge
        os-vif does not create.
    """
    given = target.sandbox.bridge_addresses
    if not given:
        return
    bridge = vif_fields.get(vif, "bridge_name")
    creates = any(isinstance(step, EnsureBridge) and step.name == bridge for step in host)
    if vif.plugin != "linux_bridge" or not creates:
        expected = "unset, because os-vif creates no Linux bridge for the VIF"
        raise vif_fields.invalid(_GATEWAYS, ", ".join(map(str, given)), expected)
    try:
        steps = [EnsureBridgeGateway(str(bridge), address) for address in given]
    except exception.InvalidStep as error:
        raise vif_fields.of_step(error, {"address": _GATEWAYS}) from error
    yield from steps
    if any(":" not in address for address in given):
        yield EnableForwarding(str(bridge))
    six = [address for address in given if ":" in address]
    if six and sysctl.read_parameter("all", "ipv6", "forwarding") != 1:
        # The kernel drops the routes from router advertisements when forwarding is turned on.
        expected = "IPv4 addresses, or a host with the sysctl net.ipv6.conf.all.forwarding=1"
        raise vif_fields.invalid(_GATEWAYS, ", ".join(six), expected)


def _host_plan(plugin: Any, vif: Any, instance_info: Any, action: str) -> Plan:
    if not call_errors.has_plan(plugin, action):
        raise exception.PlanNotSupported(
            plugin_name=vif.plugin, reason=f"{action}() of the plugin acts without a plan"
        )
    return call_errors.plan_of(plugin, vif, instance_info, action)


def _for_host(vif: Any) -> Any:
    """Return the VIF for the plan of the plugin: a pod has no hypervisor.

    The plan has the port of a ``VIFOpenVSwitch``. A ``VIFDirect`` is a virtual function without a
    macvtap device.
    """
    profile = vif_fields.get(vif, "port_profile")
    if isinstance(vif, objects.VIFDirect):
        names = ("id", "address", "network", "plugin", "port_profile", "dev_address")
        given = {name: vif_fields.get(vif, name) for name in names}
        given = {name: value for name, value in given.items() if value is not None}
        return objects.VIFHostDevice(dev_type="ethernet", **given)
    if not isinstance(vif, objects.VIFOpenVSwitch):
        return vif
    if not isinstance(profile, objects.VIFPortProfileOpenVSwitch):
        return vif
    clone = vif.obj_clone()
    clone.port_profile = profile.obj_clone()
    for field, value in (("create_port", True), ("create_tap", False)):
        setattr(clone.port_profile, field, value)
    return clone


def _must_open(vif: Any, step: Step) -> Step:
    """Return the step for the pod's port with the condition that the switch opens the device."""
    is_own = isinstance(step, EnsureOvsPort) and step.name == vif_fields.get(vif, "vif_name")
    return dataclasses.replace(step, must_open=True) if is_own else step  # type: ignore[call-arg]


def is_in_other_sandbox(vif: Any, target: Target) -> bool:
    """Return whether the VIF is plugged into another sandbox than the target, or into no pod.

    A device of the VIF's name that is no veth pair into a pod belongs to another program, such as
    the tap device of a virtual machine.

    :raises os_vif.exception.InvalidField: if the VIF has no name of a device, or no PCI address.
    """
    match vif.obj_name():
        case "VIFBridge" | "VIFOpenVSwitch":
            return _is_pair_of_another(vif_fields.named(vif, "vif_name"), target)
        case "VIFHostDevice" | "VIFDirect" | "VIFSriov":
            return _is_lent_to_another(vif_fields.pci_address(vif), target)
        case _:
            return False


def _is_pair_of_another(name: str, target: Target) -> bool:
    with rtnetlink.opened() as net:
        link = net.link(name)
        if link is None:
            return False
        if link.kind != "veth" or link.lower_netns is None or not link.is_managed:
            return True
        netns, netns_id = target.known_place
        return is_of_other_sandbox(net, link, netns, netns_id, target.ifname)


def _is_lent_to_another(pci_address: str, target: Target) -> bool:
    record = lent_devices.read_record(pci_address)
    if record is None:
        return False
    netns, netns_id = target.known_place
    if netns_id is not None:
        return record.netns_id != netns_id
    return netns is not None and record.netns != netns


def _removal(vif: Any, target: Target) -> tuple[KernelStep, ...]:
    """Return the steps that remove the device of the pod."""
    match vif.obj_name():
        case "VIFBridge" | "VIFOpenVSwitch":
            # The kernel deletes the other end in the pod, too.
            return (DeleteLink(vif_fields.named(vif, "vif_name")),)
        case "VIFMacvlanNested" | "VIFVlanNested" if target.file is not None:
            mac = vif_fields.get(vif, "address")
            return (DeletePodLink(target.ifname, *target.place, mac),)
        case "VIFHostDevice" | "VIFDirect" | "VIFSriov":
            return (ReturnLink(target.ifname, *target.place, vif_fields.pci_address(vif)),)
        case _:
            return ()


def _result(vif: Any, device: Device, target: Target) -> PodResult:
    gateway = target.sandbox.default_gateway
    addresses, routes, dns = pod_layer_3.read_layer_3(vif, default_gateway=gateway)
    if device.has_interface:
        pod_layer_3.require_mtu(vif, device.mtu, addresses)
    return PodResult(
        name=target.ifname if device.has_interface else None,
        mac=device.mac,
        mtu=device.mtu,
        host_name=device.host_name,
        netns=target.netns if device.has_interface else None,
        addresses=addresses,
        routes=routes,
        dns=dns,
        pci_id=device.pci_id,
        socket_path=device.socket_path,
        device_info=device.device_info,
    )


def _has_ipv6(result: PodResult) -> bool:
    """Return whether a pod has an IPv6 address."""
    return any(":" in address.address for address in result.addresses)


def _link_steps(target: Target, device: Device, *, has_ipv6: bool) -> Iterator[KernelStep]:
    """Yield the steps for the loopback device, and for the link settings of a pod's interface."""
    yield SetLink("lo", up=True)
    # Before the device is up and gets a link-local address.
    yield SetSysctl(target.ifname, "disable_ipv6", 0 if has_ipv6 else 1)
    yield SetLink(target.ifname, address=device.mac, mtu=device.mtu, up=True)


def _layer_3_steps(ifname: str, result: PodResult) -> Iterator[KernelStep]:
    """Yield the steps for the addresses and routes of a pod's interface."""
    for address in result.addresses:
        yield EnsureAddress(ifname, address.address)
    networks = [ipaddress.ip_interface(each.address).network for each in result.addresses]
    for route in result.routes:
        gateway = route.gateway
        is_ipv6 = ":" in route.destination
        yield EnsureRoute(
            ifname,
            route.destination,
            gateway,
            metric=_METRIC_6 if is_ipv6 else None,
            scope=uapi.RT_SCOPE_LINK if gateway is None and not is_ipv6 else 0,
            # An address of a whole network of its own (/32), as on a routed network.
            onlink=gateway is not None
            and not any(ipaddress.ip_address(gateway) in network for network in networks),
        )
